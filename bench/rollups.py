"""Rollups: 90 days of 5,000 series at one point a minute, how large they are and how long questions take.

`bench.buckets` says what is in them and how they come to be: the newest day as in a running system, the days before
drawn from the same distribution, as making 648 million rows only to build them would measure the same for hours. Then
everything is published, and each question is asked through a connection of its own, as the command line and the API
ask it: opening it, attaching the published copy and fetching the hot rows are in the time. Which series is asked about
changes each time. The file is in the system's cache, except where it says that nothing is.
"""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.buckets import Fleet, append_hot, build, source_name
from bench.figures import Row, file_system, quantile_rows
from bench.table import arguments, show
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.store import rollups
from monitoring_pipeline.store.history import connect
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.rollups import DAY

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["main"]

_TABLES = ("samples", "results", "gaps")
_METRIC = "response_time_ms"


class Question(NamedTuple):
    """What is asked, how far back, whether of one source alone, and whether nothing of the file is in memory then."""

    what: str
    back: timedelta
    alone: bool
    ask: Callable[[DuckDBPyConnection, str, datetime], Any]
    cold: bool = False


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--series", type=int, default=5000, metavar="N", help="series with a point a minute each")
    parser.add_argument("--days", type=int, default=90, metavar="N", help="days of history")
    parser.add_argument("--minute-days", type=int, metavar="N", help="days of minute buckets; all days if not given")
    options = parser.parse_args()
    if options.quick:
        options.series, options.days = min(options.series, 500), min(options.days, 14)
    minute_days = options.days if options.minute_days is None else min(options.minute_days, options.days)
    fleet, times = Fleet(options.series, options.days, minute_days), 5 if options.quick else 100
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = _measure(Path(folder), fleet, times)
    method = (
        f"{fleet.series:,} series, a point a minute: {fleet.days} days of hours, days and weeks, "
        f"{fleet.minute_days} days of minutes ({fleet.series * fleet.minute_days * 1440:,} buckets); "
        f"{times} questions of each kind about a source, a fifth of that about all; {file_system()}"
    )
    show("Rollups", method, rows, options.json)


def _measure(folder: Path, fleet: Fleet, times: int) -> list[Row]:
    now = DAY.floor(system_clock()) + timedelta(hours=11, minutes=7)
    warehouse, published = folder / "warehouse.duckdb", folder / "published.duckdb"
    with contextlib.closing(OperationalStore.open(f"sqlite:///{folder / 'operational.db'}", now)) as store:
        rows = build(store, warehouse, fleet, now)
        append_hot(store, fleet.series, now)
        done = publish(store, warehouse, published, now)
        rows += [("published copy", done.bytes / 1e6, "MB"), ("publishing", done.seconds, "s")]
        warehouse.unlink()
        for question in _questions(fleet.days):
            asked = times if question.alone else max(5, times // 5)
            sources = [source_name(random.randrange(fleet.series // 4)) for _ in range(asked)]
            spent = [_once(store, published, now, question, source) for source in sources]
            rows += quantile_rows(question.what, spent, 0.5, 0.95)
        return rows


def _questions(days: int) -> list[Question]:
    day, whole = timedelta(days=1), timedelta(days=days)

    def of(back: timedelta, metric: str | None, **more: Any) -> Callable[[DuckDBPyConnection, str, datetime], Any]:
        return lambda c, source, now: rollups.series(c, source, metric, now - back, now, **more)

    def page(back: timedelta) -> Callable[[DuckDBPyConnection, str, datetime], Any]:
        return lambda c, source, now: (
            rollups.series(c, source, None, now - back, now) and rollups.executions(c, source, now - back, now)
        )

    by_hour = of(whole, _METRIC)
    return [
        Question("one series, 24 h, by minute", day, True, of(day, _METRIC)),
        Question("one series, 7 d, by hour", 7 * day, True, of(7 * day, _METRIC)),
        Question(f"one series, {days} d, by hour", whole, True, by_hour),
        Question(f"one series, {days} d, by hour, nothing cached", whole, True, by_hour, cold=True),
        Question(f"one series, {days} d, by day", whole, True, of(whole, _METRIC, level=DAY)),
        Question("all series and executions of a source, 24 h, by minute", day, True, page(day)),
        Question(f"all series and executions of a source, {days} d, by hour", whole, True, page(whole)),
        Question(
            f"availability of a source over {days} d", whole, True,
            lambda c, source, now: rollups.uptime(c, source, now - whole, now),
        ),
        Question(
            f"percentiles of a source over {days} d", whole, True,
            lambda c, source, now: rollups.totals(c, source, None, now - whole, now),
        ),
        Question(
            f"count, mean and extremes of every series over {days} d", whole, False,
            lambda c, _, now: rollups.totals(c, None, None, now - whole, now, quantiles=False),
        ),
        Question(
            f"points of all series, {days} d, by day", whole, False,
            lambda c, _, now: rollups.volume(c, now - whole, now, level=DAY),
        ),
    ]  # fmt: skip


def _once(store: OperationalStore, published: Path, now: datetime, question: Question, source: str) -> float:
    """Milliseconds from opening the history to having the answer."""
    if question.cold:
        _forget(published)
    since, only = now - question.back - DAY.width, source if question.alone else None
    began = time.perf_counter()
    with connect(
        store, published, now=now, since=since, source=only, tables=_TABLES, columns=rollups.READS
    ) as connection:
        answer = question.ask(connection, source, now)
    if not answer:
        raise RuntimeError(f"{question.what}: nothing was found")
    return (time.perf_counter() - began) * 1000


def _forget(path: Path) -> None:
    """Lets the system drop what it has of a file in memory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


if __name__ == "__main__":
    main()
