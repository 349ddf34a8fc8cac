"""The warehouse that `bench.rollups` asks: what is drawn, and what the doors build.

Yesterday is rows that are built by the doors. The buckets of the days before are its buckets with other numbers, drawn
by SQL and laid day by day as a running system lays them. Then today comes as it does in a running system: five
minutes at a time into the warehouse that has all the rest already.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import insert

from bench.figures import Row, quantile_rows
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store import marks, rollups, tables
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.rollups import DAY, HOUR, LEVELS, MINUTE, WEEK, Level
from monitoring_pipeline.store.rollups.building import GRACE, lay
from monitoring_pipeline.store.rollups.executions import merged as merged_executions
from monitoring_pipeline.store.rollups.values import COLUMNS, merged
from monitoring_pipeline.store.spec import RollupRetentionSpec
from monitoring_pipeline.store.warehouse import literal, open_warehouse, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["HOT_MINUTES", "Fleet", "append_hot", "build", "source_name"]

# Built from names and escaped literals of our own only.

HOT_MINUTES = 5
_METRICS = ("response_time_ms", "dns_ms", "connect_ms", "first_byte_ms")
_STEP = timedelta(minutes=5)
_ALL_DAY = timedelta(hours=1)
_KEPT = RollupRetentionSpec(minute=timedelta(days=1000), hour=timedelta(days=1000))
# Figures that are points themselves have three digits, as these have; the others have all there are.
_POINTS = ("min", "max", "earliest", "latest", "p50")
_MADE = ("sum", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Fleet:
    """`series` with a point a minute each, four of a check; for `days` in hours, for `minute_days` in minutes."""

    series: int
    days: int
    minute_days: int


def source_name(number: int) -> str:
    """The id of a source."""
    return f"source-{number:04d}"


def build(store: OperationalStore, path: Path, fleet: Fleet, now: datetime) -> list[Row]:
    """All of it, up to a few minutes before `now`; what that took."""
    today = DAY.floor(now)
    with open_warehouse(path, now) as warehouse, transaction(warehouse):
        warehouse.execute(f"INSERT INTO origin VALUES ({literal(marks.store_id(store))})")
        _insert_rows(warehouse, fleet.series, today - DAY.width, today)
    began = time.perf_counter()
    rollups.roll_up(path, today + GRACE, _ALL_DAY)
    rows = [("building a day from rows, all levels", time.perf_counter() - began, "s")]
    rows += _draw(path, fleet, today)
    rows += _go_on(path, fleet, today, now - timedelta(minutes=HOT_MINUTES))
    began = time.perf_counter()
    rollups.rebuild(path, today - DAY.width, today, now, _KEPT)
    rows.append(("building yesterday anew, all levels", time.perf_counter() - began, "s"))
    with open_warehouse(path, now) as warehouse:
        warehouse.execute("CHECKPOINT")
        return rows + [(f"{level.name}s on disk", _megabytes(warehouse, level), "MB") for level in LEVELS]


def _insert_rows(warehouse: DuckDBPyConnection, series: int, start: datetime, end: datetime) -> None:
    """A point a minute of each series, and a result of each check, one in a hundred of them critical."""
    minutes = (end - start) // MINUTE.width
    listed = ", ".join(literal(metric) for metric in _METRICS)
    warehouse.execute(
        f"""
        INSERT INTO samples
        SELECT (SELECT coalesce(max(id), 0) FROM samples) + minute * {series} + number + 1,
               format('source-{{:04d}}', number // 4), 'web', [{listed}][number % 4 + 1], moment, value, 'ms', '{{}}'
        FROM (
            SELECT minute, number, round(20 - 20 * ln(1 - random()), 3) AS value,
                   {literal(start)} + to_minutes(minute) + to_microseconds(number * 60000000 // {series}) AS moment
            FROM range({minutes}) AS a(minute), range({series}) AS b(number)
        ) ORDER BY moment
        """
    )
    warehouse.execute(
        f"""
        INSERT INTO results (id, source, check_id, kind, slot, started, finished, status, response_time_ms, attempts,
                             message, details, skipped, manual)
        SELECT (SELECT coalesce(max(id), 0) FROM results) + minute * {series // 4} + number + 1,
               format('source-{{:04d}}', number), 'web', 'http', moment, moment, moment + INTERVAL 40 MILLISECOND,
               CASE WHEN random() < 0.01 THEN 'critical' ELSE 'healthy' END, 40.0, 1, '', '{{}}', NULL, false
        FROM (
            SELECT minute, number,
                   {literal(start)} + to_minutes(minute) + to_microseconds(number * 240000000 // {series}) AS moment
            FROM range({minutes}) AS a(minute), range({series // 4}) AS b(number)
        ) ORDER BY moment
        """
    )


# -- the days before yesterday -----------------------------------------------------------------------


def _draw(path: Path, fleet: Fleet, today: datetime) -> list[Row]:
    began, yesterday = time.perf_counter(), today - DAY.width
    day, minutes_from = today - fleet.days * DAY.width, today - fleet.minute_days * DAY.width
    with open_warehouse(path, today) as warehouse:
        while day < today:
            if day < yesterday:
                with transaction(warehouse):
                    for level in (HOUR, DAY):
                        _draw_values(warehouse, level, day, yesterday)
                        _copy(warehouse, level, day, yesterday)
                    if day >= minutes_from:
                        _draw_minutes(warehouse, day)
                        _copy(warehouse, MINUTE, day, yesterday)
            for level in (HOUR, DAY):
                for table in (level.values, level.executions):
                    lay(warehouse, table, level, day, day + DAY.width)
            day += DAY.width
        with transaction(warehouse):
            _draw_weeks(warehouse)
    return [("drawing the days before", time.perf_counter() - began, "s")]


def _draw_values(warehouse: DuckDBPyConnection, level: Level, day: datetime, yesterday: datetime) -> None:
    """Yesterday's buckets of values as those of another day, with other numbers."""
    scale = "(0.9 + 0.2 * luck)"
    made = [f"{name} * {scale} AS {name}" for name in _MADE]
    points = [f"round({name} * {scale}, 3) AS {name}" for name in _POINTS]
    more = [f"p25 * {scale} AS p25", f"p75 * {scale} AS p75", "sketch"] if level == DAY else []
    figures = ", ".join(made + points + more)
    warehouse.execute(
        f"""
        INSERT INTO {level.values} BY NAME
        SELECT series, {_moved(day, yesterday)} AS bucket, count, 0::UINTEGER AS outliers, {figures}
        FROM (SELECT *, random() AS luck FROM {level.values} WHERE {_on(yesterday)}) ORDER BY series, bucket
        """
    )


def _copy(warehouse: DuckDBPyConnection, level: Level, day: datetime, yesterday: datetime) -> None:
    """Yesterday's buckets of executions as those of another day."""
    warehouse.execute(
        f"""
        INSERT INTO {level.executions}
        SELECT * REPLACE ({_moved(day, yesterday)} AS bucket)
        FROM {level.executions} WHERE {_on(yesterday)} ORDER BY series, bucket
        """
    )


def _moved(day: datetime, yesterday: datetime) -> str:
    return f"bucket - to_days({(yesterday - day).days})"


def _on(day: datetime) -> str:
    return f"bucket >= {literal(day)}::TIMESTAMP_S AND bucket < {literal(day + DAY.width)}::TIMESTAMP_S"


def _draw_minutes(warehouse: DuckDBPyConnection, day: datetime) -> None:
    warehouse.execute(
        f"""
        INSERT INTO values_minute BY NAME
        SELECT id AS series, {literal(day)} + to_minutes(minute) AS bucket, 1 AS count,
               round(20 - 20 * ln(1 - random()), 3) AS sum, 0 AS outliers
        FROM (FROM series WHERE metric <> ''), range(1440) AS a(minute) ORDER BY id, minute
        """
    )


def _draw_weeks(warehouse: DuckDBPyConnection) -> None:
    listed = ", ".join(COLUMNS["week"])
    warehouse.execute("DELETE FROM values_week")
    weeks = merged("SELECT * FROM values_day", "series")
    warehouse.execute(f"INSERT INTO values_week BY NAME SELECT series, bucket, {listed}, sketch FROM ({weeks})")
    warehouse.execute("DELETE FROM executions_week")
    found = merged_executions(WEEK, "FROM executions_day", "series")
    warehouse.execute(f"INSERT INTO executions_week BY NAME SELECT * FROM ({found}) ORDER BY series, bucket")


# -- today -------------------------------------------------------------------------------------------


def _go_on(path: Path, fleet: Fleet, today: datetime, until: datetime) -> list[Row]:
    """Today, in steps as history is loaded in."""
    spent, at = [], today
    while at < until:
        end = min(at + _STEP, until)
        with open_warehouse(path, end) as warehouse, transaction(warehouse):
            _insert_rows(warehouse, fleet.series, at, end)
        began = time.perf_counter()
        rollups.roll_up(path, end + GRACE, _ALL_DAY)
        spent.append((time.perf_counter() - began) * 1000)
        at = end
    return quantile_rows("building five minutes more, all levels", spent, 0.5, 0.95)


def append_hot(store: OperationalStore, series: int, now: datetime) -> None:
    """Points that are not loaded yet."""
    start = now - timedelta(minutes=HOT_MINUTES)
    rows = [
        {
            "source": source_name(number // 4), "check_id": "web", "metric": _METRICS[number % 4],
            "time": to_us(start + timedelta(minutes=minute, milliseconds=number)), "value": 40.0, "unit": "ms",
            "tags": "{}",
        }
        for minute in range(HOT_MINUTES) for number in range(series)
    ]  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(tables.samples), rows)


def _megabytes(warehouse: DuckDBPyConnection, level: Level) -> float:
    blocks = sum(
        warehouse.execute(
            f"SELECT count(DISTINCT block_id) FROM pragma_storage_info('{table}') WHERE persistent"
        ).fetchall()[0][0]
        for table in (level.values, level.executions)
    )
    return float(blocks) * 262_144 / 1e6
