"""Version 1: results, samples, gaps and status changes, and up to which hot row they were loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring_pipeline.store.migrations import Migration

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["migration"]

# No primary keys and no indexes: on time series they cost seven times the insert time, and rows
# lie in the order of time, so the zone maps find them as fast.
_TABLES = (
    """
    CREATE TABLE results (
        id BIGINT NOT NULL, source VARCHAR NOT NULL, check_id VARCHAR NOT NULL, kind VARCHAR NOT NULL,
        slot TIMESTAMP NOT NULL, started TIMESTAMP NOT NULL, finished TIMESTAMP NOT NULL,
        status VARCHAR NOT NULL, response_time_ms DOUBLE, attempts INTEGER NOT NULL, message VARCHAR NOT NULL,
        details VARCHAR NOT NULL, skipped VARCHAR, manual BOOLEAN NOT NULL
    )
    """,
    """
    CREATE TABLE samples (
        id BIGINT NOT NULL, source VARCHAR NOT NULL, check_id VARCHAR NOT NULL, metric VARCHAR NOT NULL,
        time TIMESTAMP NOT NULL, value DOUBLE NOT NULL, unit VARCHAR NOT NULL, tags VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE gaps (
        id BIGINT NOT NULL, source VARCHAR NOT NULL, check_id VARCHAR NOT NULL, start TIMESTAMP NOT NULL,
        "end" TIMESTAMP NOT NULL, slots INTEGER NOT NULL, reason VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE status_changes (
        id BIGINT NOT NULL, source VARCHAR NOT NULL, "at" TIMESTAMP NOT NULL, before VARCHAR NOT NULL,
        after VARCHAR NOT NULL, score DOUBLE, reason VARCHAR NOT NULL
    )
    """,
    "CREATE TABLE watermarks (table_name VARCHAR NOT NULL, last_id BIGINT NOT NULL)",
    "INSERT INTO watermarks VALUES ('results', 0), ('samples', 0), ('gaps', 0), ('status_changes', 0)",
    # Ids only mean something together with the operational store that gave them.
    "CREATE TABLE origin (store_id VARCHAR NOT NULL)",
)


def _apply(connection: DuckDBPyConnection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


migration = Migration(1, "first", _apply)
