"""Numbers that rules look back on: samples, and statuses of results as their rank.

They come out of the published warehouse and, above its watermarks, out of the operational store, by the
same reasoning as in `history.py`; here only the metrics and spans that are wanted, and without the texts
that make rows large. What is recorded afterwards is read by id.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast

from sqlalchemy import ColumnElement, Connection, Select, case, func, literal_column, or_, select

from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.records import Status
from monitoring_pipeline.store import marks
from monitoring_pipeline.store.hot import snapshot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import results, samples
from monitoring_pipeline.store.warehouse import literal, origin, watermarks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Found", "Log", "Stream", "Taker", "Wanted", "hot_points", "load_points"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

Log = Literal["samples", "results"]
Wanted = Mapping[tuple[Log, str, str], int]
"""Per (log, source, metric) the moment after which points are wanted, in microseconds; results' metric is empty."""

Row = tuple[int, str, str, str, str, str, int, float]
"""id, source, check, metric, unit, tags (JSON), moment in microseconds, value."""

_ATTEMPTS = 5
_PAGE_ROWS = 50_000
# What a statement may name: SQLite takes 32,766 values.
_SPANS, _FEW_SOURCES, _FEW_METRICS = 4, 5000, 100
_NOTHING: ColumnElement[str] = literal_column("''")
_RANK = {status.value: status.rank for status in Status}
_FOREIGN = 1 << 62
"""Taken from ids that another operational store gave: they stay in order, and are none of ours."""


class Stream(NamedTuple):
    """What points have in common."""

    source: str
    check: str
    metric: str
    unit: str
    tags: str


class Taker(Protocol):
    """Who takes points."""

    def number(self, log: Log, stream: Stream) -> int:
        """The number that stands for a stream in `take_columns`, 0 for one that nobody wants."""

    def take(self, page: Found) -> object:
        """Takes hot points."""

    def take_columns(self, stream: Any, moment: Any, number: Any, value: Any) -> object:
        """Takes published points, as arrays of streams' numbers, microseconds, ids and values."""


class Found(NamedTuple):
    """Hot points of one log, a page of them; `last` is the highest id that was looked at."""

    log: Log
    rows: Sequence[Row]
    last: int


def hot_points(
    connection: Connection, log: Log, after: int, only: ColumnElement[bool] | None = None
) -> Iterator[Found]:
    """Points recorded with ids above `after`, as the transaction sees them, in the order of their ids."""
    while True:
        result = connection.execute(_hot(log, after, only))
        # The driver's own cursor: row objects would double the price.
        rows: list[Row] = cast("Any", result).cursor.fetchall()
        result.close()
        if not rows:
            return
        after = rows[-1][0]
        yield Found(log, rows, after)
        if len(rows) < _PAGE_ROWS:
            return


def _hot(log: Log, after: int, only: ColumnElement[bool] | None) -> Select[Any]:
    if log == "samples":
        table = samples
        query = select(table.c.id, table.c.source, table.c.check_id, table.c.metric, table.c.unit, table.c.tags,
                       table.c.time, table.c.value)  # fmt: skip
    else:
        table, nothing = results, _NOTHING
        query = select(table.c.id, table.c.source, table.c.check_id, nothing, nothing, nothing, table.c.finished,
                       case(_RANK, value=table.c.status)).where(table.c.skipped.is_(None))  # fmt: skip
    if only is not None:
        query = query.where(only)
    return query.where(table.c.id > after).order_by(table.c.id).limit(_PAGE_ROWS)


def _wanted_only(log: Log, wanted: Wanted) -> ColumnElement[bool]:
    """What is wanted of one log, roughly: few spans, each with the sources and metrics that need it."""
    table, at = (samples, samples.c.time) if log == "samples" else (results, results.c.finished)
    moments = sorted({since for (of, _, _), since in wanted.items() if of == log})
    bounds = moments[:: -(-len(moments) // _SPANS)]
    sources: dict[int, set[str]] = {bound: set() for bound in bounds}
    metrics: dict[int, set[str]] = {bound: set() for bound in bounds}
    for (of, source, metric), since in wanted.items():
        if of == log:
            bound = bounds[bisect_right(bounds, since) - 1]
            sources[bound].add(source)
            metrics[bound].add(metric)
    terms = []
    for bound in bounds:
        term = at > bound
        if len(sources[bound]) <= _FEW_SOURCES:
            term &= table.c.source.in_(sorted(sources[bound]))
        if log == "samples" and len(metrics[bound]) <= _FEW_METRICS:
            term &= table.c.metric.in_(sorted(metrics[bound]))
        terms.append(term)
    return or_(*terms)


def load_points(store: OperationalStore, published_path: Path | None, wanted: Wanted, into: Taker) -> dict[Log, int]:
    """Hands over what is wanted, and answers up to which id each log was read.

    Raises StoreError when rows have expired that the published copy lacks, or there is none of it any
    more, and what DuckDB raises for a file it cannot read; nothing has been handed over then.
    """
    logs: list[Log] = [log for log in ("samples", "results") if any(key[0] == log for key in wanted)]
    for _ in range(_ATTEMPTS):
        with _opened(published_path) as copy, store.read() as operational:
            snapshot(operational)
            known = marks.read_marks(operational)
            ours = copy is not None and origin(copy, "warehouse") == known.store_id
            last = {log: watermarks(copy, "warehouse").get(log, 0) if copy is not None and ours else 0 for log in logs}
            if published_path is not None and any(known.expired.get(log, 0) > last[log] for log in logs):
                continue
            if copy is not None:
                for log in logs:
                    _take_published(copy, log, wanted, 0 if ours else _FOREIGN, into)
            for log in logs:
                last[log] = _take_hot(operational, log, last[log], wanted, into)
            return last
    raise StoreError(
        f"the published warehouse {published_path} is missing or older than the rows that expired since; "
        "publish it again"
    )


def _take_hot(operational: Connection, log: Log, after: int, wanted: Wanted, into: Taker) -> int:
    for page in hot_points(operational, log, after, _wanted_only(log, wanted)):
        into.take(page)
    table = samples if log == "samples" else results
    # Of the whole table: what was passed over is too old, or nobody's.
    return max(after, operational.execute(select(func.max(table.c.id))).scalar_one() or 0)


@contextlib.contextmanager
def _opened(published_path: Path | None) -> Iterator[DuckDBPyConnection | None]:
    """A connection that has the published copy as `warehouse`, if there is one."""
    if published_path is None or not published_path.exists():
        yield None
        return
    import duckdb

    connection = duckdb.connect(":memory:")
    try:
        connection.execute(f"ATTACH {literal(str(published_path))} AS warehouse (READ_ONLY)")
        yield connection
    finally:
        connection.close()


def _take_published(copy: DuckDBPyConnection, log: Log, wanted: Wanted, shift: int, into: Taker) -> None:
    """Hands over published points of one log, after asking for the numbers of their streams."""
    import numpy as np

    asked = [(source, metric, since) for (of, source, metric), since in wanted.items() if of == log]
    since = [moment for _, _, moment in asked]
    rows = _published(log, min(since))
    copy.execute(
        f"CREATE OR REPLACE TEMP TABLE wanted AS SELECT unnest({_texts(each[0] for each in asked)}) AS source, "
        f"unnest({_texts(each[1] for each in asked)}) AS metric, unnest({since}::BIGINT[]) AS since"
    )
    copy.execute(
        "CREATE OR REPLACE TEMP TABLE streams AS SELECT row_number() OVER () AS place, * FROM (SELECT DISTINCT "
        f"source, check_id, metric, unit, tags FROM ({rows}) JOIN wanted USING (source, metric) WHERE moment > since)"
    )
    found = copy.execute("SELECT source, check_id, metric, unit, tags FROM streams ORDER BY place").fetchall()
    numbers = np.array([into.number(log, Stream(*stream)) for stream in found], dtype=np.int64)
    copy.register("numbers", {"place": np.arange(1, len(numbers) + 1, dtype=np.int64), "number": numbers})
    # DISTINCT: should the warehouse ever hold a row twice, it is one value all the same.
    points = copy.execute(
        f"SELECT DISTINCT number, moment, id - {shift} AS id, value FROM ({rows}) JOIN wanted USING (source, metric) "
        "JOIN streams USING (source, check_id, metric, unit, tags) JOIN numbers USING (place) "
        "WHERE moment > since AND number <> 0"
    ).fetchnumpy()
    into.take_columns(points["number"], points["moment"], points["id"], points["value"])
    copy.unregister("numbers")


def _published(log: Log, since: int) -> str:
    if log == "samples":
        return (
            "SELECT id, source, check_id, metric, unit, tags, epoch_us(time) AS moment, value "
            f"FROM warehouse.samples WHERE time > make_timestamp({since}) AND isfinite(value)"
        )
    rank = f"CASE status {' '.join(f'WHEN {literal(name)} THEN {rank}' for name, rank in _RANK.items())} END"
    # A result's `started` orders the table; no probe lasts a day.
    return (
        "SELECT id, source, check_id, '' AS metric, '' AS unit, '' AS tags, epoch_us(finished) AS moment, "
        f"{rank}::DOUBLE AS value FROM warehouse.results WHERE finished > make_timestamp({since}) "
        f"AND started > make_timestamp({since}) - INTERVAL 1 DAY AND skipped IS NULL"
    )


def _texts(values: Iterable[str]) -> str:
    return f"[{', '.join(map(literal, values))}]::VARCHAR[]"
