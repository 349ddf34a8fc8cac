"""The outbox in the operational store: notifications, who may send them, every attempt, and how channels do.

A notification's row is written in the transaction that decided on it and updated after it was sent. `due` is
when somebody must look at it next: when it may be sent, or, while it is being sent, when that lease ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, delete, exists, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from monitoring_pipeline.clock import from_us, from_us_or_none, to_us
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store.channels import channels_by_name
from monitoring_pipeline.store.tables import attempts, notification_alerts, notifications

__all__ = [
    "OPEN",
    "DeadLetter",
    "Draft",
    "NotificationState",
    "collecting",
    "dead_letters",
    "drop",
    "due_count",
    "enqueue",
    "expire",
    "gather",
    "next_due",
    "open_count",
    "replay",
]

OPEN = "state IN ('waiting', 'collecting', 'sending')"
"""What is still to be sent, in the words of the indexes: in others they would not be used."""
_CHUNK = 500


class NotificationState(StrEnum):
    """waiting: to be sent when due. collecting: a digest that still gathers until it is due. sending: somebody
    holds its lease. sent: the provider took it. dead: given up, it can be replayed. dropped: not to be sent."""

    WAITING = "waiting"
    COLLECTING = "collecting"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Draft:
    """A notification to be written.

    `key` is the idempotency key (at most 64 characters): a second draft of the same key is ignored. `kind` and
    `reason` are words of the message, `message` its JSON. `state` is `collecting` for a digest that gathers until
    `due`, `dropped` (with `error` saying why) for one that is kept but not to be sent.
    """

    key: str
    kind: str
    reason: str
    channel: str
    thread: str
    severity: Severity
    message: str
    due: datetime
    recipient: str = ""
    alert_ids: tuple[int, ...] = ()
    fallback_for: int | None = None
    state: NotificationState = NotificationState.WAITING
    error: str = ""


def enqueue(connection: Connection, drafts: Sequence[Draft], now: datetime) -> list[int]:
    """Writes notifications; answers the id of each draft's, of an older one where its key existed already."""
    if not drafts:
        return []
    _insert_new(connection, notifications, [_row(draft, now) for draft in drafts])
    ids = _ids(connection, [draft.key for draft in drafts])
    links = [
        {"notification_id": ids[draft.key], "alert_id": alert}
        for draft in drafts
        for alert in dict.fromkeys(draft.alert_ids)
    ]
    _insert_new(connection, notification_alerts, links)
    return [ids[draft.key] for draft in drafts]


def _row(draft: Draft, now: datetime) -> dict[str, Any]:
    return {
        "key": draft.key, "created": to_us(now), "kind": draft.kind, "reason": draft.reason,
        "channel": draft.channel, "recipient": draft.recipient, "thread": draft.thread,
        "severity": draft.severity.value, "message": draft.message, "state": draft.state.value,
        "due": to_us(draft.due), "leased_by": None, "lease_until": None, "attempts": 0, "sent": None,
        "error": draft.error, "fallback_for": draft.fallback_for,
    }  # fmt: skip


def _insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows and passes over those whose key is there already."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    if rows:
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), list(rows))


def _ids(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in _chunks(keys):
        query = select(notifications.c.key, notifications.c.id).where(notifications.c.key.in_(chunk))
        found.update({row.key: row.id for row in connection.execute(query)})
    return found


def _chunks(items: Iterable[Any]) -> list[list[Any]]:
    every = list(dict.fromkeys(items))
    return [every[start : start + _CHUNK] for start in range(0, len(every), _CHUNK)]


# -- digests ----------------------------------------------------------------------------------------


def collecting(connection: Connection, channel: str, recipient: str, thread: str) -> tuple[int, str] | None:
    """The digest that still gathers there: its id and message."""
    row = connection.execute(
        select(notifications.c.id, notifications.c.message)
        .where(
            text(f"notifications.{OPEN}"), notifications.c.channel == channel,
            notifications.c.recipient == recipient, notifications.c.thread == thread,
            notifications.c.state == NotificationState.COLLECTING.value,
        )
        .order_by(notifications.c.id.desc())
    ).first()  # fmt: skip
    return None if row is None else (row.id, row.message)


def gather(
    connection: Connection, digest_id: int, message: str, severity: Severity, alert_ids: Collection[int]
) -> bool:
    """Rewrites a digest that still gathers; False when it is on its way already."""
    changed = connection.execute(
        update(notifications)
        .where(notifications.c.id == digest_id, notifications.c.state == NotificationState.COLLECTING.value)
        .values(message=message, severity=severity.value)
    )
    if changed.rowcount != 1:
        return False
    links = [{"notification_id": digest_id, "alert_id": alert} for alert in dict.fromkeys(alert_ids)]
    _insert_new(connection, notification_alerts, links)
    return True


# -- by hand, and by the clock ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A notification that was given up. `fell_back` tells whether another channel was told instead."""

    id: int
    at: datetime
    channel: str
    recipient: str
    kind: str
    severity: Severity
    attempts: int
    error: str
    fell_back: bool


def dead_letters(connection: Connection, since: datetime, limit: int = 1000) -> list[DeadLetter]:
    """Notifications given up since a moment, oldest first."""
    fallback = notifications.alias("fallback")
    fell_back = exists().where(fallback.c.fallback_for == notifications.c.id).label("fell_back")
    query = (
        select(notifications, fell_back)
        .where(text("notifications.state = 'dead'"), notifications.c.due >= to_us(since))
        .order_by(notifications.c.id)
        .limit(limit)
    )
    return [
        DeadLetter(
            row.id, from_us(row.due), row.channel, row.recipient, row.kind, Severity(row.severity), row.attempts,
            row.error, bool(row.fell_back),
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def replay(connection: Connection, ids: Collection[int], now: datetime) -> list[int]:
    """Has dead letters sent again, under the same idempotency key, their attempts counted anew; those it did."""
    values = {"state": NotificationState.WAITING.value, "due": to_us(now), "attempts": 0, "error": ""}
    return _move(connection, ids, (NotificationState.DEAD,), values)


def drop(connection: Connection, ids: Collection[int], reason: str) -> list[int]:
    """Has notifications not sent that nobody is sending right now; those it did."""
    values = {"state": NotificationState.DROPPED.value, "error": reason}
    states = (NotificationState.WAITING, NotificationState.COLLECTING, NotificationState.DEAD)
    return _move(connection, ids, states, values)


def _move(
    connection: Connection, ids: Collection[int], states: Iterable[NotificationState], values: Mapping[str, Any]
) -> list[int]:
    moved: list[int] = []
    for chunk in _chunks(ids):
        statement = update(notifications).where(
            notifications.c.id.in_(chunk), notifications.c.state.in_([state.value for state in states])
        )
        moved += connection.execute(statement.values(**values).returning(notifications.c.id)).scalars()
    return sorted(moved)


def due_count(connection: Connection, now: datetime) -> int:
    """How many notifications wait for somebody to send them: those due, but for channels that have to wait and
    channels that somebody is busy with."""
    now_us, channel = to_us(now), notifications.c.channel
    query = select(channel, func.count()).where(text(OPEN), notifications.c.due <= now_us).group_by(channel)
    found = {name: int(count) for name, count in connection.execute(query)}
    if not found:
        return 0
    held = notifications.c.state == NotificationState.SENDING.value
    busy = set(connection.execute(select(channel).where(text(OPEN), held, notifications.c.due > now_us)).scalars())
    states = channels_by_name(connection, found)
    waiting = {name for name, state in states.items() if state.waits_until(now_us) is not None}
    return sum(count for name, count in found.items() if name not in waiting | busy)


def open_count(connection: Connection) -> int:
    """How many notifications are still to be sent; digests that gather do not count."""
    query = select(func.count()).where(text(OPEN), notifications.c.state != NotificationState.COLLECTING.value)
    return int(connection.execute(query).scalar_one())


def next_due(connection: Connection) -> datetime | None:
    """When something is next to be looked at; None when nothing is to be sent."""
    first = connection.execute(select(func.min(notifications.c.due)).where(text(OPEN))).scalar()
    return from_us_or_none(first)


def expire(connection: Connection, before: datetime, limit: int = 1000) -> int:
    """Forgets some notifications that are over and older than a moment, with their attempts; how many."""
    over = [NotificationState.SENT.value, NotificationState.DEAD.value, NotificationState.DROPPED.value]
    query = select(notifications.c.id).where(notifications.c.created < to_us(before), notifications.c.state.in_(over))
    ids = list(connection.execute(query.order_by(notifications.c.id).limit(limit)).scalars())
    for chunk in _chunks(ids):
        for column in (attempts.c.notification_id, notification_alerts.c.notification_id, notifications.c.id):
            connection.execute(delete(column.table).where(column.in_(chunk)))
    return len(ids)
