"""Questions about long stretches of time, answered from buckets, and from rows where there are none yet.

Each takes a connection of `history.connect` and returns plain dicts with aware UTC datetimes. What is not built yet
comes from the views `samples`, or `results` and `gaps`, which must reach back to `since`; with nothing built, all does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.store import queries
from monitoring_pipeline.store.rollups import executions as counted
from monitoring_pipeline.store.rollups import values
from monitoring_pipeline.store.rollups.levels import DAY, HOUR, WEEK, Level, cover, level_for
from monitoring_pipeline.store.rollups.stored import Chosen
from monitoring_pipeline.store.warehouse import aware, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["READS", "executions", "found", "response_series", "series", "series_query", "totals", "uptime", "volume"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

READS = {"samples": ("source", "check_id", "metric", "time", "value")}
"""The columns of history that these questions read, where that is not all of a table's: for `history.connect`."""

_TICK = timedelta(microseconds=1)
_COUNTS = ("healthy", "warning", "critical", "unknown", "gap_slots")


def series(
    connection: DuckDBPyConnection,
    source: str | Sequence[str] | None,
    metric: str | None,
    since: datetime,
    until: datetime,
    *,
    check: str | None = None,
    level: Level | None = None,
) -> list[dict[str, Any]]:
    """What was measured in the buckets that touch [since, until), by series and time; empty ones are left out.

    Of one `source` (or several), `metric` and `check`, or of all where None. Without a `level` it is that of
    `level_for`. Keys: source, check, metric, start, count, avg, min, max, earliest, latest (values), p50, p95, p99,
    and outliers (None where there is no day before to tell them by). Needs the view `samples`.
    """
    query = series_query(connection, source, metric, since, until, check=check, level=level)
    return _rows(connection, f"{query} ORDER BY ALL")


def series_query(
    connection: DuckDBPyConnection,
    source: str | Sequence[str] | None,
    metric: str | None,
    since: datetime,
    until: datetime,
    *,
    check: str | None = None,
    level: Level | None = None,
) -> str:
    """The same as SQL for this connection, not ordered, for who goes on in SQL or takes columns instead of rows."""
    level = level or level_for(until - since)
    buckets = Chosen(connection, source, metric, check).values(level, level.floor(since), until)
    figures = ", ".join(f"{values.whole(name)} AS {name}" for name in values.SUMMED if name not in ("count", "sum"))
    return f"""
        SELECT source, check_id AS "check", metric, bucket AS start, count, sum / count AS avg, {figures}
        FROM {buckets}
    """


def response_series(
    connection: DuckDBPyConnection,
    source: str,
    since: datetime,
    until: datetime,
    buckets: int = 100,
    check: str | None = None,
) -> list[dict[str, Any]]:
    """The answer of `queries.response_series`, made of hours, or of days beyond 91 of them.

    A stored bucket counts where it begins, and the p95 of several of them is the greatest. Needs the view `samples`.
    """
    width = (until - since) / buckets
    query = series_query(connection, source, "response_time_ms", since, until, check=check)
    number = f"least(epoch_us(greatest(start, {literal(since)}) - {literal(since)}) // {width // _TICK}, {buckets - 1})"
    rows = _rows(
        connection,
        f"""
        SELECT {number} AS number, sum(count)::BIGINT AS count, sum(count * avg) / sum(count) AS avg_ms,
               max(p95) AS p95_ms, max(max) AS max_ms
        FROM ({query}) GROUP BY number
        """,
    )
    found = {row.pop("number"): row for row in rows}
    empty = {"count": 0, "avg_ms": None, "p95_ms": None, "max_ms": None}
    return [{"start": since + number * width, **found.get(number, empty)} for number in range(buckets)]


def totals(
    connection: DuckDBPyConnection,
    source: str | Sequence[str] | None,
    metric: str | None,
    since: datetime,
    until: datetime,
    *,
    check: str | None = None,
    quantiles: bool = True,
) -> list[dict[str, Any]]:
    """What was measured in [since, until), a row per series, in their order.

    Keys: source, check, metric, count, avg, min, max, earliest, latest, outliers, and with `quantiles` p50, p95, p99,
    which are right to one percent. Merging quantiles of all series takes seconds: leave them out where none is shown.
    Those of parts of a UTC day come from the points, as long as they are kept. Needs the view `samples`.
    """
    if since >= until:
        return []
    chosen = Chosen(connection, source, metric, check)
    days = chosen.sketched(since, until) if quantiles else chosen.sums(since, until)
    merged = values.merged(f"FROM {days}", values.SERIES, "NULL::TIMESTAMP", quantiles=quantiles)
    more = ", p50, p95, p99" if quantiles else ""
    return _rows(
        connection,
        f"""
        SELECT source, check_id AS "check", metric, count, sum / count AS avg, min, max, earliest, latest,
               outliers{more}
        FROM ({merged}) ORDER BY ALL
        """,
    )


def volume(
    connection: DuckDBPyConnection, since: datetime, until: datetime, *, level: Level
) -> list[tuple[datetime, int]]:
    """How many numbers were measured in each bucket that touches [since, until), where there are any.

    What was computed from them does not count."""
    pieces = Chosen(connection).volume(level.floor(since), until, level)
    rows = connection.execute(
        f"SELECT date_trunc('{level.name}', bucket) AS start, sum(count) FROM {pieces} GROUP BY start ORDER BY start"
    )
    return [(aware(start), int(count)) for start, count in rows.fetchall()]


def executions(
    connection: DuckDBPyConnection,
    source: str | Sequence[str] | None,
    since: datetime,
    until: datetime,
    *,
    check: str | None = None,
    level: Level | None = None,
) -> list[dict[str, Any]]:
    """What checks found in the buckets that touch [since, until), by check and time; empty ones are left out.

    Keys: source, check, start, healthy, warning, critical, unknown, skipped (without a probe, part of the others),
    missed (slots that nobody executed), unknown_s (seconds of which nothing is known). Needs the views `results` and
    `gaps`.
    """
    level = level or level_for(until - since)
    buckets = Chosen(connection, source, check=check).executions(level, level.floor(since), until)
    figures = ", ".join((*counted.COUNTED, "unknown_s"))
    return _rows(
        connection,
        f'SELECT source, check_id AS "check", bucket AS start, {figures} FROM {buckets} ORDER BY ALL',
    )


def found(
    connection: DuckDBPyConnection, source: str | Sequence[str] | None, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """What checks found in [since, until), which are whole minutes, a row per source, by its id.

    Keys: source, checks (how many there were), those of `executions`, and availability, as `queries.uptime` has it.
    `unknown_s` is the mean of the checks. Needs the views `results` and `gaps`.
    """
    if since >= until:
        return []
    pieces = Chosen(connection, source).exact_executions(since, until)
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in counted.COUNTED)
    rows = _rows(
        connection,
        f"""
        SELECT source, count(DISTINCT check_id) AS checks, {sums},
               sum(unknown_s) / count(DISTINCT check_id) AS unknown_s
        FROM {pieces} GROUP BY source ORDER BY source
        """,
    )
    return [row | {"availability": _availability(row)} for row in rows]


def uptime(
    connection: DuckDBPyConnection, source: str | None, since: datetime, until: datetime, check: str | None = None
) -> list[dict[str, Any]]:
    """The answer of `queries.uptime`, counted from weeks, days and hours as far as they reach."""
    chosen = Chosen(connection, source, check=check)
    built = chosen.built("results", (WEEK, DAY, HOUR))
    sums: dict[str, dict[str, Any]] = {}
    for level, start, end in cover(since, until, built):
        for row in _uptime(chosen, source, level, start, end):
            into = sums.setdefault(row["source"], dict.fromkeys(_COUNTS, 0))
            for name in _COUNTS:
                into[name] += row[name]
    return [{"source": name, **sums[name], "availability": _availability(sums[name])} for name in sorted(sums)]


def _uptime(
    chosen: Chosen, source: str | None, level: Level | None, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    if level is None:
        return queries.uptime(chosen.connection, source, start, end, chosen.check)
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in _COUNTS[:-1])
    return _rows(
        chosen.connection,
        f"""
        SELECT source, {sums}, sum(missed)::BIGINT AS gap_slots
        FROM ({chosen.stored_executions(level, start, end)}) GROUP BY source
        """,
    )


def _availability(counts: dict[str, Any]) -> float | None:
    known = counts["healthy"] + counts["warning"] + counts["critical"]
    return 100.0 * (counts["healthy"] + counts["warning"]) / known if known else None


def _rows(connection: DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query)
    names: Sequence[str] = [column[0] for column in cursor.description or ()]
    return [
        {name: aware(value) if isinstance(value, datetime) else value for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]
