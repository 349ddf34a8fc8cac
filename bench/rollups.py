"""Rollups: 90 days of 5,000 series at one point a minute, how large they are and how long questions take.

One day of rows is made and built by the same doors as in a running system; what that takes is in the first lines. The
buckets of all other days are drawn from the same distribution by SQL, in the order in which building leaves them.
Making 648 million rows only to build them would measure the same for an hour. Then everything is published, and each
question is asked through a connection of its own, as the command line and the API ask it: opening it, attaching the
published copy and fetching the hot rows are in the time. Which series is asked about changes each time.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from bench.figures import Row, file_system, quantile_rows
from bench.table import arguments, show
from monitoring_pipeline.clock import system_clock, to_us
from monitoring_pipeline.store import marks, rollups, tables
from monitoring_pipeline.store.history import connect
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.rollups import DAY, HOUR, MINUTE, WEEK, Level
from monitoring_pipeline.store.rollups.building import lay
from monitoring_pipeline.store.spec import RollupRetentionSpec
from monitoring_pipeline.store.warehouse import literal, open_warehouse, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["main"]

_METRICS = ("response_time_ms", "dns_ms", "connect_ms", "first_byte_ms")
_HOT_MINUTES = 5
_KEPT = RollupRetentionSpec(minute=timedelta(days=1000), hour=timedelta(days=1000))
_FIGURES = "min, max, earliest, latest, p50, p95, p99"
Ask = Callable[["DuckDBPyConnection", str, datetime], Any]


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--series", type=int, default=5000, metavar="N", help="series with a point a minute each")
    parser.add_argument("--days", type=int, default=90, metavar="N", help="days of history")
    parser.add_argument("--minute-days", type=int, metavar="N", help="days of minute buckets; all days if not given")
    options = parser.parse_args()
    if options.quick:
        options.series, options.days = min(options.series, 500), min(options.days, 14)
    options.minute_days = options.days if options.minute_days is None else min(options.minute_days, options.days)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = _measure(Path(folder), options)
    method = (
        f"{options.series:,} series, a point a minute: {options.days} days of hours, days and weeks, "
        f"{options.minute_days} days of minutes ({options.series * options.minute_days * 1440:,} buckets); "
        f"{5 if options.quick else 40} questions of each kind; {file_system()}"
    )
    show("Rollups", method, rows, options.json)


def _measure(folder: Path, options: argparse.Namespace) -> list[Row]:
    now = rollups.DAY.floor(system_clock()) + timedelta(hours=11, minutes=7)
    warehouse, published = folder / "warehouse.duckdb", folder / "published.duckdb"
    with contextlib.closing(OperationalStore.open(f"sqlite:///{folder / 'operational.db'}", now)) as store:
        rows = _build(store, warehouse, options, now)
        rows += _draw(warehouse, options, now)
        _append_hot(store, options.series, now)
        done = publish(store, warehouse, published, now)
        rows += [("published copy", done.bytes / 1e6, "MB"), ("publishing", done.seconds, "s")]
        for what, back, alone, ask in _questions(options.days):
            spent = [
                _once(
                    store,
                    published,
                    now,
                    (what, back, alone, ask),
                    f"source-{random.randrange(options.series // 4):04d}",
                )
                for _ in range(5 if options.quick else 40)
            ]
            rows += quantile_rows(what, spent, 0.5, 0.95)
        return rows


def _build(store: OperationalStore, path: Path, options: argparse.Namespace, now: datetime) -> list[Row]:
    """Yesterday and today up to now as rows, built by the doors: all at once, then five minutes more."""
    yesterday = DAY.floor(now) - DAY.width
    with open_warehouse(path, now) as warehouse, transaction(warehouse):
        warehouse.execute(f"INSERT INTO origin VALUES ({literal(marks.store_id(store))})")
        _insert_points(warehouse, options.series, yesterday, now - timedelta(minutes=_HOT_MINUTES + 5))
    rows: list[Row] = []
    began = time.perf_counter()
    rollups.roll_up(path, now - timedelta(minutes=_HOT_MINUTES + 5), timedelta(hours=1))
    rows.append(("building a day and a half from rows, all levels", time.perf_counter() - began, "s"))
    with open_warehouse(path, now) as warehouse, transaction(warehouse):
        late = now - timedelta(minutes=_HOT_MINUTES)
        _insert_points(warehouse, options.series, late - timedelta(minutes=5), late)
    began = time.perf_counter()
    rollups.roll_up(path, now - timedelta(minutes=_HOT_MINUTES), timedelta(hours=1))
    rows.append(("five minutes more", time.perf_counter() - began, "s"))
    began = time.perf_counter()
    rollups.rebuild(path, yesterday, yesterday + DAY.width, now, _KEPT)
    rows.append(("building yesterday anew, all levels", time.perf_counter() - began, "s"))
    return rows


def _insert_points(warehouse: DuckDBPyConnection, series: int, start: datetime, end: datetime) -> None:
    minutes = (end - start) // timedelta(minutes=1)
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


def _draw(path: Path, options: argparse.Namespace, now: datetime) -> list[Row]:
    """The buckets of the days before yesterday."""
    first, last = DAY.floor(now) - options.days * DAY.width, DAY.floor(now) - DAY.width
    minutes_from = last - (options.minute_days - 1) * DAY.width
    began = time.perf_counter()
    with open_warehouse(path, now) as warehouse:
        day = first
        while day < last:
            with transaction(warehouse):
                _draw_level(warehouse, HOUR, day)
                _draw_level(warehouse, DAY, day)
                if day >= minutes_from:
                    _draw_minutes(warehouse, day)
            day += DAY.width
        for level in (HOUR, DAY):
            end = level.chunk_before(first)[1] + level.chunk
            while end <= last:
                lay(warehouse, level.values, level, end - DAY.width, end)
                end += level.chunk
        with transaction(warehouse):
            _draw_weeks(warehouse)
        warehouse.execute("CHECKPOINT")
        sizes = [(f"{level.name}s", _megabytes(warehouse, level.values)) for level in (MINUTE, HOUR, DAY, WEEK)]
    rows: list[Row] = [("drawing the other buckets", time.perf_counter() - began, "s")]
    return rows + [(f"{name} on disk", size, "MB") for name, size in sizes]


def _draw_level(warehouse: DuckDBPyConnection, level: Level, day: datetime) -> None:
    """Copies yesterday's built buckets to another day, with other numbers."""
    shift = f"({literal(day)} - (SELECT max(date_trunc('day', bucket)) FROM values_day))"
    figures = ", ".join(f"{name} * (0.9 + 0.2 * luck) AS {name}" for name in _FIGURES.split(", "))
    more = ", p25 * (0.9 + 0.2 * luck) AS p25, p75 * (0.9 + 0.2 * luck) AS p75, sketch" if level == DAY else ""
    warehouse.execute(
        f"""
        INSERT INTO {level.values} BY NAME
        SELECT series, bucket + {shift} AS bucket, count, sum * (0.9 + 0.2 * luck) AS sum, {figures}, outliers{more}
        FROM (
            SELECT *, random() AS luck FROM {level.values}
            WHERE date_trunc('day', bucket) = (SELECT max(date_trunc('day', bucket)) FROM values_day)
        ) ORDER BY series, bucket
        """
    )


def _draw_minutes(warehouse: DuckDBPyConnection, day: datetime) -> None:
    warehouse.execute(
        f"""
        INSERT INTO values_minute BY NAME
        SELECT id AS series, {literal(day)} + to_minutes(minute) AS bucket, 1 AS count,
               round(20 - 20 * ln(1 - random()), 3) AS sum, 0 AS outliers
        FROM series, range(1440) AS a(minute) ORDER BY id, minute
        """
    )


def _draw_weeks(warehouse: DuckDBPyConnection) -> None:
    from monitoring_pipeline.store.rollups.values import COLUMNS, merged

    listed = ", ".join(COLUMNS["week"])
    warehouse.execute("DELETE FROM values_week")
    weeks = merged("SELECT * FROM values_day", "series")
    warehouse.execute(f"INSERT INTO values_week BY NAME SELECT series, bucket, {listed}, sketch FROM ({weeks})")


def _megabytes(warehouse: DuckDBPyConnection, table: str) -> float:
    blocks = f"SELECT count(DISTINCT block_id) FROM pragma_storage_info('{table}') WHERE persistent"
    return float(warehouse.execute(blocks).fetchall()[0][0]) * 262_144 / 1e6


def _append_hot(store: OperationalStore, series: int, now: datetime) -> None:
    start = now - timedelta(minutes=_HOT_MINUTES)
    rows = [
        {
            "source": f"source-{number // 4:04d}", "check_id": "web", "metric": _METRICS[number % 4],
            "time": to_us(start + timedelta(minutes=minute, milliseconds=number)), "value": 40.0, "unit": "ms",
            "tags": "{}",
        }
        for minute in range(_HOT_MINUTES) for number in range(series)
    ]  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(tables.samples), rows)


def _questions(days: int) -> list[tuple[str, timedelta, bool, Ask]]:
    """What is asked, how far back, whether of one source alone, and the question."""
    day, whole = timedelta(days=1), timedelta(days=days)

    def of(back: timedelta, metric: str | None, **more: Any) -> Ask:
        return lambda c, source, now: rollups.series(c, source, metric, now - back, now, **more)

    return [
        ("one series, 24 h, by minute", day, True, of(day, "response_time_ms")),
        (f"one series, {days} d, by hour", whole, True, of(whole, "response_time_ms")),
        (f"all metrics of a source, {days} d, by hour", whole, True, of(whole, None)),
        (f"one series, {days} d, by day", whole, True, of(whole, "response_time_ms", level=DAY)),
        (
            f"percentiles of a source over {days} d", whole, True,
            lambda c, source, now: rollups.totals(c, source, None, now - whole, now),
        ),
        (
            f"count, mean and extremes of every series over {days} d", whole, False,
            lambda c, _, now: rollups.totals(c, None, None, now - whole, now, quantiles=False),
        ),
        (
            f"points of all series, {days} d, by day", whole, False,
            lambda c, _, now: rollups.volume(c, now - whole, now, level=DAY),
        ),
    ]  # fmt: skip


def _once(
    store: OperationalStore, published: Path, now: datetime, question: tuple[str, timedelta, bool, Ask], source: str
) -> float:
    """Milliseconds from opening the history to having the answer."""
    what, back, alone, ask = question
    began = time.perf_counter()
    with connect(
        store, published, now=now, since=now - back - DAY.width, source=source if alone else None, tables=("samples",)
    ) as connection:
        answer = ask(connection, source, now)
    if not answer:
        raise RuntimeError(f"{what}: nothing was found")
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
