"""Holds while a metric is strange for the time: its anomaly score is high."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.alerting.rules.condition import (
    Aggregation,
    Answer,
    Facts,
    Observation,
    Query,
    Series,
    Subject,
)
from monitoring_pipeline.alerting.rules.measured import Measured
from monitoring_pipeline.alerting.rules.threshold import Bounds, figure, with_unit
from monitoring_pipeline.records import Severity

__all__ = ["AnomalyCondition"]


class AnomalyCondition(Measured):
    """Holds while the anomaly score of a metric is at or above a threshold; 1 is ordinary-high."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: anomaly, metric: response_time_ms}",
        "{kind: anomaly, metric: rows, threshold: {critical: 4}, clear: {critical: 2}}",
    )
    newest: ClassVar[Aggregation] = Aggregation.PEAK

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

    def queries(self, subject: Subject) -> Sequence[Query]:
        """The score; the value, and the range that was normal for its time."""
        source, check = self.place(subject)
        beside = (self.metric, f"expected_low.{self.metric}", f"expected_high.{self.metric}")
        score = super().queries(subject)
        return *score, *(Query(Series.SAMPLES, source, check, each, Aggregation.LAST, self.window) for each in beside)

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        found = super().observe(subject, answers[:1], facts, now, held)
        normal = _normal(*answers)
        return found._replace(text=f"{found.text}: {normal}") if normal else found


def _normal(score: Answer, value: Answer, low: Answer, high: Answer) -> str:
    """The value and what was normal for its time; empty where they are not of the score's moment."""
    if score.last_us is None or {value.last_us, low.last_us, high.last_us} != {score.last_us}:
        return ""
    if value.value is None or low.value is None or high.value is None:
        return ""
    normal = f"{figure(_rough(low.value))}-{with_unit(_rough(high.value), value.unit)}"
    return f"{with_unit(value.value, value.unit)}, expected {normal}"


def _rough(value: float) -> float:
    """Three digits: a range is not known better."""
    return float(f"{value:.3g}")
