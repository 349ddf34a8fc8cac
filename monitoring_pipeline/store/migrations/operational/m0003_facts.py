"""Version 3: runs of quality suites, what collectors report, and events."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, Index, Integer, MetaData, String, Table, Text

from monitoring_pipeline.store.migrations import Migration

__all__ = ["migration"]

_metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")


def _log(name: str, *columns: Column[object] | Index) -> None:
    Table(name, _metadata, Column("id", _Id, primary_key=True, autoincrement=True), *columns, sqlite_autoincrement=True)


_log(
    "quality_runs",
    Column("source", String(200), nullable=False),
    Column("suite", String(200), nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    Column("score", Double),
    Column("rows", Double),
    Column("expectations", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("dimensions", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Index("quality_runs_suite", "suite", "id"),
)

_log(
    "collections",
    Column("key", String(64), nullable=False, unique=True),
    Column("source", String(200), nullable=False),
    Column("collector", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("success", Boolean, nullable=False),
    Column("rows", Double),
    Column("bytes", Double),
    Column("duration_ms", Double),
    Column("quality", Double),
    Column("error", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Index("collections_collector", "collector", "id"),
)

_log(
    "events",
    Column("key", String(64), nullable=False, unique=True),
    Column("source", String(200), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", String(400), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("severity", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("events_source", "source", "id"),
)


def _apply(connection: Connection) -> None:
    _metadata.create_all(connection)


migration = Migration(3, "facts", _apply)
