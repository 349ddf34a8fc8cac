"""How times and durations are written for people: UTC first, and the reader's own zone beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["lasting", "moment"]

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def moment(at: datetime, zone: str = "UTC") -> str:
    """A time to the minute in UTC, and in the reader's zone where that is another: `2026-03-01 12:00 UTC`."""
    shown = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    here = at.astimezone(_zone(zone))
    if here.utcoffset() == timedelta(0):
        return shown
    day = "" if here.date() == at.astimezone(UTC).date() else f"{here:%Y-%m-%d} "
    return f"{shown} ({day}{here:%H:%M} {zone})"


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return UTC


def lasting(duration: timedelta) -> str:
    """A duration in its two largest units: `45 s`, `12 min`, `1 h 5 min`, `3 d 4 h`."""
    seconds = max(round(duration.total_seconds()), 0)
    found = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        found.append((count, unit))
    first = next((index for index, (count, _) in enumerate(found) if count), len(found) - 1)
    return " ".join(f"{count} {unit}" for count, unit in found[first : first + 2] if count) or "0 s"
