"""Questions of history: 30 days of 200 sources, one result a minute, and the newest minutes still hot.

The rows are made by one SQL statement inside the warehouse, in the order of time as loads leave them, and
published. Each question is asked through a connection of its own, as the command line and the API ask it:
opening it, attaching the published copy and fetching the hot rows are in the time. The file is in the
system's cache.
"""

from __future__ import annotations

import argparse
import contextlib
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
from monitoring_pipeline.store import marks, queries, tables
from monitoring_pipeline.store.history import connect
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.warehouse import literal, open_warehouse, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["main"]

_HOT_MINUTES = 10
_ASKED = "source-0007"
Question = tuple[str, timedelta, bool, Callable[["DuckDBPyConnection", datetime, datetime], Any]]


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=200, metavar="N", help="sources with one check a minute each")
    parser.add_argument("--days", type=int, default=30, metavar="N", help="days of history")
    options = parser.parse_args()
    if options.quick:
        options.days = min(options.days, 7)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = _measure(Path(folder), options)
    count = options.sources * options.days * 1440
    method = (
        f"{options.days} days of {options.sources} sources, a result a minute: {count:,} results and {count // 1440:,} "
        f"gaps, {_HOT_MINUTES} minutes of them hot; {5 if options.quick else 40} times each; {file_system()}"
    )
    show("Questions of history", method, rows, options.json)


def _measure(folder: Path, options: argparse.Namespace) -> list[Row]:
    now = system_clock().replace(second=0, microsecond=0)
    warehouse, published = folder / "warehouse.duckdb", folder / "published.duckdb"
    with contextlib.closing(OperationalStore.open(f"sqlite:///{folder / 'operational.db'}", now)) as store:
        rows = _fill(store, warehouse, options.sources, options.days, now)
        done = publish(store, warehouse, published, now)
        rows += [("published copy", done.bytes / 1e6, "MB"), ("publishing", done.seconds, "s")]
        ids = [f"source-{n:04d}" for n in range(options.sources)]
        asked = _questions(options.days, ids)
        rows.append(("the first question of a process", _once(store, published, now, asked[0]), "ms"))
        for question in asked:
            rows += _ask(store, published, now, question, 5 if options.quick else 40)
    return rows


def _fill(store: OperationalStore, path: Path, sources: int, days: int, now: datetime) -> list[Row]:
    began, last = time.perf_counter(), now - timedelta(minutes=_HOT_MINUTES)
    with open_warehouse(path, now) as warehouse, transaction(warehouse):
        # From now on the rows in it count as loaded out of this store.
        warehouse.execute(f"INSERT INTO origin VALUES ({literal(marks.store_id(store))})")
        warehouse.execute(_results(sources, days * 1440, last))
        warehouse.execute(_gaps(sources, days, last))
    taken = time.perf_counter() - began
    hot = [
        _hot(f"source-{n:04d}", last + timedelta(minutes=minute))
        for minute in range(1, _HOT_MINUTES + 1)
        for n in range(sources)
    ]
    with store.write() as connection:
        connection.execute(insert(tables.results), hot)
    size = path.stat().st_size / (sources * days * 1440)
    return [("rows made in", taken, "s"), ("results: warehouse per million", size, "MB")]


def _results(sources: int, minutes: int, last: datetime) -> str:
    """One INSERT of all results: 1 in 100 critical, 1 in 50 a warning, answers of about 40 ms."""
    return f"""
        INSERT INTO results (id, source, check_id, kind, slot, started, finished, status, response_time_ms,
                             attempts, message, details, skipped, manual)
        SELECT minute * {sources} + source, format('source-{{:04d}}', source), 'web', 'http', due,
               due + INTERVAL 3 MILLISECOND, due + to_microseconds(3000 + (took * 1000)::BIGINT),
               CASE WHEN luck < 0.01 THEN 'critical' WHEN luck < 0.03 THEN 'warning' ELSE 'healthy' END,
               CASE WHEN luck >= 0.01 THEN took END, 1,
               CASE WHEN luck < 0.01 THEN 'status (503) == 200' ELSE '' END, '{{"status":200,"bytes":27}}', NULL, false
        FROM (
            SELECT minute, source, {literal(last)} - to_minutes({minutes} - 1 - minute)
                       + to_microseconds(source * 60000000 // {sources}) - INTERVAL 1 MINUTE AS due,
                   random() AS luck, 20 - 20 * ln(1 - random()) AS took
            FROM range({minutes}) AS a(minute), range({sources}) AS b(source)
        ) ORDER BY due
    """


def _gaps(sources: int, days: int, last: datetime) -> str:
    """A gap of three slots per source and day."""
    return f"""
        INSERT INTO gaps (id, source, check_id, start, "end", slots, reason)
        SELECT day * {sources} + source, format('source-{{:04d}}', source), 'web', due, due + INTERVAL 2 MINUTE, 3,
               'not_running'
        FROM (
            SELECT day, source, {literal(last)} - to_days({days} - day) + to_minutes(source) AS due
            FROM range({days}) AS a(day), range({sources}) AS b(source)
        ) ORDER BY due
    """


def _hot(source: str, at: datetime) -> dict[str, Any]:
    moment = to_us(at)
    return {
        "source": source, "check_id": "web", "kind": "http", "slot": moment, "started": moment + 3_000,
        "finished": moment + 43_000, "status": "healthy", "response_time_ms": 40.0, "attempts": 1, "message": "",
        "details": '{"status":200,"bytes":27}', "skipped": None, "manual": False,
    }  # fmt: skip


def _questions(days: int, ids: list[str]) -> list[Question]:
    """What is asked, how far back, whether of one source alone, and the question."""
    day, all_days, one = timedelta(days=1), timedelta(days=days), _ASKED
    return [
        ("results of one source, 24 h", day, True, lambda c, a, b: queries.source_history(c, one, a, b)),
        (f"results of one source, {days} d", all_days, True, lambda c, a, b: queries.source_history(c, one, a, b)),
        (f"gaps of one source, {days} d", all_days, True, lambda c, a, b: queries.source_gaps(c, one, a, b)),
        ("uptime of one source, 24 h", day, True, lambda c, a, b: queries.uptime(c, one, a, b)),
        (f"uptime of one source, {days} d", all_days, True, lambda c, a, b: queries.uptime(c, one, a, b)),
        ("uptime of all sources, 24 h", day, False, lambda c, a, b: queries.uptime(c, None, a, b)),
        (f"uptime of all sources, {days} d", all_days, False, lambda c, a, b: queries.uptime(c, None, a, b)),
        ("response times of one source, 24 h", day, True, lambda c, a, b: queries.response_series(c, one, a, b)),
        (
            f"response times of one source, {days} d", all_days, True,
            lambda c, a, b: queries.response_series(c, one, a, b),
        ),
        (f"cells of one source, {days} d", all_days, True, lambda c, a, b: queries.daily_status(c, [one], days, b)),
        (f"cells of all sources, {days} d", all_days, False, lambda c, a, b: queries.daily_status(c, ids, days, b)),
    ]  # fmt: skip


def _ask(store: OperationalStore, published: Path, now: datetime, question: Question, times: int) -> list[Row]:
    spent = [_once(store, published, now, question) for _ in range(times)]
    return quantile_rows(question[0], spent, 0.5, 0.95)[:-1]


def _once(store: OperationalStore, published: Path, now: datetime, question: Question) -> float:
    """Milliseconds from opening the history to having the answer."""
    what, back, alone, ask = question
    began, source = time.perf_counter(), _ASKED if alone else None
    with connect(store, published, now=now, since=now - back, source=source, tables=("results", "gaps")) as connection:
        answer = ask(connection, now - back, now)
    if not answer:
        raise RuntimeError(f"{what}: nothing was found")
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
