"""What collectors did in the sliding windows that end now, and what they usually do: counted set-wise.

Short windows are counted from the attempts themselves. Long ones are added up from the hours of the published
warehouse, the attempts at their edge, and those that are hot: at 10,000 attempts a minute seven days are a
hundred million attempts, and 17,000 hours of a hundred collectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.store.collection_hours import BUCKET, GROWTH, MEASURES
from monitoring_pipeline.store.collectors import CollectorState
from monitoring_pipeline.store.warehouse import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["DAY", "HABIT_DAYS", "HOUR", "LOOKED_BACK", "SPANS", "Activity", "Stretch", "activities"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
SPANS = (timedelta(minutes=5), HOUR, DAY, timedelta(days=7))
"""The sliding windows."""

HABIT_DAYS = 14
"""Over how many days a collector's habits are looked at."""

LOOKED_BACK = SPANS[-1] + HOUR
"""How far back the view `collections` is read."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was reported in a stretch of time; `rows`, `bytes` are sums, times and quality (0-100) None if unsaid.

    `counted` is how many successful attempts said how many rows they brought. Numbers of attempts are whole, but in
    habits, where parts of two hours make one.
    """

    attempts: float
    failures: float
    rows: float = 0.0
    bytes: float = 0.0
    counted: float = 0
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
    `habits` what the last hour is of each day before, the newest first, as far as there were attempts.
    """

    state: CollectorState
    windows: Mapping[timedelta, Stretch]
    checks: Mapping[str, Stretch] = field(default_factory=dict)
    habits: tuple[Stretch, ...] = ()


_NOTHING = Stretch(0, 0)


def activities(
    connection: DuckDBPyConnection, states: Mapping[str, CollectorState], now: datetime
) -> dict[str, Activity]:
    """What these collectors did, by name. Needs the view `collections`, since `now - LOOKED_BACK`."""
    only = "true" if len(states) != 1 else f"collector = {literal(next(iter(states)))}"
    has_hours = _has_hours(connection)
    windows: dict[str, dict[timedelta, Stretch]] = {}
    checks: dict[str, dict[str, Stretch]] = {}
    for span in SPANS:
        find = _long if span > HOUR and has_hours else _short
        for collector, kind, *numbers in find(connection, now, span, only):
            if kind is None:
                windows.setdefault(collector, {})[span] = _stretch(numbers)
            elif span == DAY:
                checks.setdefault(collector, {})[kind] = _stretch(numbers)
    habits = _habits(connection, now, only) if has_hours else {}
    return {
        name: Activity(
            state, {span: windows.get(name, {}).get(span, _NOTHING) for span in SPANS}, checks.get(name, {}),
            tuple(habits.get(name, ())),
        )
        for name, state in states.items()
    }  # fmt: skip


def _has_hours(connection: DuckDBPyConnection) -> bool:
    return bool(
        connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'warehouse' AND table_name = 'collection_hours'"
        ).fetchall()[0][0]
    )


def _stretch(numbers: Sequence[Any]) -> Stretch:
    attempts, failures, rows, size, counted, p50_ms, p95_ms, quality = numbers
    return Stretch(attempts, failures, float(rows or 0), float(size or 0), counted, p50_ms, p95_ms, quality)


def _short(connection: DuckDBPyConnection, now: datetime, span: timedelta, only: str) -> list[tuple[Any, ...]]:
    """Counted from the attempts: collector, kind (None for all) and the numbers of a Stretch."""
    return connection.execute(
        f"""
        SELECT collector, kind, attempts, failures, rows, bytes, counted, p50_ms, p95_ms, quality_sum / qualities
        FROM (
            SELECT collector, kind, {MEASURES} FROM (SELECT * REPLACE (coalesce(kind, '') AS kind) FROM collections)
            WHERE {only} AND "at" > {literal(now - span)} AND "at" <= {literal(now)}
            GROUP BY GROUPING SETS ((collector), (collector, kind))
        ) ORDER BY ALL
        """
    ).fetchall()


def _long(connection: DuckDBPyConnection, now: datetime, span: timedelta, only: str) -> list[tuple[Any, ...]]:
    """The same, added up from hours where there are whole ones."""
    start = now - span
    whole = start.replace(minute=0, second=0, microsecond=0)
    first = whole if whole == start else whole + HOUR
    columns = 'collector, kind, "at", success, rows, bytes, duration_ms, quality'
    return connection.execute(
        f"""
        WITH attempts AS (
            SELECT {columns} FROM warehouse.collections
            WHERE {only} AND "at" > {literal(start)} AND "at" < {literal(first)}
            UNION ALL
            SELECT {columns} FROM hot.collections
            WHERE {only} AND "at" > {literal(start)} AND "at" <= {literal(now)}
        ), pieces AS (
            SELECT * EXCLUDE (hour) FROM warehouse.collection_hours WHERE {only} AND hour >= {literal(first)}
            UNION ALL BY NAME
            SELECT collector, kind, {MEASURES} FROM attempts GROUP BY collector, kind
        ), buckets AS (
            SELECT collector, kind, bucket, attempts FROM warehouse.collection_durations
            WHERE {only} AND hour >= {literal(first)}
            UNION ALL
            SELECT collector, kind, {BUCKET}, count(*) FROM attempts WHERE duration_ms IS NOT NULL GROUP BY ALL
        ), totals AS (
            SELECT collector, kind, sum(attempts)::BIGINT AS attempts, sum(failures)::BIGINT AS failures,
                   sum(rows) AS rows, sum(bytes) AS bytes, sum(counted)::BIGINT AS counted,
                   sum(quality_sum) / sum(qualities) AS quality
            FROM pieces GROUP BY GROUPING SETS ((collector), (collector, kind))
        ), counts AS (
            SELECT collector, kind, bucket, sum(attempts) AS number
            FROM buckets GROUP BY GROUPING SETS ((collector, bucket), (collector, kind, bucket))
        ), ranks AS (
            SELECT collector, kind, bucket, sum(number) OVER (PARTITION BY collector, kind ORDER BY bucket) AS upto,
                   sum(number) OVER (PARTITION BY collector, kind) AS number
            FROM counts
        ), quantiles AS (
            SELECT collector, kind, min(bucket) FILTER (upto >= 0.5 * number) AS p50,
                   min(bucket) FILTER (upto >= 0.95 * number) AS p95
            FROM ranks GROUP BY collector, kind
        )
        SELECT totals.collector, totals.kind, attempts, failures, rows, bytes, counted, {_middle("p50")},
               {_middle("p95")}, quality
        FROM totals LEFT JOIN quantiles
          ON totals.collector = quantiles.collector AND totals.kind IS NOT DISTINCT FROM quantiles.kind
        ORDER BY ALL
        """
    ).fetchall()


def _middle(bucket: str) -> str:
    # From here no duration in the bucket is further away than 2.5 %.
    return f"2 * pow({GROWTH}, {bucket}) / ({GROWTH} + 1)"


def _habits(connection: DuckDBPyConnection, now: datetime, only: str) -> dict[str, list[Stretch]]:
    """What the last hour is, of each day before where there was anything: by parts of the two hours it lies in."""
    begun = (now - HOUR).replace(minute=0, second=0, microsecond=0)
    second = (now - HOUR - begun) / HOUR
    parts = ", ".join(
        f"({day}, {literal(begun - timedelta(days=day) + HOUR * place)}, {weight!r}::DOUBLE)"
        for day in range(1, HABIT_DAYS + 1)
        for place, weight in enumerate((1 - second, second))
        if weight > 0
    )
    rows = connection.execute(
        f"""
        SELECT collector, sum(weight * attempts), sum(weight * failures), sum(weight * rows), sum(weight * bytes),
               sum(weight * counted), {_mean("p50_ms")}, {_mean("p95_ms")},
               sum(weight * quality_sum) / nullif(sum(weight * qualities), 0)
        FROM warehouse.collection_hours JOIN (VALUES {parts}) AS parts(day, hour, weight) USING (hour)
        WHERE {only} GROUP BY collector, day ORDER BY collector, day
        """
    ).fetchall()
    found: dict[str, list[Stretch]] = {}
    for collector, *numbers in rows:
        found.setdefault(collector, []).append(_stretch(numbers))
    return found


def _mean(column: str) -> str:
    return f"sum(weight * attempts * {column}) / sum(weight * attempts) FILTER ({column} IS NOT NULL)"
