"""Version 4: days of service levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring_pipeline.store.migrations import Migration

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["migration"]

_TABLE = """
    CREATE TABLE sla_days (
        objective VARCHAR NOT NULL, scope VARCHAR NOT NULL, subject VARCHAR NOT NULL, day DATE NOT NULL,
        start TIMESTAMP NOT NULL, "end" TIMESTAMP NOT NULL, unit VARCHAR NOT NULL,
        good BIGINT NOT NULL, bad BIGINT NOT NULL, unknown BIGINT NOT NULL, excluded BIGINT NOT NULL,
        m_good BIGINT NOT NULL, m_bad BIGINT NOT NULL, m_unknown BIGINT NOT NULL, m_excluded BIGINT NOT NULL,
        fingerprint VARCHAR NOT NULL, ledger BIGINT NOT NULL, gap BIGINT NOT NULL, computed TIMESTAMP NOT NULL
    )
"""


def _apply(connection: DuckDBPyConnection) -> None:
    connection.execute(_TABLE)


migration = Migration(4, "sla", _apply)
