"""What a person reads about a point: "812 ms, expected 210-340 ms for Tue 14h"."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.clock import from_us

__all__ = ["sentence"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def sentence(value: float, low: float, high: float, unit: str, time_us: int, calendar: Calendar | None = None) -> str:
    """The value, and what would have been normal at that hour on the wall."""
    calendar = calendar or Calendar()
    wall = from_us(int(calendar.local(np.array([time_us], dtype=np.int64))[0]))
    shown = f" {unit}" if unit else ""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{_shown(value, _decimals(value))}{shown}"
    decimals = _decimals(high - low or value)
    normal = {_shown(low, decimals): None, _shown(high, decimals): None}
    return f"{_shown(value, max(decimals, 0))}{shown}, expected {'-'.join(normal)}{shown} for {_hour(wall)}"


def _hour(wall: datetime) -> str:
    return f"{_DAYS[wall.weekday()]} {wall.hour}h"


def _decimals(matters: float) -> int:
    """Decimals that show two digits of a difference that matters."""
    return min(1 - math.floor(math.log10(abs(matters))), 15) if matters and math.isfinite(matters) else 0


def _shown(value: float, decimals: int) -> str:
    return f"{round(value, decimals):.{max(decimals, 0)}f}"
