"""What queries of rules find: points in memory, asked set-wise.

    windows = Windows.open(store, published, queries, now)   # once per process
    windows.advance(connection)                              # in the transaction that recorded something
    answers = windows.answer([(query, now), ...])            # all of them together

`reference.py` says in plain Python what the answers mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection, event

from monitoring_pipeline.alerting.rules.condition import Aggregation, Answer, Query
from monitoring_pipeline.alerting.rules.findings import Findings
from monitoring_pipeline.alerting.rules.reference import Point
from monitoring_pipeline.alerting.rules.shelf import Points, Shelves
from monitoring_pipeline.alerting.rules.streams import Spread, Streams
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.points import Found, Log, Stream, hot_points, load_points

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.alerting.rules.shelf import Integers

__all__ = ["Windows"]

log = structlog.get_logger(__name__)
_NOTHING, _ZERO = Answer(None), Answer(0.0)
_PRUNE_ROWS = 200_000
_ROWS_AT_ONCE = 2_000_000


class Windows:
    """The points that queries look back on. For one thread at a time; nothing is opened while nothing is asked."""

    def __init__(self, queries: Iterable[Query]) -> None:
        self._streams = Streams(queries)
        self._shelves: Shelves | None = None
        self._duckdb: DuckDBPyConnection | None = None
        self._last: dict[Log, int] = {}
        self._before: tuple[Connection, Shelves, dict[Log, int]] | None = None
        self._latest: datetime | None = None
        self._grown = 0

    @classmethod
    def open(
        cls, store: OperationalStore, published: Path, queries: Iterable[Query], now: datetime, *,
        since: datetime | None = None,
    ) -> Windows:  # fmt: skip
        """Loads what these queries need to be answered from `now` on, or from an earlier moment `since`.

        Raises StoreError when the published copy lacks rows that have expired; but not without `since`:
        rules are then judged by what is hot, which covers hours, rather than not at all.
        """
        windows = cls(queries)
        if windows._streams.queries:
            windows._load(store, published, since or now, whole=since is not None)
        return windows

    @classmethod
    def over(cls, points: Iterable[Point], queries: Iterable[Query]) -> Windows:
        """Answers from points that are given, for trying rules out."""
        windows = cls(queries)
        loading = _Loading(windows._streams)
        rows: dict[Log, list[Any]] = {"samples": [], "results": []}
        for point in points:
            tags = json.dumps(dict(point.tags))
            stream = Stream(point.source, point.check, point.metric, point.unit, tags)
            rows[point.series.value].append((point.id, *stream, to_us(point.time), point.value))
        for name, found in rows.items():
            loading.take(Found(name, found, 0))
        windows._shelves = Shelves.of(loading.parts)
        return windows

    def advance(self, connection: Connection) -> int:
        """Takes what was recorded since, by whichever process, as this transaction sees it; answers how much.

        Is the transaction rolled back, so is this.
        """
        if self._shelves is None:
            return 0
        loading, last = _Loading(self._streams), dict(self._last)
        for name in self._last:
            for page in hot_points(connection, name, self._last[name]):
                loading.take(page)
                last[name] = page.last
        if last != self._last:
            self._remember(connection)
            self._last = last
        if loading.parts:
            self._add(loading.parts)
        return sum(len(part.id) for part in loading.parts)

    def answer(self, asked: Sequence[tuple[Query, datetime]]) -> list[Answer]:
        """The answers to queries, each at a moment of its own, in their order.

        One that was not named at the opening finds what is there of its source and metric for others.
        """
        if not asked:
            return []
        numbers = self._streams.numbers(query for query, _ in asked)
        answers = [_ZERO if query.aggregation is Aggregation.COUNT else _NOTHING for query, _ in asked]
        if self._shelves is not None and len(self._shelves):
            for spread, upto in self._portions(numbers, [moment for _, moment in asked]):
                self._fill(answers, spread, upto)
        return answers

    @property
    def size(self) -> int:
        """How many points are kept."""
        return 0 if self._shelves is None else len(self._shelves)

    def close(self) -> None:
        """Frees the memory."""
        if self._duckdb is not None:
            self._duckdb.close()
        self._duckdb = self._shelves = self._before = None

    def _load(self, store: OperationalStore, published: Path, start: datetime, *, whole: bool) -> None:
        import duckdb

        def load(path: Path | None) -> None:
            loading = _Loading(self._streams)
            self._last = load_points(store, path, self._streams.wanted(to_us(start)), loading)
            self._shelves = Shelves.of(loading.parts)

        try:
            load(published)
        except (StoreError, duckdb.Error) as error:
            if whole:
                raise
            log.warning("rules look back on hot rows only", error=str(error))
            load(None)

    def _add(self, parts: Sequence[Points]) -> None:
        assert self._shelves is not None  # noqa: S101 - loaded before anything is added
        for part in parts:
            self._shelves = self._shelves.with_points(part)
            self._grown += len(part.id)
        if self._grown > _PRUNE_ROWS and self._latest is not None:
            self._grown = 0
            self._shelves = self._shelves.later_than(to_us(self._latest - self._streams.longest))

    def _remember(self, connection: Connection) -> None:
        """How things were, for when the transaction is rolled back: its ids may be given out again then."""
        assert self._shelves is not None  # noqa: S101 - loaded before anything is added
        if self._before is not None and self._before[0] is connection:
            return
        self._before = (connection, self._shelves, self._last)
        event.listen(connection, "rollback", self._undo)
        event.listen(connection, "commit", self._settle)

    def _settle(self, connection: Connection) -> None:
        if self._before is not None and self._before[0] is connection:
            self._before = None

    def _undo(self, connection: Connection) -> None:
        if self._before is not None and self._before[0] is connection:
            _, self._shelves, self._last = self._before
            self._before = None

    def _portions(self, numbers: Sequence[int], moments: Sequence[datetime]) -> Iterator[tuple[Spread, Integers]]:
        """The queries spread over their streams, with the moment of each; as many at once as memory is for."""
        import numpy as np

        known = {moment: to_us(moment) for moment in set(moments)}
        self._latest = max(known)
        spread = self._streams.spread(numbers)
        upto = np.array([known[moment] for moment in moments], dtype=np.int64)[spread.place]
        begin = 0
        while begin < len(upto):
            end = self._enough(spread, upto, begin)
            yield spread.part(begin, end), upto[begin:end]
            begin = end

    def _enough(self, spread: Spread, upto: Integers, begin: int) -> int:
        """Where a portion ends that begins here; the streams of one query stay together."""
        import numpy as np

        assert self._shelves is not None  # noqa: S101 - asked by `answer`
        step = max(1, _ROWS_AT_ONCE * len(self._shelves.large.first) // max(1, len(self._shelves)))
        if begin + step >= len(upto):
            return len(upto)
        return int(np.searchsorted(spread.place, spread.place[begin + step - 1], side="right"))

    def _fill(self, answers: list[Answer], spread: Spread, upto: Integers) -> None:
        """Puts answers in the places of those queries that have points."""
        assert self._shelves is not None  # noqa: S101 - asked by `answer`
        names, units = self._streams.units()
        found = Findings.of(spread, self._shelves.spans(spread.stream, upto - spread.window, upto), units)
        found.aggregate(self._connection)
        newest = found.newest()
        for place, count, last, value, unit in found.rows():
            answers[place] = Answer(value, count, newest.get(place, ()), last, names[unit])

    def _connection(self) -> DuckDBPyConnection:
        import duckdb

        if self._duckdb is None:
            self._duckdb = duckdb.connect(":memory:", config={"threads": 1})  # more only cost more
        return self._duckdb


class _Loading:
    """Takes points out of the stores, and gives their streams numbers."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.parts: list[Points] = []

    def number(self, log: Log, stream: Stream) -> int:
        return self._streams.of(log)[stream]

    def take(self, page: Found) -> None:
        import numpy as np

        numbers = self._streams.of(page.log)
        streams = np.array([numbers[row[1:6]] for row in page.rows], dtype=np.int64)  # type: ignore[index]
        values = np.array([row[7] for row in page.rows], dtype=np.float64)
        meant = (streams != 0) & np.isfinite(values)
        if meant.any():
            moments = np.array([row[6] for row in page.rows], dtype=np.int64)
            ids = np.array([row[0] for row in page.rows], dtype=np.int64)
            self.parts.append(Points(streams[meant], moments[meant], ids[meant], values[meant]))

    def take_columns(self, stream: Any, moment: Any, number: Any, value: Any) -> None:
        if len(stream):
            self.parts.append(Points(stream, moment, number, value))
