"""SQL: which metrics are measurements."""

from __future__ import annotations

from monitoring_pipeline.records.metric import ALONE, CONCLUSIONS, MARKS
from monitoring_pipeline.store.warehouse import literal

__all__ = ["MEASURED"]

_NAMES = ", ".join(map(literal, sorted(ALONE | MARKS)))

MEASURED = " AND ".join(
    [f"metric NOT IN ({_NAMES})", *(f"NOT starts_with(metric, {literal(begin)})" for begin in CONCLUSIONS)]
)
"""A condition on `metric`: `records.metric.is_computed` says no."""
