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

__all__ = ["Stood", "check_at", "source_at"]

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
        SELECT "after", at, reason, score FROM status_changes
        WHERE source = {literal(source)} AND at <= {literal(at)} ORDER BY at DESC, id DESC LIMIT 1
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


def _first(connection: DuckDBPyConnection, query: str) -> tuple[Any, ...] | None:
    return connection.execute(query).fetchone()
