"""Days of promises in the warehouse: which are missing or out of date, and how they are computed.

A day is kept once it is over. It is out of date when the terms of its objective changed, when somebody wrote into
the ledger about it, or when it turned out that nobody had executed checks; then it is computed again, and until
then nobody uses what is kept of it. Computing a day again changes nothing, so this may be killed and repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.analysis.objective import Promise
from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.evidence import VIEWS, Pair, Surroundings, gather, views_of
from monitoring_pipeline.analysis.sla.periods import Day, day_of, days
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import LedgerEntry
from monitoring_pipeline.store import sla
from monitoring_pipeline.store import sla_days as stored
from monitoring_pipeline.store.sla import GapRow
from monitoring_pipeline.store.sla_days import DayRow, Days

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

__all__ = ["Computed", "Currency", "currency", "recompute", "refresh"]

_SETTLED = timedelta(minutes=10)
_FARTHEST = timedelta(days=1200)
_CHUNK_DAYS = 7
_REACH = sla.REACH // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Computed:
    """How many rows were computed, and of which days the first and the last one is."""

    rows: int = 0
    first: date | None = None
    last: date | None = None

    def __add__(self, other: Computed) -> Computed:
        known = [day for day in (self.first, self.last, other.first, other.last) if day is not None]
        return Computed(self.rows + other.rows, min(known, default=None), max(known, default=None))


@dataclass(frozen=True)
class Currency:
    """Judges whether what is kept of a day still holds.

    `frozen` says by the kind of an objective before when days stay as they are: they cannot be computed any more.
    """

    ledger: Mapping[str, Sequence[LedgerEntry]]
    gaps: Mapping[str, Sequence[GapRow]]
    frozen: Mapping[str, datetime]

    def holds(self, row: DayRow, promise: Promise) -> bool:
        """Whether a row says what computing the day now would say."""
        if row.start < self.frozen[promise.spec.kind]:
            return True
        if row.fingerprint != promise.fingerprint:
            return False
        entry, gap = self.newest(promise)
        if entry <= row.ledger and gap <= row.gap:
            return True
        stretch = to_us(row.start), to_us(row.end)
        return not any(self._moved(source, *stretch, row.ledger, row.gap) for source in promise.sources)

    def held(self, promise: Promise, kept: Days) -> NDArray[np.bool_]:
        """The same of days that were computed with the promise's terms, or stay as they are."""
        return (kept.start < to_us(self.frozen[promise.spec.kind])) | ~self.moved(promise, kept)

    def moved(self, promise: Promise, kept: Days) -> NDArray[np.bool_]:
        """Whether somebody corrected what is kept, or a gap in it turned up, after it was computed."""
        import numpy as np

        found = np.zeros(len(kept.number), dtype=np.bool_)
        for source in promise.sources:
            found |= self._moved(source, kept.start, kept.end, kept.ledger, kept.gap)
        return found

    def newest(self, promise: Promise) -> tuple[int, int]:
        """The numbers of the last entry and the last gap of its sources: who knows both need not look further."""
        known = [self._newest.get(source, (0, 0)) for source in promise.sources]
        return max(entry for entry, _ in known), max(gap for _, gap in known)

    @cached_property
    def _newest(self) -> dict[str, tuple[int, int]]:
        return {
            source: (
                max((entry.number for entry in self.ledger.get(source, ())), default=0),
                max((gap.id for gap in self.gaps.get(source, ())), default=0),
            )
            for source in {*self.ledger, *self.gaps}
        }

    def _moved(self, source: str, start: Any, end: Any, ledger: Any, gap: Any) -> Any:
        """Of one day, or of many as arrays."""
        found = False
        for entry in self.ledger.get(source, ()):
            found |= (entry.number > ledger) & (to_us(entry.start) < end) & (to_us(entry.end) > start)
        for missed in self.gaps.get(source, ()):
            found |= (missed.id > gap) & (missed.start < end) & (missed.end + _REACH >= start)
        return found


def currency(
    room: Room,
    connection: DuckDBPyConnection,
    around: Surroundings,
    promises: Sequence[Promise],
    span: tuple[datetime, datetime],
    now: datetime,
) -> Currency:
    """What is known now about a span. Needs the view `gaps`."""
    gaps: dict[str, list[GapRow]] = defaultdict(list)
    for gap in sla.gaps_within(connection, {source for each in promises for source in each.sources}, *span):
        gaps[gap.source].append(gap)
    frozen: dict[str, datetime] = {each.spec.kind: room.frozen(each.spec.kind, now) for each in promises}
    return Currency(around.ledger, gaps, frozen)


def refresh(room: Room, now: datetime) -> Computed:
    """Computes every day that is over and missing or out of date, the oldest first."""
    return _compute(room, now, forced=None)


def recompute(room: Room, first: date, last: date, now: datetime) -> Computed:
    """Computes all days from `first` to `last` again, whatever is kept of them.

    But not those that stay as they are: what they were computed from is gone or is going.
    """
    return _compute(room, now, forced=(first, last))


def _compute(room: Room, now: datetime, forced: tuple[date, date] | None) -> Computed:
    if not room.promises:
        return Computed()
    total, around = Computed(), room.surroundings(now)
    with room.history(now, views_of(room.promises)) as connection:
        if (last := stored.last_day_end(connection)) is not None and last > now:
            stored.forget_days_after(room.warehouse, now)
        due = _forced(room, *forced, now) if forced else _due(room, connection, around, now)
        gap = sla.newest_gap(connection)
        for chunk in _chunks(due):
            rows = _rows(connection, around, chunk, gap, now)
            stored.write_days(room.warehouse, rows, now)
            covered = [row.day for row in rows]
            total += Computed(len(rows), min(covered, default=None), max(covered, default=None))
    return total


Due = tuple[Day, Promise]


def _forced(room: Room, first: date, last: date, now: datetime) -> list[Due]:
    span = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    found = [(day_of(promise.spec.timezone, day), promise) for promise in room.promises for day in span]
    return [
        (day, promise)
        for day, promise in found
        if room.frozen(promise.spec.kind, now) <= day.start < day.end <= now - _SETTLED
    ]


def _due(room: Room, connection: DuckDBPyConnection, around: Surroundings, now: datetime) -> list[Due]:
    kept: dict[tuple[str, str, str], dict[date, DayRow]] = defaultdict(dict)
    for row in stored.read_days(connection, now - _FARTHEST, now):
        kept[row.objective, row.scope, row.subject][row.day] = row
    judge = currency(room, connection, around, room.promises, (now - _FARTHEST, now), now)
    begins = _begins(room, connection)
    due = []
    for promise in room.promises:
        own, begin = kept[promise.key], begins[VIEWS[promise.spec.kind][0], promise.objective]
        for day in _over(promise, None if begin is None else max(begin, judge.frozen[promise.spec.kind]), now):
            found = own.get(day.day)
            if found is None or not judge.holds(found, promise):
                due.append((day, promise))
    return due


def _begins(room: Room, connection: DuckDBPyConnection) -> dict[tuple[str, str], datetime | None]:
    """When the history of each objective begins."""
    members: dict[tuple[str, str], set[str]] = defaultdict(set)
    for promise in room.promises:
        members[VIEWS[promise.spec.kind][0], promise.objective].update(promise.sources)
    return {key: sla.earliest(connection, key[0], sources) for key, sources in members.items()}


def _over(promise: Promise, begin: datetime | None, now: datetime) -> Iterator[Day]:
    if begin is None:
        return
    for day in days(promise.spec.timezone, begin, now):
        if day.end <= now - _SETTLED:
            yield day


def _chunks(due: Iterable[Due]) -> Iterator[list[Due]]:
    """A week at a time, so that memory is bounded and a killed run loses little."""
    ordered = sorted(due, key=lambda each: each[0].start)
    for _, chunk in groupby(ordered, key=lambda each: each[0].day.toordinal() // _CHUNK_DAYS):
        yield list(chunk)


def _rows(
    connection: DuckDBPyConnection, around: Surroundings, due: Sequence[Due], gap: int, now: datetime
) -> list[DayRow]:
    wanted: dict[tuple[str, str, str], list[Day]] = defaultdict(list)
    about = {promise.key: promise for _, promise in due}
    for day, promise in due:
        wanted[promise.key].append(day)
    start, end = min(day.start for day, _ in due), max(day.end for day, _ in due)
    evidence = gather(connection, around, list(about.values()), start, end)
    last = max((entry.number for entries in around.ledger.values() for entry in entries), default=0)
    rows = []
    for key, own in wanted.items():
        promise = about[key]
        pairs = evidence.accounts(promise, [(day.start, day.end) for day in own])
        rows += [_row(promise, day, pair, last, gap, now) for day, pair in zip(own, pairs, strict=True)]
    return rows


def _row(promise: Promise, day: Day, pair: Pair, ledger: int, gap: int, now: datetime) -> DayRow:
    unit = "events" if promise.spec.counts_events else "us"
    return DayRow(
        *promise.key, day.day, day.start, day.end, unit, *_sums(pair.corrected), *_sums(pair.measured),
        promise.fingerprint, ledger, gap, now,
    )  # fmt: skip


def _sums(account: Account) -> tuple[int, int, int, int]:
    return account.good, account.bad, account.unknown, account.excluded
