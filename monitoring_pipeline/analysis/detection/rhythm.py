"""How often a series is measured: told, or the median pause between its first eight points.

It says how many slots a day has (288 of five minutes, fewer where points are rarer) and how slowly to forget.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.calendars import DAY_US
from monitoring_pipeline.analysis.detection.memory import PAUSES, SLOTS, Floats, Rows
from monitoring_pipeline.analysis.detection.voters import Context

__all__ = ["is_known", "set_interval", "take_interval"]

_LEVEL_POINTS, _LEVEL_US = 24.0, 7.2e9
_RARELY_DAILY = 1.0
_PROFILE_GAIN = 0.2


def is_known(rows: Rows) -> NDArray[np.bool_]:
    """Whether the interval is known: nothing is learnt by time of day before."""
    return rows["interval"] > 0


def take_interval(rows: Rows, at: Context) -> None:
    """Keeps the first pauses, and decides when there are enough."""
    early = (rows["interval"] == 0) & (rows["points"] > 0)
    if not early.any():
        return
    pauses = rows.data[PAUSES]
    places = np.flatnonzero(early)
    turn = (rows["points"][places] - 1).astype(np.int64)
    pauses[turn, places] = at.times[places] - rows["last_us"][places]
    ready = places[turn == len(pauses) - 1]
    if len(ready):
        part = Rows(rows.data[:, ready])
        set_interval(part, np.median(pauses[:, ready], axis=0))
        rows.data[:, ready] = part.data


def set_interval(rows: Rows, interval_us: Floats) -> None:
    """Fixes what follows from the interval (microseconds)."""
    interval = np.maximum(interval_us, 1.0)
    slot = np.maximum(DAY_US / SLOTS, np.minimum(interval, DAY_US))
    slots = np.maximum(np.floor(DAY_US / slot), 1.0)
    rows["interval"], rows["slots"], rows["slot_us"] = interval, slots, DAY_US / slots
    rows["a_day"] = np.maximum(DAY_US / interval, _RARELY_DAILY)
    rows["a_slot"] = np.maximum(DAY_US / slots / interval, 1.0)
    rows["gain"] = 1 - (1 - _PROFILE_GAIN) ** (1 / rows["a_slot"])
    rows["slow"] = 1 - 0.5 ** (1 / np.maximum(_LEVEL_POINTS, _LEVEL_US / interval))
