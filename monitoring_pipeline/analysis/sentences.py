"""What was found, in words: the same on the command line, in the API, in reports."""

from __future__ import annotations

from monitoring_pipeline.analysis.capacity import Reach, ReachState
from monitoring_pipeline.analysis.trends import Direction, Trend

__all__ = ["hours_in_words", "reach_in_words", "trend_in_words"]

_TWO_DAYS_H = 48.0


def trend_in_words(trend: Trend) -> str:
    """`upward, 1 % a day (7 % a week of its level)`, or why there is no verdict."""
    if trend.direction is Direction.LEARNING:
        return f"learning: {trend.values} values are too few, or too far between"
    if trend.direction is Direction.VOLATILE:
        return f"volatile around {_figure(trend.level, trend.key.unit)}, no direction"
    if trend.direction is Direction.STABLE:
        return f"stable at {_figure(trend.level, trend.key.unit)}"
    text = f"{trend.direction}, {trend.slope_per_day:+.3g}{_unit(trend.key.unit)} a day"
    return text if trend.change_percent is None else f"{text} ({trend.change_percent:+.3g} % in all)"


def reach_in_words(reach: Reach) -> str:
    """`reaches 95 % in 9-12 days`, `not within 90 days`."""
    limit = _figure(reach.limit.value, reach.key.unit)
    horizon = hours_in_words(reach.horizon)
    if reach.state is ReachState.LEARNING:
        return f"{limit}: learning, too little history"
    if reach.state is ReachState.BEYOND:
        return f"beyond {limit} already, at {_figure(reach.now or 0.0, reach.key.unit)}"
    if reach.state is ReachState.NOT_WITHIN:
        return f"{limit}: not within {horizon}"
    if reach.state is ReachState.MAY:
        earliest = hours_in_words(reach.earliest)
        return f"{limit}: not likely within {horizon} ({reach.chance:.0%}), in {earliest} at the earliest"
    return f"reaches {limit} in {_range(reach.earliest, reach.latest, reach.horizon)}"


def hours_in_words(hours: float | None) -> str:
    """Hours up to two days, days beyond."""
    if hours is None:
        return "never"
    return f"{hours:.0f} hours" if hours < _TWO_DAYS_H else f"{hours / 24:.0f} days"


def _range(earliest: float | None, latest: float | None, horizon: float) -> str:
    first = earliest or 0.0
    if latest is None:
        return f"{hours_in_words(first)} or later"
    if first < _TWO_DAYS_H:
        low, high, unit = round(first), round(latest), "hours"
    else:
        low, high, unit = int(first / 24), -int(-latest // 24), "days"
    return f"{low} {unit}" if low == high else f"{low}-{high} {unit}"


def _figure(value: float, unit: str) -> str:
    return f"{value:.4g}{_unit(unit)}"


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""
