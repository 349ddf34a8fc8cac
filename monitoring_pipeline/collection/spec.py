"""The YAML of `collectors`: who reports, about which source, how often, and what is too bad."""

from __future__ import annotations

import re
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from monitoring_pipeline.clock import Duration

__all__ = ["METRICS", "CollectorSpec", "Levels", "ThresholdsSpec"]

METRICS = tuple(
    f"collection.{name}" for name in ("success", "rows", "bytes", "duration_ms", "quality", "status", "failure_rate")
)
"""What the samples of attempts, and the last two of verdicts on collectors, are called."""


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Levels(_Spec):
    """From where on something is a warning, and from where on it is critical; null for never."""

    warning: float | None = None
    critical: float | None = None


class ThresholdsSpec(_Spec):
    """What is too bad about a collector."""

    failure_rate: Levels = Field(Levels(warning=10, critical=50), description="Failed attempts in the window, percent.")
    failures_in_row: Levels = Field(
        Levels(warning=3, critical=5), description="Failed attempts since the last success."
    )
    quality: Levels = Field(Levels(), description="Mean quality in the window, 0 to 100; below it is too bad.")
    p95_ms: Levels = Field(Levels(), description="The 95th percentile of durations in the window, milliseconds.")
    min_attempts: int = Field(5, ge=1, description="From how many attempts in the window on its rate is judged.")

    @field_validator("failure_rate", "failures_in_row", "quality", "p95_ms")
    @classmethod
    def _worsen(cls, levels: Levels, info: ValidationInfo) -> Levels:
        if levels.warning is not None and levels.critical is not None and levels.warning != levels.critical:
            falls = info.field_name == "quality"
            if (levels.warning < levels.critical) is falls:
                raise ValueError(f"`warning` must not lie {'below' if falls else 'above'} `critical`")
        return levels


class CollectorSpec(_Spec):
    """One collector: a job that brings data from somewhere and tells how that went."""

    source: str = Field(description="Id of the source it collects from.")
    every: Duration = Field(timedelta(hours=1), gt=timedelta(0), description="How often it is expected to report.")
    grace: Duration | None = Field(
        None,
        ge=timedelta(0),
        description="How late a report may be; half of `every`, but a minute at least, by default.",
    )
    window: Duration | None = Field(
        None,
        description="Over which stretch it is judged: 5m, 1h, 24h or 7d; by default the shortest in which "
        "ten reports are expected.",
    )
    thresholds: ThresholdsSpec = ThresholdsSpec()
    compare: bool = Field(True, description="Whether the last hour is compared with the same hour of the days before.")
    masks: tuple[str, ...] = Field(
        (), description="Regular expressions; what they match in errors and tags is kept as `***`."
    )

    @field_validator("window")
    @classmethod
    def _is_a_span(cls, window: timedelta | None) -> timedelta | None:
        if window not in (None, *(timedelta(minutes=minutes) for minutes in (5, 60, 1_440, 10_080))):
            raise ValueError("a window is 5m, 1h, 24h or 7d long")
        return window

    @field_validator("masks")
    @classmethod
    def _are_patterns(cls, masks: tuple[str, ...]) -> tuple[str, ...]:
        for mask in masks:
            try:
                re.compile(mask)
            except re.error as error:
                raise ValueError(f"{mask!r} is not a regular expression: {error}") from None
        return masks

    @property
    def patience(self) -> timedelta:
        """After how long without a report it is silent."""
        grace = max(timedelta(minutes=1), self.every / 2) if self.grace is None else self.grace
        return self.every + grace
