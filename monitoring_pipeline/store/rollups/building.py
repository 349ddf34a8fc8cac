"""Builds buckets from the rows of the warehouse, in the warehouse.

A stretch of buckets is built in one transaction: what was there is deleted, what its rows say is inserted, so it may
be repeated and killed at any time. Which stretches: those that ended since the last time, and those that rows touched
which came late, found by their ids. Of a bucket that lost rows to the retention what was built stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring_pipeline.store.measured import MEASURED
from monitoring_pipeline.store.rollups import executions, values
from monitoring_pipeline.store.rollups.levels import BUILT, DAY, WEEK, Level
from monitoring_pipeline.store.rollups.progress import begin, built_until, kept_since, last_looked_at, note
from monitoring_pipeline.store.warehouse import TIME_COLUMNS, aware, literal, open_warehouse, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.store.spec import RollupRetentionSpec

__all__ = ["GRACE", "lay", "rebuild", "roll_up"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

GRACE = timedelta(minutes=2)
"""A bucket is built this long after its end: most of what belongs to it has come by then, the rest counts as late."""

_BUDGET = timedelta(minutes=4)
_OTHER_STORE = timedelta(days=2)
_MOST_POINTS = 5_000_000


@dataclass(frozen=True, slots=True)
class _Track:
    """What is built together: its logs with the moments a row reaches from and to, and its table at a level.

    No row reaches farther than `reach` beyond the moment that decides its age.
    """

    logs: Mapping[str, tuple[str, str]]
    reach: timedelta
    build: Callable[[DuckDBPyConnection, Level, datetime, datetime], int]
    table: Callable[[Level], str]


def roll_up(path: Path, now: datetime, budget: timedelta = _BUDGET) -> dict[str, int]:
    """Builds what ended since the last time and what late rows touched; how many buckets, per table.

    The first time that is all history, day by day; after `budget` it stops and the next call goes on.
    """
    counts = {track.table(level): 0 for track in _TRACKS for level in BUILT}
    deadline = time.monotonic() + budget.total_seconds()
    with open_warehouse(path, now) as warehouse:
        for track in _TRACKS:
            for level in BUILT:
                for count in _advance(warehouse, track, level, level.floor(now - GRACE)):
                    counts[track.table(level)] += count
                    if time.monotonic() > deadline:
                        return counts
    return counts


def rebuild(path: Path, start: datetime, end: datetime, now: datetime, kept: RollupRetentionSpec) -> dict[str, int]:
    """Builds the UTC days of [start, end) anew, with the rows lying by series; how many buckets, per table.

    Days that lost rows to the retention, buckets older than `kept` says, and what has not been built yet stay as they
    are.
    """
    counts = {track.table(level): 0 for track in _TRACKS for level in BUILT}
    with open_warehouse(path, now) as warehouse:
        for track in _TRACKS:
            whole = max(kept_since(warehouse, log) for log in track.logs)
            for day in _days(DAY.floor(start), end):
                for level in BUILT:
                    upto = min(day + DAY.width, built_until(warehouse, next(iter(track.logs)), level) or day)
                    if day >= whole and day < upto and day + DAY.width > now - kept.of(level.name):
                        with transaction(warehouse):
                            counts[track.table(level)] += track.build(warehouse, level, day, upto)
                        lay(warehouse, track.table(level), level, day, upto)
    return counts


def _days(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += DAY.width


def _advance(warehouse: DuckDBPyConnection, track: _Track, level: Level, target: datetime) -> Iterator[int]:
    """Builds a level up to `target`, a transaction per stretch; yields how many buckets each had."""
    heads = {log: _head(warehouse, log) for log in track.logs}
    until = built_until(warehouse, next(iter(track.logs)), level) or _begin(warehouse, track, level, heads)
    if until is None:
        return
    for start, end in _late(warehouse, track, level, until):
        with transaction(warehouse):
            count = track.build(warehouse, level, start, end)
        yield count
    for day in _new(warehouse, track, until, target):
        start, end = max(day, until), min(day + DAY.width, target)
        with transaction(warehouse):
            count = track.build(warehouse, level, start, end)
            note(warehouse, track.logs, level, end)
        lay(warehouse, track.table(level), level, start, end)
        yield count
    with transaction(warehouse):
        note(warehouse, track.logs, level, max(until, target), heads)


def lay(warehouse: DuckDBPyConnection, table: str, level: Level, start: datetime, end: datetime) -> None:
    """Lays the chunk that [start, end) completes in the order of series; a stretch alone lies so already."""
    chunk = level.completed(start, end)
    if chunk is None:
        return
    first, last = chunk
    within = f"bucket >= {literal(first)}::TIMESTAMP_S AND bucket < {literal(last)}::TIMESTAMP_S"
    with transaction(warehouse):
        warehouse.execute(f"CREATE OR REPLACE TEMP TABLE laid AS SELECT * FROM {table} WHERE {within}")
        warehouse.execute(f"DELETE FROM {table} WHERE {within}")
        warehouse.execute(f"INSERT INTO {table} SELECT * FROM laid ORDER BY series, bucket")
        warehouse.execute("DROP TABLE laid")


def _begin(warehouse: DuckDBPyConnection, track: _Track, level: Level, heads: Mapping[str, int]) -> datetime | None:
    """Notes that nothing is built yet from the oldest row on; None as long as there is no row."""
    oldest = [
        warehouse.execute(f"SELECT min({first}) FROM {log}").fetchall()[0][0] for log, (first, _) in track.logs.items()
    ]
    found = [aware(moment) for moment in oldest if moment is not None]
    if not found:
        return None
    until = DAY.floor(min(found))
    with transaction(warehouse):
        begin(warehouse, level, until, heads)
    return until


def _head(warehouse: DuckDBPyConnection, log: str) -> int:
    return int(warehouse.execute(f"SELECT coalesce(max(id), 0) FROM {log}").fetchall()[0][0])


def _late(
    warehouse: DuckDBPyConnection, track: _Track, level: Level, until: datetime
) -> list[tuple[datetime, datetime]]:
    """The stretches of built buckets that rows touched which were loaded since, at most one per day, oldest first."""
    late = []
    for log, (first, last) in track.logs.items():
        after = last_looked_at(warehouse, log, level)
        fresh = f"{first} >= {literal(until - _OTHER_STORE)}" if after is None else f"id > {after}"
        whole = literal(level.floor(kept_since(warehouse, log) + level.width - timedelta(microseconds=1)))
        late.append(
            f"""
            SELECT {first} AS first, least({last}, {literal(until)} - INTERVAL 1 MICROSECOND) AS last FROM {log}
            WHERE {fresh} AND {first} < {literal(until)} AND {first} >= {whole}
            """
        )
    rows = warehouse.execute(
        f"""
        SELECT min(greatest(first, day)), max(least(last, day + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND))
        FROM (
            SELECT *, unnest(generate_series(date_trunc('day', first), last, INTERVAL 1 DAY)) AS day
            FROM ({" UNION ALL ".join(late)})
        ) GROUP BY day ORDER BY day
        """
    ).fetchall()
    return [(level.floor(aware(first)), level.floor(aware(last)) + level.width) for first, last in rows]


def _new(warehouse: DuckDBPyConnection, track: _Track, until: datetime, target: datetime) -> list[datetime]:
    """The days with rows in [until, target), oldest first; a single day without looking whether it has any."""
    if target <= DAY.floor(until) + DAY.width:
        return [DAY.floor(until)] if until < target else []
    touching = " UNION ALL ".join(
        f"""
        SELECT greatest({first}, {literal(until)}) AS first, least({last}, {literal(target)}) AS last FROM {log}
        WHERE {last} >= {literal(until)} AND {first} < {literal(target)}
          AND "{TIME_COLUMNS[log]}" >= {literal(until - track.reach)}
        """
        for log, (first, last) in track.logs.items()
    )
    rows = warehouse.execute(
        f"""
        SELECT DISTINCT unnest(generate_series(first, last, INTERVAL 1 DAY)) AS day
        FROM (SELECT DISTINCT date_trunc('day', first) AS first, date_trunc('day', last) AS last FROM ({touching}))
        ORDER BY day
        """
    ).fetchall()
    return [day for (moment,) in rows if (day := aware(moment)) < target]


def _build_values(warehouse: DuckDBPyConnection, level: Level, start: datetime, end: datetime) -> int:
    within = f"time >= {literal(start)} AND time < {literal(end)} AND isfinite(value)"
    found = "source, check_id, metric, any_value(unit) AS unit"
    _name(warehouse, f"SELECT {found} FROM samples WHERE {within} GROUP BY source, check_id, metric")
    days = f"""
        SELECT series, bucket, {values.whole("p25")} AS p25, {values.whole("p75")} AS p75
        FROM values_day SEMI JOIN (SELECT id AS series FROM series WHERE {MEASURED}) USING (series)
    """
    limits = values.fences(days, DAY.floor(start), "series")
    _clear(warehouse, level.values, start, end)
    count = 0
    for some in _slices(warehouse, within):
        points = f"""
            SELECT series.id AS series, time, value FROM samples JOIN series USING (source, check_id, metric)
            WHERE {within} AND {some}
        """
        query = _compact(level, values.from_points(level, points, limits, "series"))
        count += _insert(warehouse, level.values, query)
    if level == DAY:
        _build_weeks(warehouse, start, end)
    return count


def _slices(warehouse: DuckDBPyConnection, within: str) -> list[str]:
    """Conditions on `series.id` that each leave a few million points, so that memory is bounded; often just one."""
    query = f"SELECT (SELECT count(*) FROM samples WHERE {within}), (SELECT coalesce(max(id), 0) FROM series)"
    points, last = warehouse.execute(query).fetchall()[0]
    slices = max(1, -(-int(points) // _MOST_POINTS))
    bounds = [last * number // slices for number in range(slices + 1)]
    return [f"series.id > {low} AND series.id <= {high}" for low, high in pairwise(bounds)]


def _build_weeks(warehouse: DuckDBPyConnection, start: datetime, end: datetime) -> None:
    """Merges the weeks that hold the days of [start, end); a week that goes on has the days it has."""
    first, last = WEEK.floor(start), WEEK.floor(end - DAY.width) + WEEK.width
    named = ", ".join(f"{values.whole(column)} AS {column}" for column in values.COLUMNS["day"])
    within = f"bucket >= {literal(first)} AND bucket < {literal(last)}"
    days = f"SELECT series, bucket, {named}, sketch FROM values_day WHERE {within}"
    _replace(warehouse, WEEK.values, first, last, _compact(WEEK, values.merged(days, "series")))


def _build_executions(warehouse: DuckDBPyConnection, level: Level, start: datetime, end: datetime) -> int:
    since, upto = literal(start - executions.STANDS), literal(end)
    gaps = f"""SELECT * FROM gaps WHERE "end" >= {since} AND start < {upto}"""
    results = executions.that_matter(warehouse, "FROM results", gaps, start, end)
    query = executions.from_rows(level, results, gaps, start, end)
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE counted AS {query}")
    _name(warehouse, f"SELECT DISTINCT {executions.CHECK}, '' AS metric, '' AS unit FROM counted")
    numbered = f"""
        SELECT id AS series, counted.* EXCLUDE ({executions.CHECK})
        FROM counted JOIN (FROM series WHERE metric = '') USING ({executions.CHECK})
    """
    count = _replace(warehouse, level.executions, start, end, numbered)
    warehouse.execute("DROP TABLE counted")
    if level == DAY:
        first, last = WEEK.floor(start), WEEK.floor(end - DAY.width) + WEEK.width
        days = f"SELECT * FROM executions_day WHERE bucket >= {literal(first)} AND bucket < {literal(last)}"
        _replace(warehouse, WEEK.executions, first, last, executions.merged(WEEK, days, "series"))
    return count


def _compact(level: Level, query: str) -> str:
    """Keeps a bucket of one point as its sum alone; see the migration."""
    stored = ", ".join(
        f"CASE WHEN count > 1 THEN {name} END AS {name}" if values.whole(name) != f'"{name}"' else name
        for name in values.COLUMNS[level.name]
    )
    return f"SELECT series, bucket, {stored}{', sketch' if level in (DAY, WEEK) else ''} FROM ({query})"


def _replace(warehouse: DuckDBPyConnection, table: str, start: datetime, end: datetime, query: str) -> int:
    _clear(warehouse, table, start, end)
    return _insert(warehouse, table, query)


def _clear(warehouse: DuckDBPyConnection, table: str, start: datetime, end: datetime) -> None:
    within = f"bucket >= {literal(start)}::TIMESTAMP_S AND bucket < {literal(end)}::TIMESTAMP_S"
    warehouse.execute(f"DELETE FROM {table} WHERE {within}")


def _insert(warehouse: DuckDBPyConnection, table: str, query: str) -> int:
    inserted = f"INSERT INTO {table} BY NAME SELECT * FROM ({query}) ORDER BY series, bucket"
    return int(warehouse.execute(inserted).fetchall()[0][0])


def _name(warehouse: DuckDBPyConnection, found: str) -> None:
    """Gives numbers to series that have none yet. `found` is a query for source, check_id, metric and unit."""
    warehouse.execute(
        f"""
        INSERT INTO series
        SELECT (SELECT coalesce(max(id), 0) FROM series) + row_number() OVER (ORDER BY source, check_id, metric),
               source, check_id, metric, unit
        FROM ({found}) ANTI JOIN series USING (source, check_id, metric)
        """
    )


_TRACKS = (
    _Track({"samples": ("time", "time")}, timedelta(0), _build_values, lambda level: level.values),
    _Track(
        {
            "results": ("started", f"started + {executions.STANDING}"),
            "gaps": ("start", f"""greatest("end", start + {executions.STANDING})"""),
        },
        executions.STANDS,
        _build_executions,
        lambda level: level.executions,
    ),
)
