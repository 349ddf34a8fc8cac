"""The YAML of `analysis` and `objectives`: what is normal for this installation, and what was promised."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AnalysisSpec", "ObjectiveSpec"]


class AnalysisSpec(BaseModel):
    """How history is read: which series are watched for anomalies, and in which time zone people live."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(True, description="Whether baselines are learnt and samples scored.")
    timezone: str = Field("UTC", description="The time zone in which days and weeks repeat.")


class ObjectiveSpec(BaseModel):
    """One promise about sources, with its error budget."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = Field(None, description="Id of the source.")
    component: str | None = Field(None, description="The component, for all of its sources.")
    tag: str | None = Field(None, description="A tag, for all sources that have it.")
    target: float = Field(99.9, gt=0, lt=100, description="Percent of the time that must be good.")
