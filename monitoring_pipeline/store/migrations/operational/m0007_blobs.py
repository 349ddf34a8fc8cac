"""Version 7: large things that are replaced as a whole."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, String, Table, Text

from monitoring_pipeline.store.migrations import Migration

__all__ = ["migration"]

_metadata = MetaData()

Table(
    "blobs",
    _metadata,
    Column("name", String(100), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("head", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)


def _apply(connection: Connection) -> None:
    _metadata.create_all(connection)


migration = Migration(7, "blobs", _apply)
