"""Which scores are worth a row: high ones, the first that is low again, and now and then any other.

Rules ask for the newest value of the last hour, so a calm series says so every three quarters of an hour, each at a
moment of its own. A run of alarms is one episode: it begins with the first, and ends when nothing was alarming for
half an hour and six of the series' own intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Flags", "Floats", "Integers", "Told"]

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

_HIGH = 1.0
_BEAT_US = 45 * 60_000_000
_QUIET_US = 30 * 60_000_000
_QUIET_INTERVALS = 6


def _no_integers() -> Integers:
    return np.zeros(0, np.int64)


def _no_floats() -> Floats:
    return np.zeros(0, np.float64)


def _no_flags() -> Flags:
    return np.zeros(0, np.bool_)


@dataclass
class Told:
    """What was told of each series last: arrays with a place per series. Moments are microseconds, 0 for never."""

    last: Integers = field(default_factory=_no_integers)
    """The newest moment that was scored."""
    interval: Integers = field(default_factory=_no_integers)
    """The time between the last two."""
    told: Integers = field(default_factory=_no_integers)
    high: Flags = field(default_factory=_no_flags)
    alarming: Integers = field(default_factory=_no_integers)
    """The newest alarm of the open episode; 0 while none is open."""
    began: Integers = field(default_factory=_no_integers)
    peak: Floats = field(default_factory=_no_floats)
    peak_value: Floats = field(default_factory=_no_floats)
    critical: Flags = field(default_factory=_no_flags)

    def grow(self, count: int) -> None:
        """Makes room for `count` series in all."""
        for each in fields(self):
            column = getattr(self, each.name)
            if len(column) < count:
                room = np.zeros(max(64, count, 3 * len(column) // 2) - len(column), column.dtype)
                setattr(self, each.name, np.concatenate([column, room]))

    def newer(self, index: Integers, times: Integers) -> Flags:
        """Which points are later than all that was scored of their series."""
        return np.asarray(times > self.last[index])

    def over(self, index: Integers, times: Integers) -> Flags:
        """Whose episodes have ended, as these moments show."""
        alarming = self.alarming[index]
        quiet = np.maximum(_QUIET_US, _QUIET_INTERVALS * self.interval[index])
        return np.asarray((alarming > 0) & (times - alarming > quiet))

    def close(self, index: Integers) -> None:
        """Ends the episodes of these series."""
        self.alarming[index] = 0

    def take(self, index: Integers, times: Integers, score: Floats, known: Flags) -> tuple[Flags, Flags]:
        """Moves on by one point each of the series `index`; answers which scores are high, and which worth a row.

        `known` is false for series that still learn.
        """
        before = self.last[index]
        self.interval[index] = np.where(before > 0, times - before, 0)
        self.last[index] = times
        high = known & (score >= _HIGH)
        worth = known & (high | self.high[index] | _is_due(index, self.told[index], times))
        self.high[index] = high
        self.told[index[worth]] = times[worth]
        return np.asarray(high), np.asarray(worth)

    def follow(self, index: Integers, times: Integers, values: Floats, score: Floats, critical: Flags) -> None:
        """Takes alarming points, one each of the series `index`, into their episodes, or begins one."""
        begins = self.alarming[index] == 0
        fresh = index[begins]
        self.began[fresh], self.peak[fresh], self.critical[fresh] = times[begins], -np.inf, False
        self.alarming[index] = times
        self.critical[index] |= critical
        peak = score > self.peak[index]
        self.peak[index[peak]], self.peak_value[index[peak]] = score[peak], values[peak]


def _is_due(index: Integers, told: Integers, times: Integers) -> Flags:
    # A phase of its own for each series: all of them at once would be a burst of rows.
    phase = index * 7_919_000_003 % _BEAT_US
    return np.asarray((times + phase) // _BEAT_US > (told + phase) // _BEAT_US)
