"""Version 9: by which keys frameworks reported quality."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table

from monitoring_pipeline.store.migrations import Migration

__all__ = ["migration"]

_metadata = MetaData()

Table(
    "quality_keys",
    _metadata,
    Column("source", String(200), primary_key=True),
    Column("suite", String(200), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("run", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)


def _apply(connection: Connection) -> None:
    _metadata.create_all(connection, checkfirst=False)


migration = Migration(9, "quality_keys", _apply)
