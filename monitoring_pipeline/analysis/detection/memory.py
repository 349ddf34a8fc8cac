"""What the detector remembers of its series: one row of numbers per fact, one column per series.

A bank of 5,000 series is some hundred arrays of 5,000 numbers, so a tick is a few hundred array operations whatever
its width. Facts that depend on the time of day are tables: their rows are slots of the day on the wall, 288 at most.

Two kinds of memory are kept apart. Short memory (the last values, running means over some points) follows every
point; long memory (profiles, scales, the loudest of each day) learns from points that may train only.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "HOURS",
    "PAUSES",
    "ROWS",
    "SLOTS",
    "STREAMS",
    "TABLES",
    "VOTERS",
    "Floats",
    "Integers",
    "Memory",
    "Rows",
]

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

SLOTS, HOURS = 288, 24
VOTERS = (
    "level", "turn", "step", "slot_range", "unexplained", "range", "mean_4", "mean_16", "mean_64", "unrest",
    "median_step", "plain_level", "hold_6", "hold_25", "least_3", "contrast", "bend",
)  # fmt: skip
"""What is looked at in every point, as strangeness without a unit; see `voters`."""
STREAMS = (*(f"{name}_{side}" for side in ("up", "down") for name in VOTERS[:4]), *VOTERS)
"""Voters whose loudest of each day is followed; the first four by side, too."""

_NAN = float("nan")
_FACTS: dict[str, float] = {
    # settings
    "factor": 1.0, "direction": 0.0, "transform": 0.0, "budget": 1.0,
    # how often points come: microseconds, and what follows from it
    "interval": 0.0, "slot_us": 300e6, "slots": 288.0, "a_day": 288.0, "a_slot": 1.0, "slow": 0.03, "gain": 0.2,
    # how much is known
    "points": 0.0, "learnt": 0.0, "day": -1.0, "days": 0.0, "last_us": _NAN,
    # short memory
    "last": _NAN, "last_2": _NAN, "last_3": _NAN, "near": 0.0, "mean_4": 0.0, "mean_16": 0.0, "mean_64": 0.0,
    "unrest": 0.0, "hold_6": 0.0, "hold_25": 0.0, "level_1": 0.0, "level_2": 0.0, "quick": 0.0, "lazy": 0.0,
    "same": 0.0,
    # long memory
    "mean": 0.0, "deviation": 0.0, "away": 0.0, "lively": 0.0, "top": 0.0, "bottom": 0.0,
    "scale_level": 0.0, "scale_turn": 0.0, "scale_step": 0.0, "scale_unexplained": 0.0,
    "scale_contrast": 0.0, "scale_bend": 0.0,
    # events
    "run": 0.0, "same_top": 0.0, "gap_top": 0.0, "rise": 0.0, "fall": 0.0, "shift_rest": 0.0,
    # alarms
    "warning.alarming": 0.0, "warning.quiet": 0.0, "warning.pressure": 0.0,
    "critical.alarming": 0.0, "critical.quiet": 0.0, "critical.pressure": 0.0,
}  # fmt: skip
_KINDS = {"today": -9.0, "usual": 0.0, "spread": 0.3, "most": 0.0, "recent": -3.0}
_PAUSES = 7
ROWS = (
    *_FACTS, *(f"{kind}.{name}" for kind in _KINDS for name in STREAMS), *(f"pause.{turn}" for turn in range(_PAUSES))
)  # fmt: skip
"""Names of the rows. Of each stream, in logarithms: its loudest `today`, mean and spread of that over days (`usual`,
`spread`), and its loudest of some weeks (`most`) and of some points (`recent`), both fading. Then the first pauses."""
PAUSES = slice(-_PAUSES, None)
"""The rows of the first pauses."""
TABLES: dict[str, tuple[int, float]] = {
    "profile": (SLOTS, 0.0), "profile_points": (SLOTS, 0.0), "high": (SLOTS, _NAN), "low": (SLOTS, _NAN),
    "week": (SLOTS * 7, _NAN), "week_day": (SLOTS * 7, -1.0),
    "hour_level": (HOURS, 0.0), "hour_turn": (HOURS, 0.0), "hour_step": (HOURS, 0.0), "hour_points": (HOURS, 0.0),
}  # fmt: skip
"""Tables with the number of their rows and what they are filled with."""
_PLACE = {name: place for place, name in enumerate(ROWS)}
_BLANK = np.array([*_FACTS.values(), *(fill for fill in _KINDS.values() for _ in STREAMS), *(0.0,) * _PAUSES])


class Rows:
    """Facts of some series by name, each one row of `data`, shape (len(ROWS), number of series)."""

    def __init__(self, data: Floats) -> None:
        self.data = data

    def __getitem__(self, name: str) -> Floats:
        row: Floats = self.data[_PLACE[name]]
        return row

    def __setitem__(self, name: str, values: Floats | Integers | NDArray[np.bool_] | float) -> None:
        self.data[_PLACE[name]] = values

    def streams(self, kind: str) -> Floats:
        """What is known of the streams, shape (streams, series): `today`, `usual`, `spread`, `most` or `recent`."""
        first = _PLACE[f"{kind}.{STREAMS[0]}"]
        return self.data[first : first + len(STREAMS)]


class Memory:
    """Rows and tables of a bank, with room to grow: columns double when they run out."""

    def __init__(self) -> None:
        self.count = 0
        self._rows = np.zeros((len(ROWS), 0))
        self._tables = {name: np.zeros((height, 0)) for name, (height, _) in TABLES.items()}

    def add(self, count: int) -> slice:
        """Makes `count` series that nothing is known of; their columns."""
        fresh = slice(self.count, self.count + count)
        self.count += count
        if self.count > self._rows.shape[1]:
            room = max(self.count, 2 * self._rows.shape[1])
            self._rows = _widened(self._rows, room)
            self._tables = {name: _widened(table, room) for name, table in self._tables.items()}
        self._rows[:, fresh] = _BLANK[:, None]
        for name, (_, fill) in TABLES.items():
            self._tables[name][:, fresh] = fill
        return fresh

    def rows(self, index: Integers | slice) -> Rows:
        """Rows of some series: views for a slice, copies for an index."""
        return Rows(self._rows[:, index])

    def put(self, index: Integers, rows: Rows) -> None:
        """Writes back what `rows` gave for an index."""
        self._rows[:, index] = rows.data

    def cells(self, row: Integers, columns: Integers | int = 0) -> Integers:
        """Where a row of each of some series is in any table."""
        return np.asarray(row * self._rows.shape[1] + columns)

    def table(self, name: str) -> Floats:
        """One table, flat: a view, to be read and written at `cells`."""
        return self._tables[name].reshape(-1)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, without the spare room. Keys begin with the names of rows' and tables' layout."""
        tables = {f"table.{name}": table[:, : self.count] for name, table in self._tables.items()}
        return {"names": np.array(ROWS), "rows": self._rows[:, : self.count], **tables}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], *, copy: bool = True) -> Memory:
        """The memory that `to_arrays` gave, a copy or in these very arrays. Raises ValueError for another layout."""
        if tuple(arrays["names"].tolist()) != ROWS:
            raise ValueError("these arrays were written by another version of the detector")
        memory = cls()
        memory.count = arrays["rows"].shape[1]
        take = np.array if copy else np.asarray
        memory._rows = take(arrays["rows"], dtype=np.float64, order="C")
        memory._tables = {name: take(arrays[f"table.{name}"], dtype=np.float64, order="C") for name in TABLES}
        return memory


def _widened(data: Floats, width: int) -> Floats:
    wider = np.zeros((data.shape[0], width))
    wider[:, : data.shape[1]] = data
    return wider
