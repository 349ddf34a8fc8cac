"""Time: the injected clock, durations as people write them, and microseconds as stores keep them.

Inside the project every moment is an aware UTC `datetime`; stores keep whole microseconds since
1970 as integers. `now` enters at a front door and is passed down, so tests can move it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = [
    "EPOCH",
    "Clock",
    "Duration",
    "format_duration",
    "from_us",
    "from_us_or_none",
    "parse_duration",
    "system_clock",
    "to_us",
]

Clock = Callable[[], datetime]
"""Answers the present moment as an aware UTC datetime."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LONGEST = timedelta(days=36_525)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)")


def system_clock() -> datetime:
    """The machine's clock."""
    return datetime.fromtimestamp(time.time(), UTC)


def to_us(moment: datetime) -> int:
    """Whole microseconds since 1970 (UTC) of an aware datetime."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(microseconds: int) -> datetime:
    """The aware UTC datetime of whole microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def from_us_or_none(microseconds: int | None) -> datetime | None:
    """The same of a column that may be empty."""
    return None if microseconds is None else from_us(microseconds)


def parse_duration(text: str | float) -> timedelta:
    """`30s`, `5m`, `1h30m`, `2d`, `250ms`; a bare number counts seconds.

    Raises ValueError with what is allowed.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return _lasting(text)
    stripped = str(text).strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", stripped):
        return _lasting(float(stripped))
    if not stripped or _PART.sub("", stripped).strip():
        raise ValueError("a duration is a number and a unit (us, ms, s, m, h, d, w), like 30s, 5m, 1h30m or 2d")
    return _lasting(sum(float(n) * _SECONDS[unit] for n, unit in _PART.findall(stripped)))


def _lasting(seconds: float) -> timedelta:
    try:
        duration = timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        duration = timedelta.max
    if abs(duration) > _LONGEST:
        raise ValueError("a duration of more than a hundred years is not meant")
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back: `90s` becomes `1m30s`."""
    left = round(duration.total_seconds() * 1_000_000)
    if left == 0:
        return "0s"
    text = "-" if left < 0 else ""
    left = abs(left)
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    for unit, size in (("ms", 1000), ("us", 1)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text


def _as_duration(value: Any) -> timedelta:
    return value if isinstance(value, timedelta) else parse_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_as_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s*(us|ms|s|m|h|d|w)?\s*)+$"},
                {"type": "number"},
            ],
            "examples": ["30s", "5m", "1h30m"],
        }
    ),
]
"""A duration field of the YAML: `30s`, `5m`, `1h30m`, or a number of seconds."""
