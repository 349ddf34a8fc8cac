"""How long the outlook of everything takes: four weeks of 1,000 sources with five metrics each.

The hours are made by SQL as one row each and rolled up by the same door as in a running system; failures fall by
chance. Then each night's and each hour's work is done through the doors that Dagster calls, reading history included.
The parts are measured once more on what was read, without reading and writing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from bench.figures import Row, file_system
from bench.table import arguments, show
from monitoring_pipeline.analysis import outlook
from monitoring_pipeline.analysis.forecast import forecast
from monitoring_pipeline.analysis.patterns.find import find_patterns
from monitoring_pipeline.analysis.prediction.fleet import strangeness
from monitoring_pipeline.analysis.trends import find_trends
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.store import marks, rollups
from monitoring_pipeline.store.warehouse import literal, open_warehouse, transaction

__all__ = ["main"]

T = TypeVar("T")
_DAYS = 28
_METRICS = ("response_time_ms", "dns_ms", "rows", "disk_percent", "cpu_percent")


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=1000, metavar="N", help="sources with five metrics each")
    options = parser.parse_args()
    if options.quick:
        options.sources = min(options.sources, 100)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = _measure(Path(folder), options)
    method = (
        f"{options.sources:,} sources, {options.sources * len(_METRICS):,} series, {_DAYS} days by the hour; "
        f"once each; {file_system()}"
    )
    show("The outlook of everything", method, rows, options.json)


def _measure(folder: Path, options: argparse.Namespace) -> list[Row]:
    now = system_clock().replace(minute=30, second=0, microsecond=0)
    path = folder / "monitoring.yaml"
    path.write_text(_config(options.sources))
    monitoring = Monitoring.open(path, clock=lambda: now)
    try:
        monitoring.register()
        rows = _fill(monitoring, options.sources)
        daily = _timed(rows, "daily: trends, forecasts, patterns, performance", monitoring.outlook.refresh_daily)
        monitoring.publish_history()
        hourly = _timed(rows, "hourly: capacity and risks", monitoring.outlook.refresh_hourly)
        rows += [(f"rows of {name}", count, "") for name, count in (daily[0] | hourly[0]).items()]
        _timed(rows, "one source: reading and trends", lambda: find_trends(monitoring.outlook.grid("source-0007")))
        return rows + _parts(monitoring)
    finally:
        monitoring.close()


def _config(sources: int) -> str:
    entries = "".join(
        f"  - {{id: source-{n:04d}, component: c{n % 20}, checks: [{{id: c, kind: resources, path: /}}]}}\n"
        for n in range(sources)
    )
    return f"name: bench\nstores: {{directory: .busta}}\nsources:\n{entries}"


def _fill(monitoring: Monitoring, sources: int) -> list[Row]:
    path, now = monitoring.config.stores.warehouse, monitoring.clock()
    if path is None:
        raise RuntimeError("there is no warehouse")
    begin = now - timedelta(days=_DAYS, minutes=30)
    listed = ", ".join(literal(metric) for metric in _METRICS)
    with open_warehouse(path, now) as warehouse, transaction(warehouse):
        warehouse.execute(f"INSERT INTO origin VALUES ({literal(marks.store_id(monitoring.store))})")
        warehouse.execute(
            f"""
            INSERT INTO samples
            SELECT hour * {sources * 5} + source * 5 + number, format('source-{{:04d}}', source), 'c',
                   [{listed}][number + 1], {literal(begin)} + to_hours(hour::INTEGER) + to_seconds(source),
                   50 + 10 * sin(hour / 3.8197) + hour * (source % 7) / 400 + 3 * random(), '', '{{}}'
            FROM range({_DAYS * 24}) AS a(hour), range({sources}) AS b(source), range(5) AS c(number) ORDER BY hour
            """
        )
        warehouse.execute(
            f"""
            INSERT INTO status_changes
            SELECT 2 * number + part, format('source-{{:04d}}', (hash(number) % {sources})::INTEGER),
                   {literal(begin)} + to_seconds((hash(number, 1) % {_DAYS * 86400})::INTEGER + part * 600),
                   ['healthy', 'critical'][part + 1], ['critical', 'healthy'][part + 1], NULL, ''
            FROM range({10 * sources}) AS a(number), range(2) AS b(part) ORDER BY ALL
            """
        )
    rows: list[Row] = []
    _timed(rows, "rolling up", lambda: rollups.roll_up(path, now))
    _timed(rows, "publishing", monitoring.publish_history)
    return rows


def _parts(monitoring: Monitoring) -> list[Row]:
    rows: list[Row] = []
    # What the doors read, without what they do with it.
    with monitoring.history(
        since=monitoring.clock() - timedelta(days=_DAYS + 1), tables=("samples", "status_changes")
    ) as connection:
        grid = _timed(
            rows, "part: reading hours of all series",
            lambda: outlook.read_everything(connection, monitoring.outlook.scope, monitoring.clock()),
        )  # fmt: skip
        failures = outlook.read_failures(connection, monitoring.outlook.scope, grid.start, grid.end)
    _timed(rows, "part: trends", lambda: find_trends(grid))
    _timed(rows, "part: forecasts of a week", lambda: forecast(grid, 168))
    _timed(rows, "part: patterns", lambda: find_patterns(failures, grid))
    _timed(rows, "part: capacity", lambda: outlook.reaches_of(grid, monitoring.outlook.limits))
    _timed(rows, "part: strangeness", lambda: strangeness(grid))
    return rows


def _timed(rows: list[Row], what: str, do: Callable[[], T]) -> T:
    """Does it, and notes how long it took and what it cost."""
    began, spent = time.perf_counter(), time.process_time()
    found = do()
    rows.append((what, time.perf_counter() - began, "s"))
    rows.append((f"{what}: CPU", time.process_time() - spent, "s"))
    return found


if __name__ == "__main__":
    main()
