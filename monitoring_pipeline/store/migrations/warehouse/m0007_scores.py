"""Anomaly scores of history, and what is normal for each series by weekday and hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring_pipeline.store.migrations import Migration

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["migration"]

_TABLES = (
    """
    CREATE TABLE scores (
        source VARCHAR NOT NULL, check_id VARCHAR NOT NULL, metric VARCHAR NOT NULL, tags VARCHAR NOT NULL,
        time TIMESTAMP NOT NULL, value DOUBLE NOT NULL, score FLOAT NOT NULL, expected DOUBLE, low DOUBLE, high DOUBLE,
        is_alert BOOLEAN NOT NULL
    )
    """,
    """
    CREATE TABLE baselines (
        source VARCHAR NOT NULL, check_id VARCHAR NOT NULL, metric VARCHAR NOT NULL, tags VARCHAR NOT NULL,
        unit VARCHAR NOT NULL, weekday TINYINT NOT NULL, hour TINYINT NOT NULL, low DOUBLE, expected DOUBLE,
        high DOUBLE, learning BOOLEAN NOT NULL, "at" TIMESTAMP NOT NULL
    )
    """,
)


def _apply(connection: DuckDBPyConnection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


migration = Migration(7, "scores", _apply)
