"""The account of periods, part by part: kept days that still hold, and what history says of the stretches between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from monitoring_pipeline.analysis.objective import Promise
from monitoring_pipeline.analysis.sla.course import Course, Part
from monitoring_pipeline.analysis.sla.days import Currency, currency
from monitoring_pipeline.analysis.sla.evidence import Evidence, Surroundings, gather
from monitoring_pipeline.analysis.sla.periods import Period, days
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.store import sla_days as stored
from monitoring_pipeline.store.sla_days import Days, Wanted

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

__all__ = ["Parts"]

Key = tuple[str, str, str]
Stretch = tuple[datetime, datetime]


class Parts:
    """Collects the parts of all periods. Each stretch of history is read once for all promises about it."""

    def __init__(
        self, room: Room, connection: DuckDBPyConnection, around: Surroundings, promises: Sequence[Promise],
        periods: Mapping[Key, Period], now: datetime, until: datetime,
    ) -> None:  # fmt: skip
        self._room, self._connection, self._around = room, connection, around
        self._promises, self._periods, self._now, self._until = promises, periods, now, until

    def all(self, *, daily: bool) -> dict[Key, Course]:
        """The parts of every promise, oldest first; day by day, or else kept days as one where that can be."""
        start = min(period.start for period in self._periods.values())
        end = min(self._until, max(period.end for period in self._periods.values()))
        judge = currency(self._room, self._connection, self._around, self._promises, (start, end), self._now)
        kept = {} if daily else dict(self._summed(judge))
        kept |= self._days([promise for promise in self._promises if promise.key not in kept], judge)
        holes = {promise.key: kept[promise.key].holes(*self._asked(promise)) for promise in self._promises}
        evidence = self._read(holes)
        bounds = cache(_bounds)
        for promise in self._promises:
            own = holes[promise.key]
            if own:
                kept[promise.key] += Course.of(
                    part for hole in own for part in _live(promise, bounds(promise.spec.timezone, hole), evidence[hole])
                )
        return kept

    def _asked(self, promise: Promise) -> Stretch:
        """What of its period has come, or had come until the moment asked for."""
        period = self._periods[promise.key]
        return period.start, min(self._until, period.end)

    # -- kept days -----------------------------------------------------------------------------------

    def _wanted(self, promises: Sequence[Promise], judge: Currency) -> list[Wanted]:
        return [
            Wanted(*promise.key, promise.fingerprint, *self._asked(promise), judge.frozen[promise.spec.kind])
            for promise in promises
        ]

    def _summed(self, judge: Currency) -> Iterator[tuple[Key, Course]]:
        """Kept days of periods of the calendar as one part, where they touch each other and all hold.

        Of rolling windows the days are needed: the budget comes back as they leave it.
        """
        asked = [promise for promise in self._promises if not self._periods[promise.key].rolling]
        sums = stored.sum_days(self._connection, self._wanted(asked, judge))
        doubtful = _doubtful(sums, asked, judge)
        for place, number in enumerate(sums.number.tolist()):
            promise, own = asked[number], sums[place : place + 1]
            if not doubtful[place] or not judge.moved(promise, own).any():
                yield promise.key, Course(own.figures)

    def _days(self, promises: Sequence[Promise], judge: Currency) -> dict[Key, Course]:
        days = stored.pick_days(self._connection, self._wanted(promises, judge))
        doubtful = set(days.number[_doubtful(days, promises, judge) | _overlapping(days)].tolist())
        found = {}
        for number, own in enumerate(days.split(len(promises))):
            promise = promises[number]
            figures = _holding(own, promise, judge) if number in doubtful else own.figures
            found[promise.key] = Course(figures)
        return found

    # -- between them --------------------------------------------------------------------------------

    def _read(self, holes: Mapping[Key, Sequence[Stretch]]) -> dict[Stretch, Evidence]:
        about: dict[Stretch, list[Promise]] = defaultdict(list)
        for promise in self._promises:
            for hole in holes[promise.key]:
                about[hole].append(promise)
        return {hole: gather(self._connection, self._around, own, *hole) for hole, own in about.items()}


def _doubtful(kept: Days, promises: Sequence[Promise], judge: Currency) -> NDArray[np.bool_]:
    """Where something is known of a promise's sources that was not when the days were computed."""
    import numpy as np

    newest = np.array([judge.newest(promise) for promise in promises], dtype=np.int64).reshape(-1, 2)[kept.number]
    return (newest[:, 0] > kept.ledger) | (newest[:, 1] > kept.gap)


def _overlapping(kept: Days) -> NDArray[np.bool_]:
    """Where a day begins before the same promise's day before it ends, as after a change of the time zone."""
    import numpy as np

    overlaps = (kept.start[1:] < kept.end[:-1]) & (kept.number[1:] == kept.number[:-1])
    return np.append(np.zeros(min(1, len(kept.number)), dtype=bool), overlaps)


def _holding(kept: Days, promise: Promise, judge: Currency) -> NDArray[np.int64]:
    """The days of one promise that still hold, each only once the one before is over."""
    import numpy as np

    held = judge.held(promise, kept)
    reached, chosen = None, []
    for place in np.flatnonzero(held).tolist():
        if reached is None or kept.start[place] >= reached:
            chosen.append(place)
            reached = kept.end[place]
    return kept.figures[chosen]


def _bounds(zone: str, hole: Stretch) -> list[Stretch]:
    """A hole in days of a time zone."""
    start, end = hole
    return [(max(start, day.start), min(end, day.end)) for day in days(zone, start, end)]


def _live(promise: Promise, bounds: Sequence[Stretch], evidence: Evidence) -> Iterator[Part]:
    pairs = evidence.accounts(promise, bounds)
    return (Part(*bound, pair) for bound, pair in zip(bounds, pairs, strict=True))
