"""Which scores are worth a row: high ones, the first that is low again, and now and then any other.

Rules ask for the newest value of the last hour, so a calm series says so every three quarters of an hour, each at a
moment of its own. A run of alarms is one episode: it begins with the first, and ends when nothing was alarming for
half an hour and six of the series' own intervals.

Points are taken one by one, in their order, by compiled loops (`detection.compiled`).
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection import Scored
from monitoring_pipeline.analysis.detection.compiled import compiled

__all__ = ["Flags", "Floats", "Integers", "Portion", "Said", "Told", "admit", "tell"]

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

_LARGEST = 1e100
_HIGH, _WARNING, _BELOW_WARNING, _BELOW_CRITICAL = 1.0, 2.0, 1.99, 2.99
_BEAT_US = 45 * 60_000_000
_QUIET_US = 30 * 60_000_000
_QUIET_INTERVALS = 6


class Told(NamedTuple):
    """What was told of each series last: arrays with a place per series. Moments are microseconds, 0 for never.

    `last` is the newest moment that was scored, `interval` the time between the last two; `told` the newest score that
    was worth a row, `high` whether the last one was high. Of the open episode: its newest alarm (`alarming`; 0 while
    none is open), when it `began`, its highest score (`peak`) and the value then, whether it is critical.
    """

    last: Integers
    interval: Integers
    told: Integers
    high: Flags
    alarming: Integers
    began: Integers
    peak: Floats
    peak_value: Floats
    critical: Flags

    @classmethod
    def room(cls, count: int) -> Told:
        """Room for `count` series of which nothing was told."""
        return cls(*(np.zeros(count, kind) for kind in _KINDS))

    def grown(self, count: int) -> Told:
        """The same with room for `count` series at least."""
        if count <= len(self.last):
            return self
        wider = Told.room(max(64, count, 2 * len(self.last)))
        for mine, column in zip(self, wider, strict=True):
            column[: len(mine)] = mine
        return wider


_I, _F, _B = np.int64, np.float64, np.bool_
_KINDS: tuple[Any, ...] = (_I, _I, _I, _B, _I, _I, _F, _F, _B)


class Said(NamedTuple):
    """What is told of points, an entry per point: the score as rules see it, whether it is high and worth a row,
    whether the point begins an episode of alarms or makes one critical. Where an episode `ended` before the point:
    when it began, its newest alarm, its highest score, the value then, and whether it was critical."""

    score: Floats
    high: Flags
    worth: Flags
    begins: Flags
    worsens: Flags
    ended: Flags
    began: Integers
    until: Integers
    peak: Floats
    peak_value: Floats
    critical: Flags

    @classmethod
    def room(cls, count: int) -> Said:
        """Room for so many points."""
        kinds: tuple[Any, ...] = (_F, _B, _B, _B, _B, _B, _I, _I, _F, _F, _B)
        return cls(*(np.empty(count, kind) for kind in kinds))


class Portion(NamedTuple):
    """Points in their order, `before` each the time since the one before it of its series (microseconds; 0 for a first
    one), and what was made of them."""

    series: Integers
    times: Integers
    values: Floats
    before: Integers
    scored: Scored
    said: Said


@compiled
def admit(
    last: Integers, numbers: Integers, times: Integers, values: Floats, places: Integers, before: Integers
) -> int:
    """Chooses the points that are scored: of a series that has a number, later than what was scored of it (`last`,
    which moves on), and no larger than 1e100: no arithmetic would come back from that.

    Writes their `places` and how long `before` each the series' last one was; answers how many there are.
    """
    count = 0
    for i in range(len(numbers)):
        number, time = numbers[i], times[i]
        if number < 0 or not abs(values[i]) < _LARGEST or time <= last[number]:
            continue
        before[count] = time - last[number] if last[number] > 0 else 0
        places[count] = i
        last[number] = time
        count += 1
    return count


@compiled
def tell(told: Told, wanted: Flags, portion: Portion) -> None:
    """Says what is told of points, in their order; `wanted` are the series of which every score is worth a row.

    A score is a warning within an episode of alarms only, critical only within a critical one: a series that has used
    up its budget of alarms needs more to cause one, whatever a rule's thresholds are.
    """
    scored, said = portion.scored, portion.said
    for i in range(len(portion.series)):
        number, time, known = portion.series[i], portion.times[i], not scored.learning[i]
        _end(told, said, i, number, time)
        said.begins[i], said.worsens[i] = False, False
        if known and (scored.is_alert[i] or (told.alarming[number] > 0 and scored.score[i] >= _WARNING)):
            _follow(told, said, i, number, time, portion.values[i], scored.score[i], scored.is_critical[i])

        score = scored.score[i]
        if told.alarming[number] == 0:
            score = min(score, _BELOW_WARNING)
        elif not told.critical[number]:
            score = min(score, _BELOW_CRITICAL)
        told.interval[number] = portion.before[i]
        high = known and score >= _HIGH
        worth = known and (high or told.high[number] or _is_due(number, told.told[number], time))
        told.high[number] = high
        if worth:
            told.told[number] = time
        said.score[i], said.high[i], said.worth[i] = score, high, worth or (known and wanted[number])


@compiled
def _end(told: Told, said: Said, i: int, number: int, time: int) -> None:
    """Closes the episode of a series if it has ended, as this moment shows."""
    alarming = told.alarming[number]
    said.ended[i] = alarming > 0 and time - alarming > max(_QUIET_US, _QUIET_INTERVALS * told.interval[number])
    if said.ended[i]:
        said.began[i], said.until[i], said.critical[i] = told.began[number], alarming, told.critical[number]
        said.peak[i], said.peak_value[i] = told.peak[number], told.peak_value[number]
        told.alarming[number] = 0


@compiled
def _follow(told: Told, said: Said, i: int, number: int, time: int, value: float, score: float, critical: bool) -> None:
    """Takes an alarming point into the episode of its series, or begins one."""
    if told.alarming[number] == 0:
        said.begins[i] = True
        told.began[number], told.peak[number], told.critical[number] = time, -np.inf, False
    else:
        said.worsens[i] = critical and not told.critical[number]
    told.alarming[number] = time
    if critical:
        told.critical[number] = True
    if score > told.peak[number]:
        told.peak[number], told.peak_value[number] = score, value


@compiled
def _is_due(number: int, told: int, time: int) -> bool:
    # A phase of its own for each series: all of them at once would be a burst of rows.
    phase = number * 7_919_000_003 % _BEAT_US
    return (time + phase) // _BEAT_US > (told + phase) // _BEAT_US
