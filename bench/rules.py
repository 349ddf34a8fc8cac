"""Judging 10,000 rules: what they ask of two hours of hot data, answered together, and what they make of it.

Every source has one metric and one check, a value a minute. There is a rule per source, of all kinds:
aggregates of five minutes mostly, quantiles, rates, longer windows, M of N, patterns, combinations and
expressions. Rules are judged at the end of the data, so every window is full. The small evaluation is
what the health-check process does twice a second: take what was just recorded, judge what it touches.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import insert, text

from bench.figures import Row, file_system, quantile_rows
from bench.table import arguments, show
from monitoring_pipeline.alerting.rules import reference
from monitoring_pipeline.alerting.rules.condition import Aggregation, Condition, Query, Series, Subject
from monitoring_pipeline.alerting.rules.observe import Windows
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.clock import system_clock, to_us
from monitoring_pipeline.records import Source, Status
from monitoring_pipeline.store import tables
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["main"]

_TOUCHED = 85
_BACKTEST_DAYS = 30
_AGGREGATES = ("avg", "max", "min", "count", "sum", "p50", "p95", "p99", "rate")
Instance = tuple[Condition, Subject, tuple[Query, ...]]


class _AllHealthy:
    """How things stand in this benchmark."""

    def status(self, source: str, check: str = "") -> Status:
        return Status.HEALTHY

    def since(self, source: str, check: str = "") -> datetime | None:
        return None

    def reason(self, source: str, check: str = "") -> str:
        return ""

    def score(self, source: str) -> float | None:
        return 100.0


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--rules", type=int, default=10_000, metavar="N", help="rules, each about a source of its own")
    parser.add_argument("--minutes", type=int, default=120, metavar="N", help="minutes of hot data")
    options = parser.parse_args()
    if options.quick:
        options.rules, options.minutes = min(options.rules, 2000), min(options.minutes, 60)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = _measure(Path(folder), options)
    method = (
        f"{options.rules:,} rules over {options.rules * options.minutes:,} samples and as many results, "
        f"{options.minutes} minutes at one a minute each; {_times(options)} evaluations of all, "
        f"{10 * _times(options)} small ones; {file_system()}"
    )
    show("Judging rules", method, rows, options.json)


def _times(options: argparse.Namespace) -> int:
    return 5 if options.quick else 30


def _measure(folder: Path, options: argparse.Namespace) -> list[Row]:
    now = system_clock().replace(second=0, microsecond=0)
    with contextlib.closing(OperationalStore.open(f"sqlite:///{folder / 'operational.db'}", now)) as store:
        _fill(store, options.rules, options.minutes, now)
        instances = _instances(options.rules)
        before, began, cpu = psutil.Process().memory_info().rss, time.perf_counter(), time.process_time()
        windows = Windows.open(store, folder / "none.duckdb", [q for *_, own in instances for q in own], now)
        rows: list[Row] = [
            ("opening: reading hot rows", time.perf_counter() - began, "s"),
            ("opening: CPU", time.process_time() - cpu, "s"),
            ("opening: memory", (psutil.Process().memory_info().rss - before) / 1e6, "MB"),
        ]
        gc.freeze()
        rows += _all(windows, instances, now, _times(options))
        rows += _small(store, windows, instances, now, 10 * _times(options))
        windows.close()
    return rows + _plain(instances, options, now) + _backtest(now)


def _fill(store: OperationalStore, sources: int, minutes: int, now: datetime) -> None:
    """One INSERT per table: spread over each minute, answers of about 40 ms, one in 500 results critical."""
    begin = to_us(now - timedelta(minutes=minutes))
    rows = f"""
        WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {sources - 1}),
                       m(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM m WHERE n < {minutes - 1})
        SELECT printf('source-%05d', s.n) AS source, {begin} + m.n * 60000000 + s.n * 60000000 / {sources} AS moment,
               abs(random() % 100000) / 1000.0 AS luck FROM m, s
    """
    with store.write() as connection:
        connection.execute(
            text(
                "INSERT INTO samples (source, check_id, metric, time, value, unit, tags) SELECT source, 'web', "
                f"'response_time_ms', moment, 20 + luck, 'ms', '{{}}' FROM ({rows})"
            )
        )
        connection.execute(
            text(
                "INSERT INTO results (source, check_id, kind, slot, started, finished, status, response_time_ms, "
                "attempts, message, details, skipped, manual) SELECT source, 'web', 'http', moment, moment, "
                "moment + 40000, CASE WHEN luck < 0.2 THEN 'critical' ELSE 'healthy' END, 20 + luck, 1, '', '{}', "
                f"NULL, 0 FROM ({rows})"
            )
        )


def _instances(count: int) -> list[Instance]:
    found = []
    for number in range(count):
        subject = Subject(Source(f"source-{number:05d}", component="shop", owner="data"))
        rule = Rule.model_validate({"id": f"rule-{number}", "when": _when(number)})
        found.append((rule.when, subject, tuple(rule.when.queries(subject))))
    return found


def _when(number: int) -> dict[str, Any]:
    """Of each hundred: 72 aggregates of 5 minutes, 8 of an hour, 8 last values, 4 M of N, 8 others."""
    metric: dict[str, Any] = {"kind": "metric", "metric": "response_time_ms", "threshold": 118}
    place = number % 100
    levels = {"warning": 118, "critical": 119.5}
    if place < 72:
        return {**metric, "aggregation": _AGGREGATES[place % 9], "threshold": levels, "clear": {"warning": 110}}
    if place < 80:
        return {**metric, "aggregation": _AGGREGATES[place - 71], "window": "1h"}
    if place < 88:
        return {**metric, "clear": 100}
    if place < 92:
        return {**metric, "matches": {"at_least": 3, "of_last": 5}}
    average = {**metric, "aggregation": "avg"}
    others: list[dict[str, Any]] = [
        {"kind": "all", "of": [{"kind": "status"}, average]},
        {"kind": "any", "of": [average, {**metric, "aggregation": "p95", "threshold": levels}]},
        {"kind": "pattern", "failures_in_a_row": 3},
        {"kind": "pattern", "changes": 5, "window": "30m"},
        {"kind": "pattern", "success_below": 95},
        {"kind": "absence", "duration": "5m"},
        {"kind": "status"},
        {
            "kind": "expression", "expression": "top > 119.0 && mean > 80.0 && status != 'healthy'",
            "values": {"top": {"metric": "response_time_ms", "aggregation": "max"},
                       "mean": {"metric": "response_time_ms", "aggregation": "avg"}},
        },
    ]  # fmt: skip
    return others[place - 92]


def _all(windows: Windows, instances: Sequence[Instance], now: datetime, times: int) -> list[Row]:
    answered, observed, both, cpu = [], [], [], []
    for _ in range(times):
        began, spent = time.perf_counter(), time.process_time()
        asked = [(query, now) for *_, own in instances for query in own]
        answers = windows.answer(asked)
        middle = time.perf_counter()
        firing = _observe(instances, answers, now)
        end = time.perf_counter()
        answered.append((middle - began) * 1000)
        observed.append((end - middle) * 1000)
        both.append((end - began) * 1000)
        cpu.append((time.process_time() - spent) * 1000)
    return [
        ("all rules: queries asked", len(asked), ""),
        ("all rules: hold in the end", firing, ""),
        *quantile_rows("all rules: queries", answered, 0.5)[:-1],
        *quantile_rows("all rules: conditions", observed, 0.5)[:-1],
        *quantile_rows("all rules: both", both, 0.5, 0.95),
        *quantile_rows("all rules: CPU of both", cpu, 0.5)[:-1],
    ]


def _observe(instances: Sequence[Instance], answers: Sequence[Any], now: datetime) -> int:
    """How many rules hold."""
    facts, begin, firing = _AllHealthy(), 0, 0
    for condition, subject, own in instances:
        end = begin + len(own)
        seen = condition.observe(subject, answers[begin:end], facts, now, None)
        firing += True in seen.truths.values()
        begin = end
    return firing


def _small(
    store: OperationalStore, windows: Windows, instances: Sequence[Instance], now: datetime, times: int
) -> list[Row]:
    """Half a second's results recorded and judged, in one transaction; the recording itself is not measured."""
    wall, cpu = [], []
    for number in range(times):
        moment = now + timedelta(milliseconds=500 * number)
        begin = number * _TOUCHED % max(1, len(instances) - _TOUCHED)
        touched = instances[begin : begin + _TOUCHED]
        with store.write() as connection:
            names = [subject.source.id for _, subject, _ in touched]
            connection.execute(insert(tables.samples), [_sample(name, moment) for name in names])
            connection.execute(insert(tables.results), [_result(name, moment) for name in names])
            began, spent = time.perf_counter(), time.process_time()
            if windows.advance(connection) == 0:
                raise RuntimeError("nothing was taken")
            _observe(touched, windows.answer([(query, moment) for *_, own in touched for query in own]), moment)
            wall.append((time.perf_counter() - began) * 1000)
            cpu.append((time.process_time() - spent) * 1000)
    what = f"{_TOUCHED} rules and {2 * _TOUCHED} new rows"
    return [*quantile_rows(what, wall, 0.5, 0.95)[:-1], *quantile_rows(f"{what}: CPU", cpu, 0.5, 0.95)[:-1]]


def _sample(source: str, at: datetime) -> dict[str, Any]:
    return {
        "source": source, "check_id": "web", "metric": "response_time_ms", "time": to_us(at), "value": 40.0,
        "unit": "ms", "tags": "{}",
    }  # fmt: skip


def _result(source: str, at: datetime) -> dict[str, Any]:
    moment = to_us(at)
    return {
        "source": source, "check_id": "web", "kind": "http", "slot": moment + 1, "started": moment, "finished": moment,
        "status": "healthy", "response_time_ms": 40.0, "attempts": 1, "message": "", "details": "{}", "skipped": None,
        "manual": False,
    }  # fmt: skip


def _plain(instances: Sequence[Instance], options: argparse.Namespace, now: datetime) -> list[Row]:
    """The reference over the points of one source each, for a hundred rules, counted up to all."""
    facts, chosen = _AllHealthy(), instances[:100]
    points = {
        subject.source.id: [
            reference.Point(series, subject.source.id, "web", metric, now - timedelta(minutes=age), value, -age)
            for age in range(options.minutes)
            for series, metric, value in ((Series.SAMPLES, "response_time_ms", 40.0), (Series.RESULTS, "", 0.0))
        ]
        for _, subject, _ in chosen
    }
    taken = _timed(
        lambda: [reference.observe(when, about, points[about.source.id], facts, now) for when, about, _ in chosen]
    )
    return [("the same in plain Python, one rule after the other", taken * len(instances) / len(chosen), "ms")]


def _backtest(now: datetime) -> list[Row]:
    """One rule at each minute of a month."""
    minutes = _BACKTEST_DAYS * 1440
    points = [
        reference.Point(Series.SAMPLES, "s", "web", "m", now - timedelta(minutes=age), float(age % 97), minutes - age)
        for age in range(minutes)
    ]
    query = Query(Series.SAMPLES, "s", "", "m", Aggregation.P95, timedelta(hours=1))
    windows = Windows.over(points, [query])
    asked = [(query, point.time) for point in points]
    taken = _timed(lambda: windows.answer(asked))
    windows.close()
    return [(f"one rule (p95 of 1h) at {len(asked):,} moments", taken, "ms")]


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
