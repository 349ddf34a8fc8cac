"""Holds while a metric is strange for the time: its anomaly score is high."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.alerting.rules.measured import Measured
from monitoring_pipeline.alerting.rules.threshold import Bounds
from monitoring_pipeline.records import Severity

__all__ = ["AnomalyCondition"]


class AnomalyCondition(Measured):
    """Holds while the anomaly score of a metric is at or above a threshold; 1 is ordinary-high."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: anomaly, metric: response_time_ms}",
        "{kind: anomaly, metric: rows, threshold: {critical: 4}, clear: {critical: 2}}",
    )

    kind: Literal["anomaly"]
    metric: str = Field(min_length=1, description="Name of the metric.")
    threshold: Bounds = Field(
        {Severity.WARNING: 2.0, Severity.CRITICAL: 3.0}, description="The limit: a score, or one per severity."
    )

    @property
    def sample(self) -> str:
        return f"anomaly.{self.metric}"

    @property
    def label(self) -> str:
        return f"anomaly score of {self.metric}"
