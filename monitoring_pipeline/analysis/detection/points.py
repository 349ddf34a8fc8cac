"""What goes into a step and what comes out of it: arrays with an entry per point."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.state import SIDED, VOTERS, Floats

__all__ = ["ASKED", "FACTS", "Heard", "Points", "Scored"]

Flags = NDArray[np.bool_]
FACTS = (
    "level", "turn", "step", "unexplained", "scale", "away", "place", "relative", "same", "lively", "age", "waited"
)  # fmt: skip
"""What the trees may ask besides loudness: sizes in units of the series' own deviation, and how it behaves."""
ASKED = 3 * len(VOTERS) + 4 * SIDED + len(FACTS)
"""So much trees may ask about a point: how loud each voter is above the usual loudest of a day, above the loudest of
late, and at all; the first two again by side; facts."""


class Points(NamedTuple):
    """Points to be scored: the series' columns in the state, the moments (microseconds), the same on the wall, the
    weekday that the day is like and whether it closes a month, the values, and which of them are learnt from."""

    columns: NDArray[np.int64]
    times: NDArray[np.int64]
    local: NDArray[np.int64]
    weekdays: NDArray[np.int64]
    closes: Flags
    values: Floats
    trains: Flags


class Scored(NamedTuple):
    """What was made of points, an entry per point.

    `score` is calibrated: 1 ordinary-high, 2 worth a warning, 3 critical; 0 to 10. What was strange echoes below 2.
    `expected`, `low` and `high` are the prediction and the normal range in units of the value, NaN for a value that is
    no number. While `learning` nothing alarms. `is_alert` is true where an alarm is to be raised (once an episode,
    again when it becomes critical), `is_critical` where a critical episode begins. `event` is one of `NONE`, `SPIKE`,
    `FLATLINE`, `LEVEL_SHIFT` and `GAP`.
    """

    score: Floats
    expected: Floats
    low: Floats
    high: Floats
    learning: Flags
    is_alert: Flags
    is_critical: Flags
    event: NDArray[np.int8]

    @classmethod
    def room(cls, count: int) -> Scored:
        """Room for so many points."""
        kinds: tuple[Any, ...] = (*(np.float64,) * 4, *(np.bool_,) * 3, np.int8)
        return cls(*(np.empty(count, kind) for kind in kinds))


class Heard(NamedTuple):
    """What trees are asked, a row of `asked` per question, and the place of the point."""

    asked: NDArray[np.float32]
    places: NDArray[np.int64]

    @classmethod
    def room(cls, count: int) -> Heard:
        """Room for so many questions."""
        return cls(np.empty((count, ASKED), np.float32), np.empty(count, np.int64))
