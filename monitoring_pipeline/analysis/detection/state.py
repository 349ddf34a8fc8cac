"""What the detector remembers of its series: a record of facts each, and tables of what depends on the time.

Two kinds of memory are kept apart. Short memory (the last values, running means over some points) follows every
point; long memory (profiles, scales, the loudest of each day) learns from points that may train only.

Tables have a row per slot of the day, of the week or hour, and a column per series: points of one moment lie side by
side, and of a mapped file only the pages of that moment are ever loaded.
"""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DAYS",
    "FLATLINE",
    "GAP",
    "HOURS",
    "LEVEL_SHIFT",
    "LOGARITHM",
    "NONE",
    "PAUSES",
    "ROOT",
    "SERIES",
    "SIDED",
    "SLOTS",
    "SPIKE",
    "STREAMS",
    "VOTERS",
    "Floats",
    "State",
    "Tables",
]


Floats: TypeAlias = NDArray[np.float64]
Table: TypeAlias = NDArray[np.float32]

SLOTS, HOURS, DAYS = 288, 24, 8
"""Slots and hours of a day; days that are told apart: seven of the week, and the one on which a month is closed."""
NONE, SPIKE, FLATLINE, LEVEL_SHIFT, GAP = range(5)
"""The events of a point; see `step`."""
LOGARITHM, ROOT = 1.0, 2.0
"""Scales on which values of some series are learnt."""
VOTERS = ("level", "turn", "step", "unexplained", "mean_4", "mean_16", "mean_64", "unrest", "hold_6", "hold_25")
"""What is looked at in every point, as strangeness without a unit; see `step`."""
SIDED = 3
"""So many of the first voters are followed by side, too."""
STREAMS = len(VOTERS) + 2 * SIDED
"""Voters whose loudest of each day is followed: those of either side, then the first upward, then downward."""
PAUSES = 7
"""So many pauses between points are looked at to tell how often a series is measured."""

_NAN = float("nan")
_FACTS: dict[str, float] = {
    # settings
    "factor": 1.0, "direction": 0.0, "transform": 0.0, "budget": 1.0,
    # how often points come: microseconds, and what follows from it
    "interval": 0.0, "slot_us": 300e6, "slots": 288.0, "a_day": 288.0, "a_slot": 1.0, "slow": 0.03, "gain": 0.2,
    "week_gain": 0.4, "in_3_days": 1 / 864, "in_7_days": 1 / 2016, "in_14_days": 1 / 4032, "rest": 6.0,
    # how much is known
    "points": 0.0, "learnt": 0.0, "day": -1.0, "slot": -1.0, "days": 0.0, "last_us": _NAN,
    # short memory
    "last": _NAN, "near": 0.0, "mean_4": 0.0, "mean_16": 0.0, "mean_64": 0.0, "unrest": 0.0, "hold_6": 0.0,
    "hold_25": 0.0, "same": 0.0, "echo": 0.0,
    # long memory
    "mean": 0.0, "deviation": 0.0, "away": 0.0, "lively": 0.0, "top": 0.0, "bottom": 0.0,
    "off_by_day": 0.0, "off_by_kind": 0.0, "off_by_week": 0.0,
    "scale_level": 0.0, "scale_turn": 0.0, "scale_step": 0.0, "scale_unexplained": 0.0,
    # events
    "run": 0.0, "same_top": 0.0, "gap_top": 0.0, "rise": 0.0, "fall": 0.0, "shift_rest": 0.0,
    # alarms
    "warning_on": 0.0, "warning_quiet": 0.0, "warning_pressure": 0.0,
    "critical_on": 0.0, "critical_quiet": 0.0, "critical_pressure": 0.0,
}  # fmt: skip
_LISTS: dict[str, tuple[int, float]] = {
    "today": (STREAMS, 0.0), "usual": (STREAMS, 0.0), "inverse": (STREAMS, 1.0), "recent": (STREAMS, 0.0),
    "spread": (SIDED, 0.3), "most": (SIDED, 0.0),
    "pauses": (PAUSES, 0.0),
}  # fmt: skip
SERIES = np.dtype([
    *((name, np.float64) for name in _FACTS), *((name, np.float64, (width,)) for name, (width, _) in _LISTS.items())
])  # fmt: skip
"""One series. Of each stream: its loudest `today`, the mean of the logarithm of that over days (`usual`; `inverse` is
`exp(-usual)`), and its loudest of some points, fading (`recent`)."""
_FEW, _MOST = 256, 1 << 16
_HEIGHTS = {"profile": SLOTS, "kind": SLOTS * 2, "week": SLOTS * DAYS, "lately": SLOTS * 2, "hour": HOURS}


class Tables(NamedTuple):
    """What depends on the time: what is usual in a slot of the day, of a working day and of a day off, and of each day
    of the week; what was seen in the slots of today and yesterday; how far off values are in an hour."""

    profile: Table
    kind: Table
    week: Table
    lately: Table
    hour: Table


def _blank() -> NDArray[Any]:
    blank = np.zeros(1, SERIES)
    for name, fill in _FACTS.items():
        blank[name] = fill
    for name, (_, fill) in _LISTS.items():
        blank[name] = fill
    return blank


class State:
    """Records and tables of a bank, with room to grow: some hundreds of series get room for `most` at once. Room costs
    nothing before it is used, and moving what is there does."""

    def __init__(self, most: int = 4096) -> None:
        self.count, self._most = 0, min(most, _MOST)
        self.series = np.zeros(0, SERIES)
        self.tables = Tables(*(np.zeros((height, 0), np.float32) for height in _HEIGHTS.values()))

    def add(self, count: int) -> NDArray[np.int64]:
        """Makes `count` series that nothing is known of; their numbers."""
        first, self.count = self.count, self.count + count
        have = len(self.series)
        if self.count > have:
            room = max(self.count, have + have // 4, self._most if self.count > _FEW else 4 * have)
            series = np.empty(room, SERIES)
            series[:have] = self.series
            self.series, self.tables = series, Tables(*(_widened(table, room) for table in self.tables))
        self.series[first : self.count] = _blank()
        for table in self.tables:
            table[:, first : self.count] = np.nan
        return np.arange(first, self.count)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, without the spare room: plain numbers, with the names of what the columns of `series` are."""
        plain = self.series[: self.count].view(np.float64).reshape(self.count, SERIES.itemsize // 8)
        tables = {f"table.{name}": table[:, : self.count] for name, table in self.tables._asdict().items()}
        return {"layout": np.array(_LAYOUT), "series": plain, **tables}

    def part(self, index: NDArray[np.int64]) -> State:
        """A copy of some series, numbered from 0 on."""
        part = State()
        part.count = len(index)
        part.series = self.series[index]
        part.tables = Tables(*(np.ascontiguousarray(table[:, index]) for table in self.tables))
        return part

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], *, copy: bool = True) -> State:
        """The state that `to_arrays` gave, a copy or in these very arrays. Raises ValueError for another layout."""
        if "layout" not in arrays or str(arrays["layout"]) != _LAYOUT:
            raise ValueError("these arrays were written by another version of the detector")
        state, take = cls(), np.array if copy else np.asarray
        plain = take(arrays["series"], dtype=np.float64, order="C")
        state.count = len(plain)
        state.series = plain.reshape(-1).view(SERIES)
        tables = (take(arrays[f"table.{name}"], dtype=np.float32, order="C") for name in Tables._fields)
        state.tables = Tables(*tables)
        return state


def _widened(table: Table, width: int) -> Table:
    """The table with room for so many series. Pages that nobody wrote to are no memory: numpy would ask for huge ones,
    each of which holds something of every row."""
    room = mmap.mmap(-1, table.itemsize * len(table) * width, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    wider = np.frombuffer(room, np.float32).reshape(len(table), width)
    wider[:, : table.shape[1]] = table
    return wider


_WIDTHS = dict.fromkeys(_FACTS, 1) | {name: width for name, (width, _) in _LISTS.items()}
_LAYOUT = " ".join(f"{name}:{width}" for name, width in {**_WIDTHS, **_HEIGHTS}.items())
