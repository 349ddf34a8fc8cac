"""Version 6: which reports were sent."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, Text

from monitoring_pipeline.store.migrations import Migration

__all__ = ["migration"]

_metadata = MetaData()

Table(
    "sent_reports",
    _metadata,
    Column("key", String(400), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("sent", BigInteger),
    Column("error", Text, nullable=False),
)


def _apply(connection: Connection) -> None:
    _metadata.create_all(connection, checkfirst=False)


migration = Migration(6, "reports", _apply)
