"""The YAML of `reports`: what is sent to whom at the end of a day, week or month."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ReportSpec"]


class ReportSpec(BaseModel):
    """One report that is sent by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    period: Literal["day", "week", "month"] = Field("week", description="What it covers; sent when that is over.")
