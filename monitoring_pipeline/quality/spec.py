"""The YAML of `suites`: what the data of a source should look like."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from monitoring_pipeline.clock import Duration

__all__ = ["SuiteSpec"]


class SuiteSpec(BaseModel):
    """Expectations about one table of a source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(description="Id of the source whose data it is.")
    every: Duration = Field(timedelta(hours=1), description="How often it runs.")
    enabled: bool = Field(True, description="Whether it runs.")
