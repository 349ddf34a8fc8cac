"""Version 2: alerts and their transitions, decisions, groups, escalations, notifications, silences."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from monitoring_pipeline.store.migrations import Migration

__all__ = ["migration"]

_metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")
_OPEN = text("state IN ('waiting', 'collecting', 'sending')")
_DEAD = text("state = 'dead'")


def _log(name: str, *columns: Column[object] | Index) -> None:
    Table(name, _metadata, Column("id", _Id, primary_key=True, autoincrement=True), *columns, sqlite_autoincrement=True)


_log(
    "alerts",
    Column("fingerprint", String(600), nullable=False),
    Column("open_key", String(600), unique=True),
    Column("rule", String(200), nullable=False),
    Column("source", String(200), nullable=False),
    Column("check_id", String(200), nullable=False),
    Column("component", String(200), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("mode", String(20), nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("fired", BigInteger),
    Column("acknowledged", BigInteger),
    Column("acknowledged_by", String(200), nullable=False),
    Column("acknowledged_until", BigInteger),
    Column("resolved", BigInteger),
    Column("resolution", String(200), nullable=False),
    Column("summary", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("value", Double),
    Column("count", Integer, nullable=False),
    Column("flapping", Boolean, nullable=False),
    Column("suppressed_by", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("clear_since", BigInteger),
    Column("unknown_since", BigInteger),
    Column("shift_since", BigInteger),
    Column("shift_to", String(20)),
    Column("due", BigInteger),
    Index("alerts_fingerprint", "fingerprint", "id"),
    Index("alerts_state", "state"),
    Index("alerts_due", "due"),
)

_log(
    "transitions",
    Column("alert_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("before", String(20)),
    Column("after", String(20), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("reason", String(60), nullable=False),
    Column("text", Text, nullable=False),
    Column("by", String(200), nullable=False),
    Column("handled", BigInteger),
    Index("transitions_alert", "alert_id", "id"),
    Index("transitions_handled", "handled", "id"),
)

_log(
    "decisions",
    Column("at", BigInteger, nullable=False),
    Column("alert_id", BigInteger),
    Column("rule", String(200), nullable=False),
    Column("source", String(200), nullable=False),
    Column("stage", String(40), nullable=False),
    Column("verdict", String(60), nullable=False),
    Column("detail", Text, nullable=False),
    Column("notification_id", BigInteger),
    Index("decisions_alert", "alert_id", "id"),
    Index("decisions_source", "source", "id"),
)

_log(
    "audit",
    Column("at", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(600), nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_subject", "subject", "id"),
)

Table(
    "groups",
    _metadata,
    Column("key", String(600), primary_key=True),
    Column("route", String(200), nullable=False),
    Column("mode", String(20), nullable=False),
    Column("labels", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("flush_at", BigInteger),
    Column("flushed_at", BigInteger),
    Column("notified_at", BigInteger),
    Column("sequence", Integer, nullable=False),
    Index("groups_flush", "flush_at"),
)

Table(
    "memberships",
    _metadata,
    Column("group_key", String(600), primary_key=True),
    Column("alert_id", BigInteger, primary_key=True),
    Column("joined", BigInteger, nullable=False),
    Column("told_state", String(20)),
    Column("told_severity", String(20)),
    Index("memberships_alert", "alert_id"),
)

_log(
    "escalations",
    Column("group_key", String(600), nullable=False),
    Column("open_key", String(600), unique=True),
    Column("policy_name", String(200), nullable=False),
    Column("policy", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("level", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("resumed", Integer, nullable=False),
    Column("next_at", BigInteger),
    Column("remaining", BigInteger),
    Column("changed", BigInteger, nullable=False),
    Index("escalations_next", "next_at"),
)

_log(
    "notifications",
    Column("key", String(64), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("reason", String(60), nullable=False),
    Column("channel", String(200), nullable=False),
    Column("recipient", String(400), nullable=False),
    Column("thread", String(600), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("message", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("leased_by", String(100)),
    Column("lease_until", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("sent", BigInteger),
    Column("error", Text, nullable=False),
    Column("fallback_for", BigInteger),
    Index("notifications_due", "channel", "severity", "due", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("notifications_line", "channel", "thread", "recipient", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("notifications_dead", "id", sqlite_where=_DEAD, postgresql_where=_DEAD),
    Index("notifications_fallback", "fallback_for"),
    Index("notifications_created", "channel", "created"),
)

Table(
    "notification_alerts",
    _metadata,
    Column("notification_id", BigInteger, primary_key=True),
    Column("alert_id", BigInteger, primary_key=True),
    Index("notification_alerts_alert", "alert_id"),
)

_log(
    "attempts",
    Column("notification_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("duration_ms", Double, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("code", Integer),
    Column("detail", Text, nullable=False),
    Column("worker", String(100), nullable=False),
    Index("attempts_notification", "notification_id", "id"),
)

Table(
    "channel_states",
    _metadata,
    Column("name", String(200), primary_key=True),
    Column("last_ok", BigInteger),
    Column("last_failed", BigInteger),
    Column("error", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("tested", BigInteger),
    Column("blocked_until", BigInteger),
    Column("next_free", BigInteger),
    Column("recent", Text, nullable=False),
)

Table(
    "threads",
    _metadata,
    Column("channel", String(200), primary_key=True),
    Column("recipient", String(400), primary_key=True),
    Column("thread", String(600), primary_key=True),
    Column("reference", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

_log(
    "silences",
    Column("kind", String(20), nullable=False),
    Column("matchers", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("ends", BigInteger),
    Column("ended_by", String(200), nullable=False),
    Index("silences_ends", "ends"),
)

_log(
    "overrides",
    Column("rota", String(200), nullable=False),
    Column("person", String(200), nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("author", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
)


def _apply(connection: Connection) -> None:
    _metadata.create_all(connection, checkfirst=False)


migration = Migration(2, "alerts", _apply)
