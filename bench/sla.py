"""Promises: a month of 5,000 sources that fail ten times each, and how long it takes to account for that.

The status changes and a gap per source are made by SQL inside the warehouse and published; the promises are one
about each source, 99.9 % per month. What is asked opens a history of its own, as the command line, the API and the
health-check run do. CPU is that of this process.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.figures import Row, file_system
from bench.table import arguments, show
from monitoring_pipeline.analysis.objective import ObjectiveSpec
from monitoring_pipeline.analysis.sla.burning import burn_samples
from monitoring_pipeline.analysis.sla.days import recompute, refresh
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.analysis.sla.standing import standings
from monitoring_pipeline.records import Source
from monitoring_pipeline.store import marks
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.warehouse import literal, open_warehouse, transaction

__all__ = ["main"]

_START = datetime(2026, 5, 1, tzinfo=UTC)
_DAYS = 30
_FAILURES = 10


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=5000, metavar="N", help="sources, with a promise about each")
    options = parser.parse_args()
    if options.quick:
        options.sources = min(options.sources, 200)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = _measure(Path(folder), options)
    method = (
        f"{options.sources:,} promises, {_DAYS} days with {_FAILURES} failures of six minutes and a gap of half an "
        f"hour each; the least of {_times(options)} times; {file_system()}"
    )
    show("Promises", method, rows, options.json)


def _times(options: argparse.Namespace) -> int:
    return 1 if options.quick else 3


def _measure(folder: Path, options: argparse.Namespace) -> list[Row]:
    now = _START + timedelta(days=_DAYS - 1, hours=12)
    sources = [Source(f"source-{number:04d}") for number in range(options.sources)]
    objectives = {"uptime": ObjectiveSpec(source=("*",), target=99.9)}
    warehouse, published = folder / "warehouse.duckdb", folder / "published.duckdb"
    with contextlib.closing(OperationalStore.open(f"sqlite:///{folder / 'operational.db'}", now)) as store:
        room = Room(store, warehouse, published, sources, objectives, lambda source, start, end: ())
        _fill(store, warehouse, options.sources, now)
        publish(store, warehouse, published, now)
        rows = [_cpu("how promises stand, no day kept", 1, lambda: standings(room, now))]
        began = time.process_time()
        kept = refresh(room, now).rows
        rows.append((f"computing {kept:,} days", time.process_time() - began, "s"))
        publish(store, warehouse, published, now)
        times, day = _times(options), (_START + timedelta(days=7)).date()
        return [
            *rows,
            _cpu("computing one day of all anew", times, lambda: recompute(room, day, day, now)),
            _cpu("looking for days out of date", times, lambda: refresh(room, now)),
            _cpu("how promises stand, day by day", times, lambda: standings(room, now)),
            _cpu("how promises stand, days summed", times, lambda: standings(room, now, daily=False)),
            _cpu("burn rates, each minute", times, lambda: burn_samples(room, now)),
        ]


def _cpu(what: str, times: int, do: Callable[[], Any]) -> Row:
    spent = []
    for _ in range(times):
        began = time.process_time()
        do()
        spent.append(time.process_time() - began)
    return what, min(spent), "s CPU"


def _fill(store: OperationalStore, path: Path, sources: int, now: datetime) -> None:
    minutes = _DAYS * 1440 // _FAILURES
    with open_warehouse(path, now) as warehouse, transaction(warehouse):
        warehouse.execute(f"INSERT INTO origin VALUES ({literal(marks.store_id(store))})")
        warehouse.execute(
            f"""
            INSERT INTO status_changes (id, source, "at", before, after, score, reason)
            SELECT row_number() OVER (ORDER BY due), source, due, before, after, NULL, ''
            FROM (
                SELECT format('source-{{:04d}}', source) AS source, {literal(_START)} AS due, 'unknown' AS before,
                       'healthy' AS after FROM range({sources}) AS a(source)
                UNION ALL
                SELECT format('source-{{:04d}}', source),
                       {literal(_START)} + to_minutes(1 + failure * {minutes} + (source * 7919) % ({minutes} - 60))
                           + to_minutes(6 * turn),
                       CASE turn WHEN 0 THEN 'healthy' ELSE 'critical' END,
                       CASE turn WHEN 0 THEN 'critical' ELSE 'healthy' END
                FROM range({sources}) AS a(source), range({_FAILURES}) AS b(failure), range(2) AS c(turn)
            ) WHERE due < {literal(now)}
            """
        )
        warehouse.execute(
            f"""
            INSERT INTO gaps (id, source, check_id, start, "end", slots, reason)
            SELECT 1 + source, format('source-{{:04d}}', source), 'web', {literal(_START + timedelta(days=9))},
                   {literal(_START + timedelta(days=9, minutes=30))}, 31, 'not_running'
            FROM range({sources}) AS a(source)
            """
        )


if __name__ == "__main__":
    main()
