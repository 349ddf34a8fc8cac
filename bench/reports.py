"""Reports: 1,000 sources with two months behind them, a result and a response time each quarter of an hour.

Rows are made by SQL and rolled up as in a running system, then published. Reports are made by the door the command line
uses, each with a history of its own, and written as a page with its pictures. The first one of a process, with the
imports, has a line of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from bench.figures import Row, file_system, quantile_rows
from bench.table import arguments, show
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.reports.periodic import Report
from monitoring_pipeline.reports.periodic.html import to_html
from monitoring_pipeline.store import marks, rollups
from monitoring_pipeline.store.warehouse import literal, open_warehouse, transaction

__all__ = ["main"]

_DAYS = 62


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=1000, metavar="N", help="sources with one check each")
    options = parser.parse_args()
    if options.quick:
        options.sources = min(options.sources, 50)
    times = 3 if options.quick else 10
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = _measure(Path(folder), options, times)
    method = f"{options.sources:,} sources in 20 components, {_DAYS} days; {times} of each kind; {file_system()}"
    show("Reports", method, rows, options.json)


def _measure(folder: Path, options: argparse.Namespace, times: int) -> list[Row]:
    checks = "checks: [{id: web, kind: file, path: monitoring.yaml}]"
    ids = [f"  - {{id: source-{n:04d}, component: part-{n % 20}, {checks}}}" for n in range(options.sources)]
    sources = "\n".join(ids)
    (folder / "monitoring.yaml").write_text(f"name: bench\nsources:\n{sources}\n")
    now = system_clock()
    with contextlib.closing(Monitoring.open(folder / "monitoring.yaml", lambda: now)) as monitoring:
        _fill(monitoring, options.sources)
        monitoring.publish_history()
        reporting = monitoring.reporting
        month, week = (reporting.period(kind) for kind in ("month", "week"))
        asked: list[tuple[str, Callable[[], Report]]] = [
            ("a month of everything", lambda: reporting.make(month)),
            ("a week of everything", lambda: reporting.make(week)),
            ("a month of a component", lambda: reporting.make(month, component="part-7")),
            ("a month of a source", lambda: reporting.make(month, source="source-0007")),
        ]
        rows: list[Row] = [("the first one of a process: a month of everything", _once(asked[0][1])[0], "ms")]
        for what, make in asked:
            spent = [_once(make) for _ in range(times)]
            rows += quantile_rows(what, [milliseconds for milliseconds, _ in spent], 0.5, 0.95)
            rows.append((f"{what}: the page", spent[-1][1] / 1000, "kB"))
        return rows


def _fill(monitoring: Monitoring, sources: int) -> None:
    path, now = monitoring.config.stores.warehouse, monitoring.clock()
    assert path is not None
    steps = _DAYS * 96
    with open_warehouse(path, now) as warehouse, transaction(warehouse):
        warehouse.execute(f"INSERT INTO origin VALUES ({literal(marks.store_id(monitoring.store))})")
        warehouse.execute(f"""
            CREATE TEMP TABLE found AS
            SELECT step * {sources} + source + 1 AS id, format('source-{{:04d}}', source) AS source,
                   {literal(now)} - to_minutes(15 * ({steps} - step)) + to_microseconds(source * 1000) AS due,
                   random() AS luck, 20 - 20 * ln(1 - random()) AS took
            FROM range({steps}) AS a(step), range({sources}) AS b(source)
        """)
        warehouse.execute("""
            INSERT INTO results (id, source, check_id, kind, slot, started, finished, status, response_time_ms,
                                 attempts, message, details, skipped, manual)
            SELECT id, source, 'web', 'file', due, due, due,
                   CASE WHEN luck < 0.005 THEN 'critical' WHEN luck < 0.01 THEN 'unknown' ELSE 'healthy' END,
                   took, 1, '', '{}', NULL, false
            FROM found ORDER BY due
        """)
        warehouse.execute("""
            INSERT INTO samples
            SELECT id, source, 'web', 'response_time_ms', due, took, 'ms', '{}' FROM found ORDER BY due
        """)
        warehouse.execute("DROP TABLE found")
    rollups.roll_up(path, now, timedelta(hours=1))


def _once(make: Callable[[], Report]) -> tuple[float, int]:
    """Milliseconds until the page is written, and how long it is."""
    began = time.perf_counter()
    page = to_html(make())
    return (time.perf_counter() - began) * 1000, len(page.encode())


if __name__ == "__main__":
    main()
