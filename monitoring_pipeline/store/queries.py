"""Questions people ask of history, for the CLI, the API and the status page.

Each takes a connection of `history.connect` and returns plain dicts with aware UTC datetimes. A gap
is unknown time: it is counted apart and never as healthy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.records import Status
from monitoring_pipeline.store.warehouse import aware, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["daily_status", "response_series", "source_gaps", "source_history", "uptime", "values_of"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

_RANK = f"CASE status {' '.join(f'WHEN {literal(status.value)} THEN {status.rank}' for status in Status)} END"
_BY_RANK = {status.rank: status for status in Status}


def source_history(
    connection: DuckDBPyConnection,
    source: str,
    since: datetime,
    until: datetime,
    limit: int = 1000,
    check: str | None = None,
) -> list[dict[str, Any]]:
    """Results of one source, or one of its checks, that started in [since, until), newest first, at most `limit`.

    Keys: check, kind, slot, started, finished, status, response_time_ms, attempts, message,
    details (a dict), skipped, manual. Needs the view `results`.
    """
    rows = _rows(
        connection,
        f"""
        SELECT check_id AS "check", kind, slot, started, finished, status, response_time_ms, attempts, message,
               details, skipped, manual
        FROM results WHERE source = {literal(source)} AND {_of_check(check)} AND {_within("started", since, until)}
        ORDER BY started DESC, id DESC LIMIT {int(limit)}
        """,
    )
    for row in rows:
        row["details"] = json.loads(row["details"])
    return rows


def source_gaps(
    connection: DuckDBPyConnection, source: str, since: datetime, until: datetime, check: str | None = None
) -> list[dict[str, Any]]:
    """Slots of one source, or one of its checks, in [since, until) that nobody executed, newest first.

    Keys: check, start, end (both are slots), slots, reason. Needs the view `gaps`.
    """
    return _rows(
        connection,
        f"""
        SELECT check_id AS "check", start, "end", slots, reason FROM gaps
        WHERE source = {literal(source)} AND {_of_check(check)}
          AND "end" >= {literal(since)} AND start < {literal(until)}
        ORDER BY start DESC
        """,
    )


def uptime(
    connection: DuckDBPyConnection, source: str | None, since: datetime, until: datetime, check: str | None = None
) -> list[dict[str, Any]]:
    """What was found in [since, until), per source, by its id; of one `source` or of all, of one `check` or all.

    Keys: source, healthy, warning, critical, unknown (counts of results), gap_slots (slots nobody
    executed), availability (percent of the known results that are not critical; None when nothing
    is known). Needs the views `results` and `gaps`.
    """
    counts = ", ".join(f"count(*) FILTER (status = {literal(status.value)}) AS {status.value}" for status in Status)
    only = f"{'true' if source is None else f'source = {literal(source)}'} AND {_of_check(check)}"
    return _rows(
        connection,
        f"""
        WITH found AS (
            SELECT source, {counts} FROM results
            WHERE {only} AND {_within("started", since, until)} GROUP BY source
        ), missed AS (
            SELECT source, sum({_gap_slots(literal(since), literal(until))})::BIGINT AS gap_slots FROM gaps
            WHERE {only} AND "end" >= {literal(since)} AND start < {literal(until)} GROUP BY source
        )
        SELECT source, coalesce(healthy, 0) AS healthy, coalesce(warning, 0) AS warning,
               coalesce(critical, 0) AS critical, coalesce(unknown, 0) AS unknown,
               coalesce(gap_slots, 0) AS gap_slots,
               100.0 * (healthy + warning) / nullif(healthy + warning + critical, 0) AS availability
        FROM found FULL JOIN missed USING (source) ORDER BY source
        """,
    )


def daily_status(
    connection: DuckDBPyConnection, sources: Sequence[str], days: int, now: datetime
) -> dict[str, list[dict[str, Any]]]:
    """For each source one cell per UTC day, oldest first, the last one being today.

    Keys of a cell: day (date), status (the worst of the day; unknown where a slot is missing or
    nothing is known), healthy (share of all slots, 0-1; None without any), slots. Needs the views
    `results` and `gaps`.
    """
    today = now.astimezone(UTC).date()
    first = datetime.combine(today - timedelta(days=days - 1), time(), UTC)
    found = (
        {(row["source"], row["day"]): row for row in _rows(connection, _daily(sources, first, days))} if sources else {}
    )
    dates = [first.date() + timedelta(days=number) for number in range(days)]
    return {source: [_cell(day, found.get((source, day))) for day in dates] for source in sources}


def response_series(
    connection: DuckDBPyConnection,
    source: str,
    since: datetime,
    until: datetime,
    buckets: int = 100,
    check: str | None = None,
) -> list[dict[str, Any]]:
    """Response times in [since, until) in equally long buckets, oldest first, empty ones included.

    Keys: start, count (of responses), avg_ms, p95_ms, max_ms (None in an empty bucket). Of all
    checks of the source, or of one. Needs the view `results`.
    """
    width = max(1, (until - since) // timedelta(microseconds=1) // buckets)
    only = _of_check(check)
    return _rows(
        connection,
        f"""
        WITH buckets AS (SELECT unnest(range({int(buckets)})) AS number), found AS (
            SELECT least(epoch_us(started - {literal(since)}) // {width}, {int(buckets) - 1}) AS number,
                   count(*) AS count, avg(response_time_ms) AS avg_ms,
                   quantile_cont(response_time_ms, 0.95) AS p95_ms, max(response_time_ms) AS max_ms
            FROM results
            WHERE source = {literal(source)} AND {only} AND response_time_ms IS NOT NULL
              AND {_within("started", since, until)}
            GROUP BY ALL
        )
        SELECT {literal(since)} + to_microseconds(number * {width}) AS start, coalesce(count, 0) AS count,
               avg_ms, p95_ms, max_ms
        FROM buckets LEFT JOIN found USING (number) ORDER BY number
        """,
    )


def _daily(sources: Sequence[str], first: datetime, days: int) -> str:
    wanted = f"source IN ({', '.join(map(literal, sources))})"
    return f"""
        WITH days AS (
            SELECT {literal(first)} + to_days(number::INTEGER) AS day FROM unnest(range({int(days)})) AS _(number)
        ), found AS (
            SELECT source, date_trunc('day', started) AS day, max({_RANK}) AS worst,
                   count(*) FILTER (status = 'healthy') AS healthy, count(*) AS results
            FROM results WHERE {wanted} AND started >= {literal(first)} GROUP BY ALL
        ), missed AS (
            SELECT source, day, sum({_gap_slots("day", "day + INTERVAL 1 DAY")})::BIGINT AS gap_slots
            FROM gaps JOIN days ON start < day + INTERVAL 1 DAY AND "end" >= day WHERE {wanted} GROUP BY ALL
        )
        SELECT source, day::DATE AS day, worst, coalesce(healthy, 0) AS healthy,
               coalesce(results, 0) AS results, coalesce(gap_slots, 0) AS gap_slots
        FROM found FULL JOIN missed USING (source, day)
    """


def _gap_slots(since: str, until: str) -> str:
    # The slots of a gap are taken as evenly spread; at least one where it reaches in at all.
    inside = f'epoch_us(least("end", {until}) - greatest(start, {since}))'
    return f'CASE WHEN "end" = start THEN slots ELSE greatest(1, round(slots * {inside} / epoch_us("end" - start))) END'


def _cell(day: Any, row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"day": day, "status": Status.UNKNOWN, "healthy": None, "slots": 0}
    missing = Status.UNKNOWN.rank if row["gap_slots"] else 0
    slots = row["results"] + row["gap_slots"]
    status = _BY_RANK[max(row["worst"] or 0, missing)]
    return {"day": day, "status": status, "healthy": row["healthy"] / slots, "slots": slots}


def _of_check(check: str | None) -> str:
    return "true" if check is None else f"check_id = {literal(check)}"


def _within(column: str, since: datetime, until: datetime) -> str:
    return f"{column} >= {literal(since)} AND {column} < {literal(until)}"


def values_of(
    connection: DuckDBPyConnection, source: str, metric: str, check: str | None = None
) -> list[tuple[datetime, float]]:
    """The values of one metric of a source, or of one of its checks, oldest first. Needs the view `samples`."""
    rows = connection.execute(
        f"""
        SELECT time, value FROM samples
        WHERE source = {literal(source)} AND metric = {literal(metric)} AND {_of_check(check)}
        ORDER BY time, id
        """
    ).fetchall()
    return [(aware(moment), float(value)) for moment, value in rows]


def _rows(connection: DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or ()]
    return [
        {name: aware(value) if isinstance(value, datetime) else value for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]
