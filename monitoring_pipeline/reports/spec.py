"""The YAML of `reports`: what is sent to whom at the end of a day, week or month."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from monitoring_pipeline.alerting.delivery.channels.email import EmailAddress
from monitoring_pipeline.alerting.people.wall import DayTime
from monitoring_pipeline.deadlines import Zone

__all__ = ["Attachment", "ReportSpec"]

Attachment = Literal["html", "markdown", "csv", "json"]


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class ReportSpec(BaseModel):
    """One report that is sent by itself, as an e-mail. About everything, a component or a source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    period: Literal["day", "week", "month"] = Field("week", description="What it covers; sent when that is over.")
    source: str | None = Field(None, description="Id of the source it is about.")
    component: str | None = Field(None, description="The component it is about.")
    channel: str = Field(description="Name of the email channel that sends it.")
    to: Annotated[tuple[EmailAddress, ...], BeforeValidator(_listed)] = Field(
        (), description="Who gets it; by default those the channel writes to."
    )
    at: DayTime = Field(time(7), description="Time of the day after the period at which it is sent, such as 07:00.")
    timezone: Zone | None = Field(None, description="Whose days, weeks and months; `analysis.timezone` by default.")
    attach: Annotated[tuple[Attachment, ...], BeforeValidator(_listed)] = Field(
        (), description="The report once more as files: html, markdown, csv, json."
    )
    enabled: bool = Field(True, description="Whether it is sent.")

    @model_validator(mode="after")
    def _is_about_one_thing(self) -> ReportSpec:
        if self.source is not None and self.component is not None:
            raise ValueError("a report is about a source or about a component: give one of them")
        return self
