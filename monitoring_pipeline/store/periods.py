"""Questions about a stretch of time for reports: quality suites, events, collectors, gaps.

Each takes a connection of `history.connect` with the view it names, ids of sources (None for all), and the stretch
[start, end); it returns plain dicts with aware UTC datetimes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.store.warehouse import aware, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["collectors", "event_kinds", "events", "gap_reasons", "quality"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

_RANKS = "CASE severity WHEN 'critical' THEN 3 WHEN 'error' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END"


def quality(
    connection: DuckDBPyConnection, sources: Sequence[str] | None, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Runs of quality suites, the lowest mean score first. Needs the view `quality_runs`.

    Keys: source, suite, runs, score (the mean), worst, last (scores 0-100, None when nothing is known), failed (runs
    with failed expectations), unknown (runs with a status of unknown), message (of the last run).
    """
    return _rows(
        connection,
        f"""
        SELECT source, suite, count(*) AS runs, avg(score) AS score, min(score) AS worst,
               arg_max(score, "at") AS last, count(*) FILTER (failed > 0) AS failed,
               count(*) FILTER (status = 'unknown') AS unknown, arg_max(message, "at") AS message
        FROM quality_runs WHERE {_of(sources)} AND {_within('"at"', start, end)}
        GROUP BY source, suite ORDER BY score NULLS FIRST, source, suite
        """,
    )


def event_kinds(
    connection: DuckDBPyConnection, sources: Sequence[str] | None, start: datetime, end: datetime
) -> dict[str, int]:
    """How many events of each kind, the most first. Needs the view `events`."""
    rows = _rows(
        connection,
        f"""
        SELECT kind, count(*) AS count FROM events WHERE {_of(sources)} AND {_within('"at"', start, end)}
        GROUP BY kind ORDER BY count DESC, kind
        """,
    )
    return {row["kind"]: row["count"] for row in rows}


def events(
    connection: DuckDBPyConnection, sources: Sequence[str] | None, start: datetime, end: datetime, limit: int
) -> list[dict[str, Any]]:
    """The gravest events, of equal ones the newest first. Needs the view `events`.

    Keys: source, check, kind, subject, at, severity, text.
    """
    return _rows(
        connection,
        f"""
        SELECT source, check_id AS "check", kind, subject, "at", severity, text FROM events
        WHERE {_of(sources)} AND {_within('"at"', start, end)}
        ORDER BY {_RANKS} DESC, "at" DESC, id DESC LIMIT {int(limit)}
        """,
    )


def collectors(
    connection: DuckDBPyConnection, sources: Sequence[str] | None, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """What collectors reported, the least reliable first. Needs the view `collections`.

    Keys: collector, source, attempts, failures, succeeded (percent), rows, mean_ms, last_success, last_error.
    """
    return _rows(
        connection,
        f"""
        SELECT collector, source, count(*) AS attempts, count(*) FILTER (NOT success) AS failures,
               100.0 * count(*) FILTER (success) / count(*) AS succeeded, sum(rows) AS rows,
               avg(duration_ms) AS mean_ms, max("at") FILTER (success) AS last_success,
               arg_max(error, "at") FILTER (NOT success) AS last_error
        FROM collections WHERE {_of(sources)} AND {_within('"at"', start, end)}
        GROUP BY collector, source ORDER BY succeeded, collector, source
        """,
    )


def gap_reasons(
    connection: DuckDBPyConnection, sources: Sequence[str] | None, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Gaps that touch the stretch, by reason, the most slots first. Needs the view `gaps`.

    Keys: reason, slots (all of each gap), checks (how many had one), first, last.
    """
    return _rows(
        connection,
        f"""
        SELECT reason, sum(slots)::BIGINT AS slots, count(DISTINCT source || '/' || check_id) AS checks,
               min(start) AS first, max("end") AS last
        FROM gaps WHERE {_of(sources)} AND start < {literal(end)} AND "end" >= {literal(start)}
        GROUP BY reason ORDER BY slots DESC, reason
        """,
    )


def _of(sources: Sequence[str] | None) -> str:
    if sources is None:
        return "true"
    return f"source IN ({', '.join(map(literal, sources))})" if sources else "false"


def _within(column: str, start: datetime, end: datetime) -> str:
    return f"{column} >= {literal(start)} AND {column} < {literal(end)}"


def _rows(connection: DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or ()]
    return [
        {name: aware(value) if isinstance(value, datetime) else value for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]
