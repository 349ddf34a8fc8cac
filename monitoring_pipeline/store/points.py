"""Numbers that rules look back on: samples, and statuses of results as their rank.

They come out of the published warehouse and, above its watermarks, out of the operational store, by the
same reasoning as in `history.py`; here only the metrics and spans that are wanted, and without the texts
that make rows large. What is recorded afterwards is read by id.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, Select, case, func, literal_column, select

from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.records import Status
from monitoring_pipeline.store import marks
from monitoring_pipeline.store.hot import snapshot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import results, samples
from monitoring_pipeline.store.warehouse import literal, origin, watermarks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Found", "Log", "Stream", "Wanted", "hot_points", "load_points"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

Log = Literal["samples", "results"]
Wanted = Mapping[tuple[Log, str, str], int]
"""Per (log, source, metric) the moment after which points are wanted, in microseconds; results' metric is empty."""

Row = tuple[int, str, str, str, str, str, int, float]
"""id, source, check, metric, unit, tags (JSON), moment in microseconds, value."""

_ATTEMPTS = 5
_PAGE_ROWS = 50_000
_FEW_METRICS = 100
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


class Found(NamedTuple):
    """Hot points of one log, a page of them; `last` is the highest id that was looked at."""

    log: Log
    rows: Sequence[Row]
    last: int


def hot_points(
    connection: Connection, log: Log, after: int, *, since: int | None = None, metrics: frozenset[str] = frozenset()
) -> Iterator[Found]:
    """Points recorded with ids above `after`, as the transaction sees them, in the order of their ids.

    Only those later than `since`, and of these `metrics`, where given.
    """
    while True:
        query = _hot(log, after, since, metrics)
        result = connection.execute(query)
        # The driver's own cursor: row objects would double the price.
        rows: list[Row] = cast("Any", result).cursor.fetchall()
        result.close()
        if not rows:
            return
        after = rows[-1][0]
        yield Found(log, rows, after)
        if len(rows) < _PAGE_ROWS:
            return


def _hot(log: Log, after: int, since: int | None, metrics: frozenset[str]) -> Select[Any]:
    if log == "samples":
        table, at = samples, samples.c.time
        query = select(table.c.id, table.c.source, table.c.check_id, table.c.metric, table.c.unit, table.c.tags, at,
                       table.c.value)  # fmt: skip
        if metrics and len(metrics) <= _FEW_METRICS:
            query = query.where(table.c.metric.in_(sorted(metrics)))
    else:
        table, at = results, results.c.finished
        nothing: ColumnElement[str] = literal_column("''")
        query = select(table.c.id, table.c.source, table.c.check_id, nothing, nothing, nothing, at,
                       case(_RANK, value=table.c.status))  # fmt: skip
        query = query.where(table.c.skipped.is_(None))
    if since is not None:
        query = query.where(at > since)
    return query.where(table.c.id > after).order_by(table.c.id).limit(_PAGE_ROWS)


def load_points(
    store: OperationalStore,
    published_path: Path | None,
    into: DuckDBPyConnection,
    wanted: Wanted,
    *,
    number: Callable[[Log, Stream], int],
    take: Callable[[Found], object],
) -> dict[Log, int]:
    """Loads what is wanted: published points into the DuckDB table `points`, hot ones through `take`.

    `number` answers the number of a stream in `points(stream, at, id, value)`, 0 for one that nobody
    wants. Answers up to which id each log was read. Raises StoreError when rows have expired that the
    published copy lacks, or there is none of it any more; nothing has been taken then.
    """
    logs: list[Log] = [log for log in ("samples", "results") if any(key[0] == log for key in wanted)]
    for _ in range(_ATTEMPTS):
        with _attached(into, published_path) as reached, store.read() as operational:
            snapshot(operational)
            known = marks.read_marks(operational)
            ours = reached is not None and reached[0] == known.store_id
            last = {log: reached[1].get(log, 0) if ours and reached else 0 for log in logs}
            if published_path is not None and any(known.expired.get(log, 0) > last[log] for log in logs):
                continue
            if reached is not None:
                for log in logs:
                    _take_published(into, log, wanted, 0 if ours else _FOREIGN, number)
            for log in logs:
                last[log] = _take_hot(operational, log, last[log], wanted, take)
            return last
    raise StoreError(
        f"the published warehouse {published_path} is missing or older than the rows that expired since; "
        "publish it again"
    )


def _take_hot(operational: Connection, log: Log, after: int, wanted: Wanted, take: Callable[[Found], object]) -> int:
    since = min(moment for (of, _, _), moment in wanted.items() if of == log)
    metrics = frozenset(metric for of, _, metric in wanted if of == log)
    for page in hot_points(operational, log, after, since=since, metrics=metrics):
        take(page)
    table = samples if log == "samples" else results
    # Of the whole table: what was passed over is too old, or nobody's.
    return max(after, operational.execute(select(func.max(table.c.id))).scalar_one() or 0)


@contextlib.contextmanager
def _attached(
    connection: DuckDBPyConnection, published_path: Path | None
) -> Iterator[tuple[str | None, dict[str, int]] | None]:
    """Attaches the published copy as `warehouse`, if there is one; whose rows it has, and up to which ids."""
    if published_path is None or not published_path.exists():
        yield None
        return
    connection.execute(f"ATTACH {literal(str(published_path))} AS warehouse (READ_ONLY)")
    try:
        yield origin(connection, "warehouse"), watermarks(connection, "warehouse")
    finally:
        connection.execute("DETACH warehouse")


def _take_published(
    connection: DuckDBPyConnection, log: Log, wanted: Wanted, shift: int, number: Callable[[Log, Stream], int]
) -> None:
    """Copies published points of one log, after giving each of their streams its number."""
    import numpy as np

    asked = [(source, metric, since) for (of, source, metric), since in wanted.items() if of == log]
    since = [moment for _, _, moment in asked]
    rows = _published(log, min(since))
    try:
        connection.execute(
            f"CREATE TEMP TABLE wanted AS SELECT unnest({_texts(each[0] for each in asked)}) AS source, "
            f"unnest({_texts(each[1] for each in asked)}) AS metric, unnest({since}::BIGINT[]) AS since"
        )
        connection.execute(
            "CREATE TEMP TABLE streams AS SELECT row_number() OVER () AS place, * FROM (SELECT DISTINCT source, "
            f"check_id, metric, unit, tags FROM ({rows}) JOIN wanted USING (source, metric) WHERE moment > since)"
        )
        found = connection.execute("SELECT source, check_id, metric, unit, tags FROM streams ORDER BY place").fetchall()
        numbers = [number(log, Stream(*stream)) for stream in found]
        places = np.arange(1, len(numbers) + 1, dtype=np.int64)
        connection.register("numbers", {"place": places, "stream": np.array(numbers, dtype=np.int64)})
        # DISTINCT: should the warehouse ever hold a row twice, it is one value all the same.
        connection.execute(
            f"INSERT INTO points SELECT DISTINCT numbers.stream, moment, id - {shift}, value FROM ({rows}) "
            "JOIN wanted USING (source, metric) JOIN streams USING (source, check_id, metric, unit, tags) "
            "JOIN numbers USING (place) WHERE moment > since AND numbers.stream <> 0 ORDER BY moment, id"
        )
    finally:
        connection.execute("DROP TABLE IF EXISTS wanted; DROP TABLE IF EXISTS streams; DROP VIEW IF EXISTS numbers")


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
