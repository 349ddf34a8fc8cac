"""The account of periods, part by part: kept days that still hold, and what history says of the stretches between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from monitoring_pipeline.analysis.objective import Promise
from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.days import Currency, currency
from monitoring_pipeline.analysis.sla.evidence import Evidence, Pair, Surroundings, gather
from monitoring_pipeline.analysis.sla.periods import Period, days
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.store import sla_days as stored
from monitoring_pipeline.store.sla_days import DayRow, DaySum, Wanted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Part", "Parts"]

Key = tuple[str, str, str]
Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Part:
    """What a stretch of a period counts as."""

    start: datetime
    end: datetime
    pair: Pair


class Parts:
    """Collects the parts of all periods. Each stretch of history is read once for all promises about it."""

    def __init__(
        self, room: Room, connection: DuckDBPyConnection, around: Surroundings, promises: Sequence[Promise],
        periods: Mapping[Key, Period], now: datetime,
    ) -> None:  # fmt: skip
        self._room, self._connection, self._around = room, connection, around
        self._promises, self._periods, self._now = promises, periods, now

    def all(self, *, daily: bool) -> dict[Key, list[Part]]:
        """The parts of every promise, oldest first; day by day, or else kept days as one where that can be."""
        start = min(period.start for period in self._periods.values())
        end = min(self._now, max(period.end for period in self._periods.values()))
        judge = currency(self._room, self._connection, self._around, self._promises, (start, end), self._now)
        kept = {} if daily else dict(self._summed(judge))
        rest = {promise.key: promise for promise in self._promises if promise.key not in kept}
        if rest:
            kept |= self._days(rest, judge, start, end)
        holes = {promise.key: list(self._holes(promise, kept[promise.key])) for promise in self._promises}
        evidence = self._read(holes)
        for promise in self._promises:
            live = [part for hole in holes[promise.key] for part in _live(promise, hole, evidence[hole])]
            kept[promise.key] = sorted([*kept[promise.key], *live], key=lambda part: part.start)
        return kept

    # -- kept days -----------------------------------------------------------------------------------

    def _summed(self, judge: Currency) -> Iterable[tuple[Key, list[Part]]]:
        """Kept days of periods of the calendar as one part, where they touch each other and all hold.

        Of rolling windows the days are needed: the budget comes back as they leave it.
        """
        asked = [promise for promise in self._promises if not self._periods[promise.key].rolling]
        wanted = [
            Wanted(number, *promise.key, promise.fingerprint, self._periods[promise.key].start,
                   min(self._now, self._periods[promise.key].end), judge.frozen[promise.spec.kind])
            for number, promise in enumerate(asked)
        ]  # fmt: skip
        for number, found in stored.sum_days(self._connection, wanted).items():
            promise = asked[number]
            if found.touching and judge.still(promise, found):
                yield promise.key, [Part(found.start, found.end, _pair(found))]

    def _days(
        self, promises: Mapping[Key, Promise], judge: Currency, start: datetime, end: datetime
    ) -> dict[Key, list[Part]]:
        kept: dict[Key, list[Part]] = {key: [] for key in promises}
        for row in stored.read_days(self._connection, start, end, {each.objective for each in promises.values()}):
            key = row.objective, row.scope, row.subject
            promise, period = promises.get(key), self._periods.get(key)
            if promise is None or period is None or row.start < period.start or row.end > period.end:
                continue
            reached = kept[key][-1].end if kept[key] else period.start
            if row.start >= reached and judge.holds(row, promise):
                kept[key].append(Part(row.start, row.end, _pair(row)))
        return kept

    # -- between them --------------------------------------------------------------------------------

    def _holes(self, promise: Promise, kept: Iterable[Part]) -> Iterable[Stretch]:
        period = self._periods[promise.key]
        at, end = period.start, min(self._now, period.end)
        for part in kept:
            if at < part.start:
                yield at, part.start
            at = part.end
        if at < end:
            yield at, end

    def _read(self, holes: Mapping[Key, Sequence[Stretch]]) -> dict[Stretch, Evidence]:
        about: dict[Stretch, list[Promise]] = defaultdict(list)
        for promise in self._promises:
            for hole in holes[promise.key]:
                about[hole].append(promise)
        return {hole: gather(self._connection, self._around, own, *hole) for hole, own in about.items()}


def _live(promise: Promise, hole: Stretch, evidence: Evidence) -> list[Part]:
    start, end = hole
    bounds = [(max(start, day.start), min(end, day.end)) for day in days(promise.spec.timezone, start, end)]
    pairs = evidence.accounts(promise, bounds)
    return [Part(*bound, pair) for bound, pair in zip(bounds, pairs, strict=True)]


def _pair(kept: DayRow | DaySum) -> Pair:
    corrected = Account(kept.good, kept.bad, kept.unknown, kept.excluded)
    as_measured = (kept.m_good, kept.m_bad, kept.m_unknown, kept.m_excluded)
    same = as_measured == (kept.good, kept.bad, kept.unknown, kept.excluded)
    return Pair(corrected if same else Account(*as_measured), corrected)
