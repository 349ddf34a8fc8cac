"""Collectors: what reporting costs them, how much the API takes in, how long it takes to learn how they do.

Reports go to a real process of the API, from clients in this process: the shipped one, which sends what many
collectors reported at a steady pace, and then plain connections that post as fast as they are answered. Rules look at
every source. History is made by SQL, its hours by the code that loads do it with.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from bench.figures import Row, file_system, quantile_rows
from bench.processes import cpu_s, finished, free_port, peak_mb, running, until_listening
from bench.table import arguments, show
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.collection import CollectionResult, CollectionTracker
from monitoring_pipeline.records import CollectionAttempt
from monitoring_pipeline.store import marks
from monitoring_pipeline.store.collection_hours import count_hours
from monitoring_pipeline.store.warehouse import literal, open_warehouse, transaction

__all__ = ["main"]

_COLLECTORS, _PER_MINUTE = 100, 10_000
_IMPORT = (
    "import time; wall, cpu = time.perf_counter(), time.process_time()\n"
    "import monitoring_pipeline.collection\n"
    "print((time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000)"
)


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--days", type=int, default=7, metavar="N", help="days of history, 14.4 million attempts each")
    options = parser.parse_args()
    if options.quick:
        options.days = 1
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = _measure(Path(folder), options)
    method = (
        f"{_COLLECTORS} collectors that report {_PER_MINUTE:,} attempts a minute together, a rule about each source; "
        f"{options.days} days of history; {file_system()}"
    )
    show("Collectors", method, rows, options.json)


def _measure(folder: Path, options: argparse.Namespace) -> list[Row]:
    path = _configuration(folder)
    rows = _reporting(folder, 2_000 if options.quick else 50_000)
    rows += _ingest(folder, path, 5 if options.quick else 60)
    rows += _asking(path, options.days, 3 if options.quick else 10)
    return rows


def _configuration(folder: Path) -> Path:
    path = folder / "monitoring.yaml"
    collectors = "".join(f"  loader-{n:03d}: {{source: source-{n:03d}, every: 1m}}\n" for n in range(_COLLECTORS))
    names = "".join(f"source-{n:03d}\n" for n in range(_COLLECTORS))
    (folder / "sources.csv").write_text(f"id\n{names}")
    path.write_text(f"""\
version: 1
name: Benchmark
sources:
  - for_each: {{csv: sources.csv}}
    id: "{{id}}"
    checks: [{{kind: tcp, host: 127.0.0.1, port: 9}}]
rules:
  - id: loader-fails
    when: {{kind: metric, metric: collection.success, aggregation: avg, window: 10m, operator: "<", threshold: 0.5}}
  - id: loader-slow
    when: {{kind: metric, metric: collection.duration_ms, aggregation: p95, window: 10m, threshold: 60000}}
collectors:
{collectors}""")
    return path


# -- what it costs a collector -------------------------------------------------------------------------


def _reporting(folder: Path, times: int) -> list[Row]:
    walls = [float(finished([sys.executable, "-c", _IMPORT])[2].split()[0]) for _ in range(5)]
    rows: list[Row] = [("importing the client, best of five", min(walls), "ms")]
    for what, spool in (("a report", None), ("a report with a spool", folder / "spool")):
        # Nobody listens: what is measured is what the collector itself waits for.
        tracker = CollectionTracker(f"http://127.0.0.1:{free_port()}", spool=spool, most=times, linger_s=3600)
        spent = [_report_us(tracker) for _ in range(times)]
        tracker.flush(0)
        rows += [(what, value, "us") for what, value, _ in quantile_rows(what, spent, 0.5, 0.99)]
    return rows


def _report_us(tracker: CollectionTracker) -> float:
    began = time.perf_counter()
    tracker.track("loader-000", CollectionResult(source="source-000", rows=1200, duration_ms=812.5, quality=99.0))
    return (time.perf_counter() - began) * 1e6


# -- what comes in -------------------------------------------------------------------------------------


def _ingest(folder: Path, path: Path, seconds: float) -> list[Row]:
    port, log = free_port(), folder / "api.log"
    with contextlib.closing(Monitoring.open(path)) as monitoring:
        monitoring.register()
    command = (sys.executable, "-m", "monitoring_pipeline.api", "--config", str(path), "--port", str(port))
    with running(command, log) as process:
        until_listening(process, port, log)
        _post(_connection(port), _batch(_COLLECTORS))  # what is imported and read at the first report
        rows = _paced(process, port, seconds)
        rows += _fastest(process, port, seconds / 2)
        rows.append(("API: peak memory", peak_mb(process.pid), "MB"))
    return rows


def _paced(process: psutil.Process, port: int, seconds: float) -> list[Row]:
    """Every collector's attempts through one client of ours, in time, and how long until each was on disk."""
    tracker = CollectionTracker(f"http://127.0.0.1:{port}")
    before, began, count = cpu_s(process), time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        for _ in range(count, int(elapsed * _PER_MINUTE / 60)):
            tracker.track(f"loader-{count % _COLLECTORS:03d}", CollectionResult(rows=1200, duration_ms=812.5))
            count += 1
        time.sleep(0.01)
    if not tracker.flush(30) or tracker.dropped:
        raise RuntimeError("not everything that was reported arrived")
    tracker.close(0)
    used = cpu_s(process) - before
    return [
        ("at 10,000 a minute: attempts", count, ""),
        ("at 10,000 a minute: CPU of the API per attempt", used / count * 1000, "ms"),
        ("at 10,000 a minute: share of a core", 100 * used / (time.perf_counter() - began), "%"),
    ]


def _fastest(process: psutil.Process, port: int, seconds: float) -> list[Row]:
    """Eight connections, a hundred attempts in each request, as fast as they are answered."""
    answered: list[float] = []
    before, began = cpu_s(process), time.perf_counter()
    posters = [threading.Thread(target=_keep_posting, args=(port, began + seconds, answered)) for _ in range(8)]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join()
    elapsed, count = time.perf_counter() - began, 100 * len(answered)
    if not count:
        raise RuntimeError("no report was answered")
    return [
        ("as fast as it can: attempts a minute", count / elapsed * 60, ""),
        ("as fast as it can: CPU of the API per attempt", (cpu_s(process) - before) / count * 1000, "ms"),
        *quantile_rows("as fast as it can: until 100 are on disk", answered, 0.5, 0.99),
    ]


def _keep_posting(port: int, until: float, answered: list[float]) -> None:
    connection = _connection(port)
    while time.perf_counter() < until:
        body = _batch(100)
        began = time.perf_counter()
        _post(connection, body)
        answered.append((time.perf_counter() - began) * 1000)
    connection.close()


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)


def _batch(count: int) -> bytes:
    return json.dumps(
        [
            {"collector": f"loader-{n:03d}", "success": n % 37 != 0, "rows": 1200, "duration_ms": 812.5}
            for n in range(count)
        ]
    ).encode()


def _post(connection: http.client.HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/collections", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    said = response.read()
    if response.status != 200:
        raise RuntimeError(f"the API answered {response.status}: {said[:200]!r}")


# -- how they do ---------------------------------------------------------------------------------------


def _asking(path: Path, days: int, times: int) -> list[Row]:
    with contextlib.closing(Monitoring.open(path)) as monitoring:
        now = system_clock()
        warehouse = monitoring.config.stores.warehouse
        assert warehouse is not None
        with open_warehouse(warehouse, now) as connection:
            rows = _fill(monitoring, connection, days, now)
        began = time.perf_counter()
        monitoring.load_history()
        monitoring.publish_history()
        rows.append(("loading and publishing what the API took in", time.perf_counter() - began, "s"))
        _hot(monitoring)
        for what, ask in (
            ("how all collectors do", monitoring.collection.health),
            ("one collector with its attempts", lambda: monitoring.collection.detail("loader-007")),
        ):
            rows += quantile_rows(what, list(_timed(ask, times)), 0.5, 0.95)
    return rows


def _timed(ask: Any, times: int) -> Iterator[float]:
    for _ in range(times):
        began = time.perf_counter()
        ask()
        yield (time.perf_counter() - began) * 1000


def _fill(monitoring: Monitoring, warehouse: Any, days: int, now: datetime) -> list[Row]:
    """Attempts of so many days up to some minutes ago, in the order of time, and their hours."""
    count = days * 1440 * _PER_MINUTE
    last = now - timedelta(minutes=20)
    ended = f"{literal(last)} - to_microseconds(({count} - i) * {60_000_000 // _PER_MINUTE})"
    with transaction(warehouse):
        # From now on the rows in it count as loaded out of this store; what is in the store has greater ids.
        warehouse.execute("DELETE FROM origin")
        warehouse.execute(f"INSERT INTO origin VALUES ({literal(marks.store_id(monitoring.store))})")
        warehouse.execute(f"""
            INSERT INTO collections
            SELECT i - {count} - 1, md5(i::VARCHAR), format('source-{{:03d}}', i % 100),
                   format('loader-{{:03d}}', i % 100), CASE WHEN i % 41 = 0 THEN 'parsing' ELSE '' END,
                   {ended}, {ended}, i % 37 <> 0, (i * 7919) % 1000, NULL, 100 - 300 * ln(1 - random()),
                   95 + i % 5, CASE WHEN i % 37 = 0 THEN 'timed out' ELSE '' END,
                   '{{}}'
            FROM range({count}) AS t(i)
        """)
    began = time.perf_counter()
    with transaction(warehouse):
        count_hours(warehouse, -count - 2, 0)
    whole = time.perf_counter() - began
    began = time.perf_counter()
    with transaction(warehouse):
        count_hours(warehouse, -50_000, 0)
    size = warehouse.execute("SELECT sum(total_blocks * block_size) FROM pragma_database_size()").fetchall()[0][0]
    return [
        ("attempts in history", count, ""),
        ("counting all of their hours", whole, "s"),
        ("counting the newest hour anew, as each load does", time.perf_counter() - began, "s"),
        ("warehouse per million attempts", float(size) / 1e6 / (count / 1e6), "MB"),
    ]


def _hot(monitoring: Monitoring) -> None:
    """Five minutes that no load has taken yet."""
    now = system_clock()
    for start in range(0, 5 * _PER_MINUTE, 5_000):
        attempts = [
            CollectionAttempt(
                f"hot-{n}", f"loader-{n % 100:03d}", f"source-{n % 100:03d}", n % 37 != 0, at, at, rows=1200,
                duration_ms=300, quality=98,
            )
            for n in range(start, start + 5_000)
            for at in [now - timedelta(minutes=5) + timedelta(milliseconds=6 * n)]
        ]  # fmt: skip
        monitoring.collection.record(attempts)


if __name__ == "__main__":
    main()
