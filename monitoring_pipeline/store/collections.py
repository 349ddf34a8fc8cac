"""Attempts that collectors reported: kept once each, and counted set-wise over stretches of time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import CollectionAttempt, CollectionCheck
from monitoring_pipeline.store.tables import collections
from monitoring_pipeline.store.warehouse import aware, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["HABIT_DAYS", "SPANS", "Activity", "Stretch", "activities", "insert_attempts", "known_before", "latest"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

SPANS = (timedelta(minutes=5), timedelta(hours=1), timedelta(hours=24), timedelta(days=7))
"""The sliding windows."""

HABIT_DAYS = 14
"""Over how many days a collector's habits are looked at."""

_EXACT = timedelta(hours=1)
_KEYS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was reported in a stretch of time; `rows`, `bytes` are sums, times and quality (0-100) None if unsaid.

    `counted` is how many successful attempts said how many rows they brought.
    """

    attempts: int
    failures: int
    rows: float = 0.0
    bytes: float = 0.0
    counted: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    quality: float | None = None

    @property
    def failure_rate(self) -> float | None:
        """Percent; None when nothing was reported."""
        return 100.0 * self.failures / self.attempts if self.attempts else None


@dataclass(frozen=True, slots=True)
class Activity:
    """What is known of one collector at a moment.

    `windows` has a Stretch per span of SPANS; `checks` the last day by what an attempt told of ("" the whole);
    `habits` the same hour of each of the days before, the newest first, as far as there were attempts.
    `failures_in_row` counts attempts since the last success, within the longest span.
    """

    collector: str
    source: str
    last: datetime
    last_success: datetime | None
    last_error: str
    failures_in_row: int
    windows: Mapping[timedelta, Stretch]
    checks: Mapping[str, Stretch] = field(default_factory=dict)
    habits: tuple[Stretch, ...] = ()


def insert_attempts(connection: Connection, attempts: Iterable[CollectionAttempt]) -> list[CollectionAttempt]:
    """Appends the attempts that are not there yet and answers which those were."""
    by_key: dict[str, CollectionAttempt] = {}
    for attempt in attempts:
        by_key.setdefault(attempt.key, attempt)
    # Writers are serialised: nobody inserts one of these between the look and the insert.
    for start in range(0, len(keys := list(by_key)), _KEYS_AT_ONCE):
        known = select(collections.c.key).where(collections.c.key.in_(keys[start : start + _KEYS_AT_ONCE]))
        for key in connection.execute(known).scalars():
            del by_key[key]
    if by_key:
        connection.execute(insert(collections), [_row(attempt) for attempt in by_key.values()])
    return list(by_key.values())


def _row(attempt: CollectionAttempt) -> dict[str, Any]:
    return {
        "key": attempt.key, "source": attempt.source, "collector": attempt.collector, "kind": attempt.check or "",
        "at": to_us(attempt.at), "received": to_us(attempt.received), "success": attempt.success,
        "rows": attempt.rows, "bytes": attempt.bytes, "duration_ms": attempt.duration_ms, "quality": attempt.quality,
        "error": attempt.error, "tags": json.dumps(dict(attempt.tags), ensure_ascii=False, separators=(",", ":")),
    }  # fmt: skip


def known_before(connection: DuckDBPyConnection, keys: Sequence[str], since: datetime) -> set[str]:
    """Which of the keys history has of attempts that ended since then. Needs the view `collections`."""
    wanted = ", ".join(map(literal, keys))
    rows = connection.execute(f'SELECT key FROM collections WHERE "at" >= {literal(since)} AND key IN ({wanted})')
    return {str(key) for (key,) in rows.fetchall()}


def latest(
    connection: DuckDBPyConnection,
    collector: str,
    since: datetime,
    limit: int = 50,
    *,
    failed: bool = False,
    check: CollectionCheck | None = None,
) -> list[CollectionAttempt]:
    """The newest attempts of a collector that ended since then, newest first. Needs the view `collections`."""
    conditions = [f"collector = {literal(collector)}", f'"at" >= {literal(since)}']
    conditions += ["NOT success"] if failed else []
    conditions += [f"kind = {literal(check.value)}"] if check is not None else []
    found = connection.execute(
        f"""
        SELECT key, collector, source, success, "at", received, kind, rows, bytes, duration_ms, quality, error, tags
        FROM collections WHERE {" AND ".join(conditions)} ORDER BY "at" DESC, id DESC LIMIT {int(limit)}
        """
    ).fetchall()
    return [
        CollectionAttempt(
            key, name, source, success, aware(at), aware(received), CollectionCheck(kind) if kind else None, rows,
            size, ms, quality, error, json.loads(tags),
        )
        for key, name, source, success, at, received, kind, rows, size, ms, quality, error, tags in found
    ]  # fmt: skip


def activities(connection: DuckDBPyConnection, now: datetime, collector: str | None = None) -> dict[str, Activity]:
    """What every collector that reported within the longest span did, by its name; or one of them.

    Needs the view `collections`, of HABIT_DAYS and an hour.
    """
    only = "true" if collector is None else f"collector = {literal(collector)}"
    checks, habits = _by_check(connection, now, only), _habits(connection, now, only)
    found = {}
    for name, source, last, last_success, last_error, failures, *numbers in _windows(connection, now, only):
        size = len(numbers) // len(SPANS)
        stretches = {span: _stretch(numbers[place * size : (place + 1) * size]) for place, span in enumerate(SPANS)}
        found[name] = Activity(
            name, source, aware(last), None if last_success is None else aware(last_success), last_error or "",
            int(failures), stretches, checks.get(name, {}), tuple(habits.get(name, ())),
        )  # fmt: skip
    return found


def _stretch(numbers: Sequence[Any]) -> Stretch:
    attempts, failures, rows, size, counted, *rest = numbers
    return Stretch(int(attempts), int(failures), float(rows or 0), float(size or 0), int(counted), *rest)


def _measures(inside: str, *, exact: bool = True) -> str:
    """The columns of a Stretch over the rows that are `inside`."""
    quantile = "quantile_cont" if exact else "approx_quantile"
    return ", ".join(
        f"{measure} FILTER ({condition})"
        for measure, condition in (
            ("count(*)", inside),
            ("count(*)", f"{inside} AND NOT success"),
            ("sum(rows)", inside),
            ("sum(bytes)", inside),
            ("count(rows)", f"{inside} AND success"),
            (f"{quantile}(duration_ms, 0.5)", inside),
            (f"{quantile}(duration_ms, 0.95)", inside),
            ("avg(quality)", inside),
        )
    )


def _windows(connection: DuckDBPyConnection, now: datetime, only: str) -> list[tuple[Any, ...]]:
    spans = ", ".join(_measures(f'"at" > {literal(now - span)}', exact=span <= _EXACT) for span in SPANS)
    return connection.execute(
        f"""
        WITH recent AS (
            SELECT * FROM collections WHERE {only} AND "at" > {literal(now - SPANS[-1])} AND "at" <= {literal(now)}
        ), successes AS (
            SELECT collector, max("at") AS last_success FROM recent WHERE success GROUP BY collector
        )
        SELECT collector, arg_max(source, "at"), max("at"), any_value(last_success),
               arg_max(error, "at") FILTER (NOT success),
               count(*) FILTER (NOT success AND (last_success IS NULL OR "at" > last_success)), {spans}
        FROM recent LEFT JOIN successes USING (collector) GROUP BY collector ORDER BY collector
        """
    ).fetchall()


def _by_check(connection: DuckDBPyConnection, now: datetime, only: str) -> dict[str, dict[str, Stretch]]:
    day = f'"at" > {literal(now - timedelta(hours=24))} AND "at" <= {literal(now)}'
    rows = connection.execute(
        f"SELECT collector, kind, {_measures('true')} FROM collections WHERE {only} AND {day} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    found: dict[str, dict[str, Stretch]] = {}
    for collector, kind, *numbers in rows:
        found.setdefault(collector, {})[kind] = _stretch(numbers)
    return found


def _habits(connection: DuckDBPyConnection, now: datetime, only: str) -> dict[str, list[Stretch]]:
    """The hour that ends now, of each day before, where there was anything."""
    hour = timedelta(hours=1)
    starts = ", ".join(literal(now - timedelta(days=day) - hour) for day in range(1, HABIT_DAYS + 1))
    rows = connection.execute(
        f"""
        WITH hours AS (SELECT unnest([{starts}]) AS start)
        SELECT collector, {_measures("true")}
        FROM collections JOIN hours ON "at" > start AND "at" <= start + INTERVAL 1 HOUR
        WHERE {only} AND "at" <= {literal(now - timedelta(days=1))}
        GROUP BY collector, start ORDER BY collector, start DESC
        """
    ).fetchall()
    found: dict[str, list[Stretch]] = {}
    for collector, *numbers in rows:
        found.setdefault(collector, []).append(_stretch(numbers))
    return found
