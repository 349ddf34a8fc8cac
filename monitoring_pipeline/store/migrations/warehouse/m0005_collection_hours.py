"""Version 5: what collectors reported, by the hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring_pipeline.store.migrations import Migration

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["migration"]

_TABLES = (
    """
    CREATE TABLE collection_hours (
        hour TIMESTAMP NOT NULL, collector VARCHAR NOT NULL, kind VARCHAR NOT NULL, attempts BIGINT NOT NULL,
        failures BIGINT NOT NULL, rows DOUBLE, bytes DOUBLE, counted BIGINT NOT NULL, p50_ms DOUBLE, p95_ms DOUBLE,
        quality_sum DOUBLE, qualities BIGINT NOT NULL
    )
    """,
    """
    CREATE TABLE collection_durations (
        hour TIMESTAMP NOT NULL, collector VARCHAR NOT NULL, kind VARCHAR NOT NULL, bucket SMALLINT NOT NULL,
        attempts BIGINT NOT NULL
    )
    """,
)


def _apply(connection: DuckDBPyConnection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


migration = Migration(5, "collection_hours", _apply)
