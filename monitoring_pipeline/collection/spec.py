"""The YAML of `collectors`: who reports, about which source, and how often."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from monitoring_pipeline.clock import Duration

__all__ = ["CollectorSpec"]


class CollectorSpec(BaseModel):
    """One collector: a job that brings data from somewhere and tells how that went."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(description="Id of the source it collects from.")
    every: Duration = Field(timedelta(hours=1), description="How often it is expected to report.")
