"""How sources and checks stood at a moment, out of history.

Takes connections of `history.connect`; a source's status needs the view `status_changes`, a check's the view
`results`. Before the first record nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.records import Status
from monitoring_pipeline.store.warehouse import aware, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Stood", "check_at", "moments", "source_at", "statuses"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608


@dataclass(frozen=True, slots=True)
class Stood:
    """A status, since when it was that, and why; `score` is that of a source's health, 0-100."""

    status: Status
    since: datetime | None = None
    reason: str = ""
    score: float | None = None


def source_at(connection: DuckDBPyConnection, source: str, at: datetime) -> Stood:
    """How a source stood. `reason` and `score` are those of the moment at which the status began."""
    row = _first(
        connection,
        f"""
        SELECT "after", "at", reason, score FROM status_changes
        WHERE source = {literal(source)} AND "at" <= {literal(at)} ORDER BY "at" DESC, id DESC LIMIT 1
        """,
    )
    return Stood(Status.UNKNOWN) if row is None else Stood(Status(row[0]), aware(row[1]), row[2], row[3])


def check_at(connection: DuckDBPyConnection, source: str, check: str, at: datetime) -> Stood:
    """How a check of a source stood: its last result until then, and since when results were like that."""
    mine = f"source = {literal(source)} AND check_id = {literal(check)} AND finished <= {literal(at)}"
    row = _first(
        connection,
        f"""
        WITH own AS (SELECT status, finished, message, id FROM results WHERE {mine}),
             last AS (SELECT * FROM own ORDER BY finished DESC, id DESC LIMIT 1),
             other AS (SELECT max(finished) AS until FROM own WHERE status <> (SELECT status FROM last))
        SELECT last.status, last.message, (
            SELECT min(finished) FROM own, other WHERE other.until IS NULL OR finished > other.until
        ) FROM last
        """,
    )
    return Stood(Status.UNKNOWN) if row is None else Stood(Status(row[0]), aware(row[2]), row[1])


def statuses(connection: DuckDBPyConnection, source: str, until: datetime) -> list[tuple[datetime, Stood]]:
    """Every status of a source until a moment with the moment it began, oldest first. Needs `status_changes`."""
    rows = connection.execute(
        f"""
        SELECT "at", "after", reason, score FROM status_changes
        WHERE source = {literal(source)} AND "at" <= {literal(until)} ORDER BY "at", id
        """
    ).fetchall()
    return [(aware(at), Stood(Status(after), aware(at), reason, score)) for at, after, reason, score in rows]


def moments(connection: DuckDBPyConnection, source: str, since: datetime, until: datetime) -> list[datetime]:
    """When something of a source was recorded in (since, until], each moment once, oldest first.

    Needs the views `samples` and `results`.
    """
    span = f"> {literal(since)}", f"<= {literal(until)}"
    rows = connection.execute(
        f"""
        SELECT time AS moment FROM samples WHERE source = {literal(source)} AND time {span[0]} AND time {span[1]}
        UNION
        SELECT finished FROM results WHERE source = {literal(source)} AND finished {span[0]} AND finished {span[1]}
        ORDER BY moment
        """
    ).fetchall()
    return [aware(at) for (at,) in rows]


def _first(connection: DuckDBPyConnection, query: str) -> tuple[Any, ...] | None:
    return connection.execute(query).fetchone()
