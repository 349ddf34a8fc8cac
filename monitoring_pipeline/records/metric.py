"""Which metrics are no measurements, told by their names."""

from __future__ import annotations

__all__ = ["ALONE", "CONCLUSIONS", "MARKS", "is_computed", "is_conclusion"]

CONCLUSIONS = ("anomaly.", "deviation.", "expected_low.", "expected_high.", "burn.", "trend.", "forecast.", "risk.")
"""How the names of numbers begin that we concluded from others."""

ALONE = frozenset({"risk"})
"""Conclusions whose whole name this is."""

MARKS = frozenset({"run_failures", "dead_letters", "run_failed", "asset_check_failed"})
"""Marks that something happened: their value says nothing."""


def is_conclusion(metric: str) -> bool:
    """Whether a number is concluded from others: to conclude anything from it would chase our own tail."""
    return metric in ALONE or metric.startswith(CONCLUSIONS)


def is_computed(metric: str) -> bool:
    """Whether a metric is no measurement: a conclusion of ours, or a mark that something happened."""
    return is_conclusion(metric) or metric in MARKS
