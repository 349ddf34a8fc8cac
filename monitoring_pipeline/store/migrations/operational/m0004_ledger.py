"""Version 4: the ledger of corrections."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, Text

from monitoring_pipeline.store.migrations import Migration

__all__ = ["migration"]

_metadata = MetaData()

Table(
    "ledger",
    _metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("author", String(200), nullable=False),
    Column("source", String(200), nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("as", String(20), nullable=False),
    Column("objective", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("revokes", BigInteger),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)


def _apply(connection: Connection) -> None:
    _metadata.create_all(connection, checkfirst=False)


migration = Migration(4, "ledger", _apply)
