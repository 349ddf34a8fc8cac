"""How fast rows come in: results and samples into the operational store, from there into the warehouse.

SQLite runs as it is configured (WAL, synchronous=FULL: a commit waits for the disk), PostgreSQL as its
wheel starts it (fsync on). Results are recorded as the health-check run does it: one transaction records a
batch with its samples, its checks' and sources' states and changes, and claims the next slots. Rows are
made before the clock starts. CPU is this process's: what a PostgreSQL server uses is not
in it.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

from bench.figures import Row, file_system, quantile
from bench.filling import METRICS, Recorder
from bench.installation import configured, postgres
from bench.table import arguments, show
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.records import Sample
from monitoring_pipeline.store.results import insert_samples

__all__ = ["main"]

_SOURCES = 10_000
P = ParamSpec("P")
T = TypeVar("T")
_NOBODY = 9  # a port; nothing is probed


def main() -> None:
    """Runs the benchmark."""
    options = arguments(__doc__).parse_args()
    results, samples = (20_000, 100_000) if options.quick else (200_000, 1_000_000)
    rows = _rows("SQLite", "", results, samples)
    with postgres() as url:
        if url is not None:
            rows += _rows("PostgreSQL", f"stores: {{operational: '{url}'}}", results, samples)
    method = (
        f"{results:,} results of {_SOURCES:,} checks with {len(METRICS)} samples each, in batches as one second of "
        f"10,000 checks/min makes; {samples:,} samples alone in batches of 10,000; one process, "
        f"one writer, {file_system()}"
    )
    show("Ingest", method, rows, options.json)


def _rows(name: str, stores: str, results: int, samples: int) -> list[Row]:
    """Samples first, for their size on disk is measured with nothing else in the stores."""
    rows: list[Row] = []
    with (
        configured(_NOBODY, _SOURCES, 60, stores) as path,
        contextlib.closing(Monitoring.open(path)) as monitoring,
    ):
        empty = _store_bytes(monitoring)
        rows += _insert_samples(monitoring, samples)
        rows.append(("samples: store per million", (_store_bytes(monitoring) - empty) / samples, "MB"))
        rows += _move(monitoring, "samples", samples)
        rows += _record_results(monitoring, results)
        rows += _move(monitoring, "results", results * (1 + len(METRICS)))
    return [(f"{name} {what}", value, unit) for what, value, unit in rows]


def _insert_samples(monitoring: Monitoring, count: int) -> list[Row]:
    numbers = random.Random(1)
    at = monitoring.clock()
    walls, cpu = [], 0.0
    for first in range(0, count, 10_000):
        batch = [
            Sample(f"api-{n % _SOURCES:05d}", METRICS[n // _SOURCES % 4], at + timedelta(milliseconds=n),
                   numbers.gammavariate(2, 20), "ms", "http")
            for n in range(first, first + 10_000)
        ]  # fmt: skip
        _, wall, used = _timed(_insert, monitoring, batch)
        walls.append(wall)
        cpu += used
    return _rates("samples alone", count, walls, cpu)


def _insert(monitoring: Monitoring, batch: list[Sample]) -> None:
    with monitoring.store.write() as connection:
        insert_samples(connection, batch)


def _record_results(monitoring: Monitoring, count: int) -> list[Row]:
    now = datetime.now(UTC)
    monitoring.register()
    recorder, second = Recorder(monitoring), timedelta(seconds=1)
    recorder.begin(now, now + second)
    taken, walls, cpu = 0, [], 0.0
    while taken < count:
        now += second
        done, wall, used = _timed(recorder.step, recorder.found(), now, now + second)
        taken += done
        walls.append(wall)
        cpu += used
    return [
        *_rates("results", taken, walls, cpu),
        ("results: samples with them", taken * len(METRICS) / sum(walls), "1/s"),
        ("results: rows with them", taken * (1 + len(METRICS)) / sum(walls) * 60, "1/min"),
    ]


def _rates(what: str, count: int, walls_s: list[float], cpu_s: float) -> list[Row]:
    total = sum(walls_s)
    return [
        (f"{what}: per second", count / total, "1/s"),
        (f"{what}: per minute", count / total * 60, "1/min"),
        (f"{what}: CPU of this process each", cpu_s * 1e6 / count, "us"),
        (f"{what}: transaction p50", quantile(walls_s, 0.5) * 1000, "ms"),
        (f"{what}: transaction p99", quantile(walls_s, 0.99) * 1000, "ms"),
    ]


def _move(monitoring: Monitoring, what: str, count: int) -> list[Row]:
    """Into the warehouse, and published."""
    before = _warehouse_bytes(monitoring)
    found, wall, cpu = _timed(monitoring.load_history)
    loaded = sum(found.values())
    if loaded < count:
        raise RuntimeError(f"{loaded} rows were loaded, not {count}")
    _, published, _ = _timed(monitoring.publish_history)
    rows: list[Row] = [
        (f"{what} into the warehouse", loaded / wall, "rows/s"),
        (f"{what} into the warehouse: CPU", cpu * 1e6 / loaded, "us/row"),
        (f"{what}: publish", published, "s"),
    ]
    if what == "samples":
        rows.append(("samples: warehouse per million", (_warehouse_bytes(monitoring) - before) / loaded, "MB"))
    return rows


def _store_bytes(monitoring: Monitoring) -> int:
    """What the operational store takes on disk: the file without its log, or the table with its indexes."""
    store = monitoring.store
    if store.sqlite_path is None:
        with store.read() as connection:
            size = connection.exec_driver_sql("SELECT pg_total_relation_size('samples')").scalar_one()
        return int(size)
    # A log that is not yet in the file would be left out, or counted twice.
    with contextlib.closing(sqlite3.connect(store.sqlite_path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return store.sqlite_path.stat().st_size


def _warehouse_bytes(monitoring: Monitoring) -> int:
    path = monitoring.config.stores.warehouse
    return path.stat().st_size if path is not None and path.exists() else 0


def _timed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float, float]:
    """What it answered, with wall and CPU seconds of this process."""
    cpu, began = time.process_time(), time.perf_counter()
    answer = work(*args, **kwargs)
    return answer, time.perf_counter() - began, time.process_time() - cpu


if __name__ == "__main__":
    main()
