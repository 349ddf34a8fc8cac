"""Holds while the quality score of a source, or one dimension of it, is too low."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.alerting.rules.measured import Measured
from monitoring_pipeline.clock import Duration

__all__ = ["QualityCondition"]

Dimension = Literal["completeness", "validity", "uniqueness", "consistency", "timeliness", "accuracy"]


class QualityCondition(Measured):
    """Holds while the newest quality score (0-100) is below a threshold."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: quality, threshold: {warning: 95, critical: 80}}",
        "{kind: quality, dimension: completeness, threshold: 99, clear: 99.5}",
    )
    sign: ClassVar[str] = "<"

    kind: Literal["quality"]
    dimension: Dimension | None = Field(None, description="One dimension instead of the whole score.")
    window: Duration = Field(
        timedelta(days=2), gt=timedelta(0), description="An older score does not count, the answer is unknown then."
    )

    @property
    def sample(self) -> str:
        return f"quality.{self.dimension}" if self.dimension else "quality"

    @property
    def label(self) -> str:
        return self.dimension or "quality score"
