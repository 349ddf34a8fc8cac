"""Version 5: how each collector does, as far as its last reports tell."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, Text

from monitoring_pipeline.store.migrations import Migration

__all__ = ["migration"]

_metadata = MetaData()

Table(
    "collectors",
    _metadata,
    Column("name", String(200), primary_key=True),
    Column("source", String(200), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("last_success", BigInteger),
    Column("last_error", Text, nullable=False),
    Column("failures", Integer, nullable=False),
)


def _apply(connection: Connection) -> None:
    _metadata.create_all(connection)


migration = Migration(5, "collectors", _apply)
