"""Holds while a metric is far from its baseline."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.alerting.rules.condition import Aggregation
from monitoring_pipeline.alerting.rules.measured import Measured
from monitoring_pipeline.alerting.rules.threshold import figure

__all__ = ["DeviationCondition"]

_SIDES = {"both": "", "above": " upwards", "below": " downwards"}


class DeviationCondition(Measured):
    """Holds while a metric deviates from its baseline by more than so many percent."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: deviation, metric: rows, direction: below, threshold: {warning: 30, critical: 60}}",
        "{kind: deviation, metric: response_time_ms, threshold: 50}",
    )
    sign: ClassVar[str] = ">"
    unit: ClassVar[str] = "%"
    newest: ClassVar[Aggregation] = Aggregation.PEAK

    kind: Literal["deviation"]
    metric: str = Field(min_length=1, description="Name of the metric.")
    direction: Literal["both", "above", "below"] = Field("both", description="On which side of the baseline.")

    @property
    def sample(self) -> str:
        return f"deviation.{self.metric}"

    @property
    def label(self) -> str:
        return f"deviation of {self.metric}{_SIDES[self.direction]}"

    def judged(self, value: float) -> float:
        if self.direction == "both":
            return abs(value)
        return value if self.direction == "above" else -value

    def shown(self, value: float) -> str:
        return f"{figure(abs(value))} % {'below' if value < 0 else 'above'} its baseline"
