"""Version 2: runs of quality suites, what collectors report, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring_pipeline.store.migrations import Migration

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["migration"]

_TABLES = (
    """
    CREATE TABLE quality_runs (
        id BIGINT NOT NULL, source VARCHAR NOT NULL, suite VARCHAR NOT NULL, started TIMESTAMP NOT NULL,
        "at" TIMESTAMP NOT NULL, status VARCHAR NOT NULL, score DOUBLE, rows DOUBLE, expectations INTEGER NOT NULL,
        failed INTEGER NOT NULL, errors INTEGER NOT NULL, message VARCHAR NOT NULL, dimensions VARCHAR NOT NULL,
        profile VARCHAR NOT NULL, findings VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE collections (
        id BIGINT NOT NULL, key VARCHAR NOT NULL, source VARCHAR NOT NULL, collector VARCHAR NOT NULL,
        kind VARCHAR NOT NULL, "at" TIMESTAMP NOT NULL, received TIMESTAMP NOT NULL, success BOOLEAN NOT NULL,
        rows DOUBLE, bytes DOUBLE, duration_ms DOUBLE, quality DOUBLE, error VARCHAR NOT NULL, tags VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE events (
        id BIGINT NOT NULL, key VARCHAR NOT NULL, source VARCHAR NOT NULL, check_id VARCHAR NOT NULL,
        kind VARCHAR NOT NULL, subject VARCHAR NOT NULL, "at" TIMESTAMP NOT NULL, severity VARCHAR NOT NULL,
        text VARCHAR NOT NULL, detail VARCHAR NOT NULL
    )
    """,
    "INSERT INTO watermarks VALUES ('quality_runs', 0), ('collections', 0), ('events', 0)",
)


def _apply(connection: DuckDBPyConnection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


migration = Migration(2, "facts", _apply)
