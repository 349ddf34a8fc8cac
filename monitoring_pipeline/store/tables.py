"""The operational store's tables as they are today; `migrations/` tells how they came to be.

Moments are whole microseconds since 1970 (UTC) in BIGINT columns: exact, sortable and the same in
SQLite and PostgreSQL. Ids of append-only tables grow in commit order (writers are serialised), so a
reader that remembers the last id it saw misses nothing.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "beats",
    "checks",
    "gaps",
    "meta",
    "metadata",
    "results",
    "runners",
    "samples",
    "sources",
    "status_changes",
]

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")


def _log(name: str, *columns: Column[object] | UniqueConstraint | Index) -> Table:
    # AUTOINCREMENT: ids of expired rows must never come back, or a watermark would skip new rows.
    return Table(
        name, metadata, Column("id", _Id, primary_key=True, autoincrement=True), *columns, sqlite_autoincrement=True
    )


meta = Table("meta", metadata, Column("key", String(200), primary_key=True), Column("value", Text, nullable=False))

runners = Table(
    "runners",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("started", BigInteger, nullable=False),
    Column("heartbeat", BigInteger, nullable=False),
    Column("serves_until", BigInteger, nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
)

checks = Table(
    "checks",
    metadata,
    Column("key", String(400), primary_key=True),
    Column("source", String(200), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("kind", String(100), nullable=False),
    Column("critical", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("schedule", String(400), nullable=False),
    Column("interval_us", BigInteger),
    Column("next_slot", BigInteger, nullable=False),
    Column("claimed_slot", BigInteger),
    Column("claimed_by", String(100)),
    Column("interruptions", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("since", BigInteger),
    Column("last_slot", BigInteger),
    Column("last_finished", BigInteger),
    Column("response_time_ms", Double),
    Column("message", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Index("checks_due", "next_slot"),
    Index("checks_source", "source"),
)

sources = Table(
    "sources",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("status", String(20), nullable=False),
    Column("since", BigInteger),
    Column("score", Double),
    Column("reason", Text, nullable=False),
    Column("unreachable", Integer, nullable=False),
    Column("breaker", String(20), nullable=False),
    Column("breaker_until", BigInteger),
    Column("breaker_opened", Integer, nullable=False),
    Column("told", String(20)),
)

results = _log(
    "results",
    Column("source", String(200), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("kind", String(100), nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("finished", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    Column("response_time_ms", Double),
    Column("attempts", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("skipped", String(20)),
    Column("manual", Boolean, nullable=False),
    # The identity of a result: whatever happens, a slot is recorded once.
    UniqueConstraint("source", "check_id", "slot", name="results_slot"),
)

samples = _log(
    "samples",
    Column("source", String(200), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("metric", String(200), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("value", Double, nullable=False),
    Column("unit", String(40), nullable=False),
    Column("tags", Text, nullable=False),
)

gaps = _log(
    "gaps",
    Column("source", String(200), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("reason", String(20), nullable=False),
)

status_changes = _log(
    "status_changes",
    Column("source", String(200), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("before", String(20), nullable=False),
    Column("after", String(20), nullable=False),
    Column("score", Double),
    Column("reason", Text, nullable=False),
    Index("status_changes_source", "source", "id"),
)

beats = _log(
    "beats",
    Column("key", String(400), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("signal", String(20), nullable=False),
    Column("duration_ms", Double),
    Column("exit_code", Integer),
    Column("message", Text, nullable=False),
    Index("beats_key", "key", "id"),
)
