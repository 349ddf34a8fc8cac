"""The YAML of `analysis` and `objectives`: what is normal for this installation, and what was promised."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from monitoring_pipeline.analysis.metric_types import MetricType
from monitoring_pipeline.analysis.objective import ObjectiveSpec
from monitoring_pipeline.deadlines import Zone

__all__ = ["SENSITIVITIES", "AnalysisSpec", "LimitSpec", "ObjectiveSpec", "Sensitivity", "SeriesSpec"]

Sensitivity = Literal["low", "normal", "high"] | Annotated[float, Field(gt=0, le=10)]
"""How easily something counts as strange: a word, or the factor by which scores are multiplied."""
SENSITIVITIES = {"low": 0.8, "normal": 1.0, "high": 1.25}
"""What the words mean as factors."""


class SeriesSpec(BaseModel):
    """What is known of some series. The first entry that fits a series decides, as far as it says something."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field("*", description="Ids of sources; `*` and `?` stand for anything.")
    check: str = Field("*", description="Ids of checks.")
    metric: str = Field("*", description="Names of metrics.")
    enabled: bool = Field(True, description="Whether they are scored.")
    type: MetricType | None = Field(None, description="What kind of number it is; by default told from name and unit.")
    sensitivity: Sensitivity | None = Field(None, description="As `analysis.sensitivity`, for these.")
    direction: Literal["both", "above", "below"] = Field("both", description="On which side a value can be strange.")

    def fits(self, source: str, check: str, metric: str) -> bool:
        """Whether a series is meant."""
        return fnmatchcase(source, self.source) and fnmatchcase(check, self.check) and fnmatchcase(metric, self.metric)


class LimitSpec(BaseModel):
    """A limit that some series must not reach; when they will is forecast, and `hours_to_threshold` tells it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field("*", description="Ids of sources; `*` and `?` stand for anything.")
    check: str = Field("*", description="Ids of checks.")
    metric: str = Field(min_length=1, description="Names of metrics.")
    below: float | None = Field(
        None, allow_inf_nan=False, description="It must stay below this, as a disk below 100 percent."
    )
    above: float | None = Field(
        None, allow_inf_nan=False, description="It must stay above this, as free space above nothing."
    )

    @model_validator(mode="after")
    def _has_one(self) -> LimitSpec:
        if (self.below is None) == (self.above is None):
            raise ValueError("give either `below` or `above`")
        return self

    @property
    def value(self) -> float:
        """The limit itself."""
        return self.below if self.below is not None else self.above or 0.0


class AnalysisSpec(BaseModel):
    """How history is read: which series are watched for anomalies, and in which time zone people live."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(True, description="Whether baselines are learnt and samples scored.")
    timezone: Zone = Field("UTC", description="The time zone in which days and weeks repeat.")
    holidays: tuple[date, ...] = Field((), description="Days on which people do not work: they are like Sundays.")
    holiday_calendar: Path | None = Field(None, description="An iCalendar file; its events are further holidays.")
    sensitivity: Sensitivity = Field("normal", description="low, normal, high, or a factor: 2 scores twice as high.")
    budget: float = Field(
        1.0, gt=0, le=1000, description="How many alarms a series may cause a week before it takes more."
    )
    max_series: int = Field(
        20_000, gt=0, description="How many series are scored at most; a log line tells of the rest."
    )
    isolation_forest: bool = Field(
        False, description="Whether days that have passed are judged by an isolation forest too, beside their scores."
    )
    series: tuple[SeriesSpec, ...] = Field((), description="What is known of some series; the first that fits decides.")
    limits: tuple[LimitSpec, ...] = Field(
        (), description="Limits that are forecast, beside the critical conditions of checks."
    )
