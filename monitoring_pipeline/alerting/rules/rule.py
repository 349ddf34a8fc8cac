"""A rule: which sources, when to alert, for how long, how bad it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from monitoring_pipeline.alerting.rules.condition import AnyCondition
from monitoring_pipeline.alerting.rules.summary import check_summary
from monitoring_pipeline.alerting.selector import Selector
from monitoring_pipeline.clock import Duration
from monitoring_pipeline.records import Severity

__all__ = ["FlapSpec", "Rule"]

RuleId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120)]


class FlapSpec(BaseModel):
    """When something comes and goes so often that one alert is kept open for all of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: int = Field(4, ge=2, description="So many firings ...")
    within: Duration = Field(timedelta(minutes=30), description="... in this time are flapping.")
    calm: Duration = Field(timedelta(minutes=10), description="It ends when nothing was found for this long.")


class Rule(BaseModel):
    """When to alert about some sources."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)

    id: RuleId = Field(description="Name of the rule, unique over all files.")
    description: str = Field("", description="What it means, for people.")
    sources: Selector = Field(Selector(), description="The sources it is about; all of them by default.")
    per: Literal["source", "check"] = Field("source", description="One alert per source, or per check of each.")
    when: AnyCondition = Field(description="The condition.")
    severity: Severity = Field(Severity.CRITICAL, description="How bad it is, where the condition has no levels.")
    hold: Duration = Field(timedelta(0), alias="for", description="How long it must hold before it fires.")
    clear_for: Duration = Field(timedelta(0), description="How long it must not hold before it is resolved.")
    unknown: Literal["keep", "clear", "fire"] = Field(
        "keep", description="What not knowing means: nothing changes, it does not hold, or it holds."
    )
    cooldown: Duration = Field(timedelta(0), description="After an end, how long it may not fire anew.")
    flapping: FlapSpec | None = Field(FlapSpec(), description="When coming and going is one alert; null: never.")
    mode: Literal["active", "shadow", "off"] = Field("active", description="shadow evaluates and sends nothing.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of its alerts, for routes and silences.")
    summary: str = Field("", description="The alert in a few words (Jinja2); written from the condition by default.")
    runbook: str = Field("", description="Link to what to do about it.")

    @field_validator("summary")
    @classmethod
    def _can_be_rendered(cls, summary: str) -> str:
        check_summary(summary)
        return summary
