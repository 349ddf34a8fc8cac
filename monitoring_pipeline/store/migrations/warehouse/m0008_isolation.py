"""What the isolation forest says of a point beside its score, and both as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring_pipeline.store.migrations import Migration

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["migration"]


def _apply(connection: DuckDBPyConnection) -> None:
    for column in ("isolation", "combined"):
        connection.execute(f"ALTER TABLE scores ADD COLUMN {column} FLOAT")


migration = Migration(8, "isolation", _apply)
