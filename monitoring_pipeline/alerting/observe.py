"""What queries of rules find: one table of points in memory, asked set-wise.

    windows = Windows.open(store, published, queries, now)   # once per process
    windows.advance(connection)                              # in the transaction that recorded something
    answers = windows.answer([(query, now), ...])            # all of them together

`reference.py` says in plain Python what the answers mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection, event

from monitoring_pipeline.alerting import asking
from monitoring_pipeline.alerting.condition import Aggregation, Answer, Query
from monitoring_pipeline.alerting.reference import Point
from monitoring_pipeline.alerting.streams import Streams
from monitoring_pipeline.clock import EPOCH, to_us
from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.points import Found, Log, Stream, hot_points, load_points

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Windows"]

log = structlog.get_logger(__name__)
_LOGS: tuple[Log, ...] = ("samples", "results")
_TABLE = "CREATE TABLE points (stream INTEGER, moment BIGINT, id BIGINT, value DOUBLE)"
_THREADS = 2
_PRUNE_ROWS = 200_000


class Windows:
    """The points that queries look back on. For one thread at a time; nothing is opened while nothing is asked."""

    def __init__(self, queries: Iterable[Query]) -> None:
        self._streams = Streams(queries)
        self._points: DuckDBPyConnection | None = None
        self._last: dict[Log, int] = {}
        self._undone: tuple[Connection, dict[Log, int]] | None = None
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
        windows._connect()
        by_log: dict[Log, list[Any]] = {"samples": [], "results": []}
        for point in points:
            tags = _json(point.tags)
            stream = Stream(point.source, point.check, point.metric, point.unit, tags)
            by_log[point.series.value].append((point.id, *stream, to_us(point.time), point.value))
        for name, rows in by_log.items():
            windows._take(Found(name, rows, 0))
        return windows

    def advance(self, connection: Connection) -> int:
        """Takes what was recorded since, by whichever process, as this transaction sees it; answers how much.

        Is the transaction rolled back, so is this.
        """
        if self._points is None:
            return 0
        before, taken = dict(self._last), 0
        for name in self._last:
            for page in hot_points(connection, name, self._last[name]):
                taken += self._take(page)
                self._last[name] = page.last
        if before != self._last:
            self._remember(connection, before)
        self._grown += taken
        if self._grown > _PRUNE_ROWS:
            self._prune()
        return taken

    def answer(self, asked: Sequence[tuple[Query, datetime]]) -> list[Answer]:
        """The answers to queries, each at a moment of its own, in their order.

        One that was not named at the opening finds what is there of its source and metric for others.
        """
        if not asked:
            return []
        numbers = self._streams.numbers(query for query, _ in asked)
        blank = {number: self._blank(number) for number in set(numbers)}
        answers = [blank[number] for number in numbers]
        if self._points is not None:
            self._fill(answers, numbers, [moment for _, moment in asked])
        return answers

    def close(self) -> None:
        """Frees the memory."""
        if self._points is not None:
            self._points.close()
        self._points = None

    def _connect(self) -> DuckDBPyConnection:
        import duckdb

        self._points = duckdb.connect(":memory:", config={"threads": _THREADS})
        self._points.execute(_TABLE)
        return self._points

    def _load(self, store: OperationalStore, published: Path, start: datetime, *, whole: bool) -> None:
        import duckdb

        def load(path: Path | None) -> dict[Log, int]:
            into, wanted = self._connect(), self._streams.wanted(to_us(start))
            return load_points(store, path, into, wanted, number=self._streams.meet, take=self._take)

        try:
            self._last = load(published)
        except (StoreError, duckdb.Error) as error:
            if whole:
                raise
            log.warning("rules look back on hot rows only", error=str(error))
            self.close()
            self._last = load(None)

    def _take(self, page: Found) -> int:
        """Adds points; answers how many of them anybody asks about."""
        import numpy as np

        assert self._points is not None  # noqa: S101 - opened before anything is taken
        numbers = self._streams.of(page.log)
        streams = np.array([numbers[row[1:6]] for row in page.rows], dtype=np.int32)  # type: ignore[index]
        values = np.array([row[7] for row in page.rows], dtype=np.float64)
        meant = (streams != 0) & np.isfinite(values)
        count = int(np.count_nonzero(meant))
        if count:
            moments = np.array([row[6] for row in page.rows], dtype=np.int64)
            ids = np.array([row[0] for row in page.rows], dtype=np.int64)
            columns = {"a": streams[meant], "b": moments[meant], "c": ids[meant], "d": values[meant]}
            self._points.register("arrived", columns)
            self._points.execute("INSERT INTO points SELECT a, b, c, d FROM arrived")
            self._points.unregister("arrived")
        return count

    def _remember(self, connection: Connection, before: dict[Log, int]) -> None:
        """Takes the points back when the transaction is: its ids may be given out again."""
        if self._undone is not None and self._undone[0] is connection:
            return
        self._undone = (connection, before)
        event.listen(connection, "rollback", self._undo)
        event.listen(connection, "commit", self._settle)

    def _settle(self, connection: Connection) -> None:
        if self._undone is not None and self._undone[0] is connection:
            self._undone = None

    def _undo(self, connection: Connection) -> None:
        if self._undone is None or self._undone[0] is not connection or self._points is None:
            return
        self._last = self._undone[1]
        self._undone = None
        for name, last in self._last.items():
            sign = ">" if name == "samples" else "<"
            self._points.execute(f"DELETE FROM points WHERE stream {sign} 0 AND id > {last}")  # noqa: S608 - numbers

    def _prune(self) -> None:
        """Lets go of what no window reaches any more."""
        self._grown = 0
        if self._points is not None and self._latest is not None:
            oldest = to_us(self._latest - self._streams.longest)
            self._points.execute(f"DELETE FROM points WHERE moment <= {oldest}")  # noqa: S608 - a number

    def _blank(self, number: int) -> Answer:
        counts = self._streams.queries[number].aggregation is Aggregation.COUNT
        return Answer(0.0 if counts else None, unit=self._streams.units[number])

    def _fill(self, answers: list[Answer], numbers: Sequence[int], moments: Sequence[datetime]) -> None:
        import numpy as np

        assert self._points is not None  # noqa: S101 - asked by `answer`
        known = {moment: to_us(moment) for moment in set(moments)}
        self._latest = max(known)
        spread = self._streams.spread(numbers)
        upto = np.array([known[moment] for moment in moments], dtype=np.int64)[spread.place]
        in_order = asking.in_order(self._points, spread, upto)
        newest = asking.newest_values(self._points, spread, upto)
        units, queries = self._streams.units, self._streams.queries
        for found in asking.aggregates(self._points, spread, upto):
            for place, count, last, value in zip(*found, strict=True):
                aggregate = in_order.get(place, value)
                number = numbers[place]
                values = tuple(newest[place][: queries[number].newest]) if place in newest else ()
                answers[place] = Answer(
                    aggregate if aggregate == aggregate else None,
                    count, values, EPOCH + timedelta(microseconds=last), units[number],
                )  # fmt: skip


def _json(tags: Any) -> str:
    import json

    return json.dumps(dict(tags)) if tags else "{}"
