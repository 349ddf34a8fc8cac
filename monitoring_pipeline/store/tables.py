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
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = [
    "alerts",
    "attempts",
    "audit",
    "beats",
    "blobs",
    "channel_states",
    "checks",
    "collections",
    "collectors",
    "decisions",
    "escalations",
    "events",
    "gaps",
    "groups",
    "ledger",
    "memberships",
    "meta",
    "metadata",
    "notification_alerts",
    "notifications",
    "overrides",
    "quality_keys",
    "quality_runs",
    "results",
    "runners",
    "samples",
    "sent_reports",
    "silences",
    "sources",
    "status_changes",
    "threads",
    "transitions",
]

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")
_OPEN = text("state IN ('waiting', 'collecting', 'sending')")
_DEAD = text("state = 'dead'")


def _log(name: str, *columns: Column[object] | UniqueConstraint | Index) -> Table:
    # AUTOINCREMENT: ids of expired rows must never come back, or a watermark would skip new rows.
    return Table(
        name, metadata, Column("id", _Id, primary_key=True, autoincrement=True), *columns, sqlite_autoincrement=True
    )


meta = Table("meta", metadata, Column("key", String(200), primary_key=True), Column("value", Text, nullable=False))

blobs = Table(
    "blobs",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("head", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

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

quality_runs = _log(
    "quality_runs",
    Column("source", String(200), nullable=False),
    Column("suite", String(200), nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    # The composite score from 0 to 100, NULL when nothing is known.
    Column("score", Double),
    Column("rows", Double),
    Column("expectations", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("message", Text, nullable=False),
    # JSON: score per dimension, the profile of each column, what each expectation found.
    Column("dimensions", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Index("quality_runs_suite", "suite", "id"),
)

quality_keys = Table(
    "quality_keys",
    metadata,
    # What a framework calls its report: sent again, it is the same run.
    Column("source", String(200), primary_key=True),
    Column("suite", String(200), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("run", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

collections = _log(
    "collections",
    # The identity of an attempt: reported again, it is the same one.
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

collectors = Table(
    "collectors",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("source", String(200), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("last_success", BigInteger),
    Column("last_error", Text, nullable=False),
    # Attempts that failed since the last success.
    Column("failures", Integer, nullable=False),
)

events = _log(
    "events",
    # The identity of an event: found again after a crash, it is the same one.
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

alerts = _log(
    "alerts",
    Column("fingerprint", String(600), nullable=False),
    # The fingerprint while it is open, NULL afterwards: at most one open alert per rule and subject.
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
    # The clocks of its life: when the condition ceased to hold, since when nothing is known, since when it holds
    # at another severity, and when the next of them runs out.
    Column("clear_since", BigInteger),
    Column("unknown_since", BigInteger),
    Column("shift_since", BigInteger),
    Column("shift_to", String(20)),
    Column("due", BigInteger),
    Index("alerts_fingerprint", "fingerprint", "id"),
    Index("alerts_state", "state"),
    Index("alerts_due", "due"),
)

transitions = _log(
    "transitions",
    Column("alert_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("before", String(20)),
    Column("after", String(20), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("reason", String(60), nullable=False),
    Column("text", Text, nullable=False),
    Column("by", String(200), nullable=False),
    # NULL until the stages took it: the row is the queue.
    Column("handled", BigInteger),
    Index("transitions_alert", "alert_id", "id"),
    Index("transitions_handled", "handled", "id"),
)

decisions = _log(
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

audit = _log(
    "audit",
    Column("at", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(600), nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_subject", "subject", "id"),
)

groups = Table(
    "groups",
    metadata,
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

memberships = Table(
    "memberships",
    metadata,
    Column("group_key", String(600), primary_key=True),
    Column("alert_id", BigInteger, primary_key=True),
    Column("joined", BigInteger, nullable=False),
    # The state and severity of the alert in the group's last message, NULL when it was in none yet.
    Column("told_state", String(20)),
    Column("told_severity", String(20)),
    Index("memberships_alert", "alert_id"),
)

escalations = _log(
    "escalations",
    Column("group_key", String(600), nullable=False),
    # The group's key while it runs, NULL afterwards: at most one per group.
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

notifications = _log(
    "notifications",
    # The idempotency key: the same in every attempt, handed to the provider where it takes one.
    Column("key", String(64), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("reason", String(60), nullable=False),
    Column("channel", String(200), nullable=False),
    Column("recipient", String(400), nullable=False),
    # Messages of one thread go out in order; a provider may show them as one.
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
    # Only of what is still to be sent: small however long the log is.
    Index("notifications_due", "channel", "severity", "due", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("notifications_line", "channel", "thread", "recipient", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("notifications_dead", "id", sqlite_where=_DEAD, postgresql_where=_DEAD),
    Index("notifications_fallback", "fallback_for"),
    Index("notifications_created", "channel", "created"),
)

notification_alerts = Table(
    "notification_alerts",
    metadata,
    Column("notification_id", BigInteger, primary_key=True),
    Column("alert_id", BigInteger, primary_key=True),
    Index("notification_alerts_alert", "alert_id"),
)

attempts = _log(
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

channel_states = Table(
    "channel_states",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("last_ok", BigInteger),
    Column("last_failed", BigInteger),
    Column("error", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("tested", BigInteger),
    Column("blocked_until", BigInteger),
    Column("next_free", BigInteger),
    # How many messages went out lately, for its rate limit: JSON of counts by moment.
    Column("recent", Text, nullable=False),
)

threads = Table(
    "threads",
    metadata,
    Column("channel", String(200), primary_key=True),
    Column("recipient", String(400), primary_key=True),
    Column("thread", String(600), primary_key=True),
    # What the provider called our first message, as JSON, so that later ones can update it.
    Column("reference", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

silences = _log(
    "silences",
    # `silence` mutes; `maintenance` mutes and says that the time does not count.
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

overrides = _log(
    "overrides",
    Column("rota", String(200), nullable=False),
    Column("person", String(200), nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("author", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    # Counted by ourselves, without a hole: a number that is missing was taken away.
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

sent_reports = Table(
    "sent_reports",
    metadata,
    # The report and its period: sent once, however often somebody tries.
    Column("key", String(400), primary_key=True),
    Column("attempts", Integer, nullable=False),
    # Not before; while somebody sends it, the end of the lease.
    Column("due", BigInteger, nullable=False),
    Column("sent", BigInteger),
    Column("error", Text, nullable=False),
)
