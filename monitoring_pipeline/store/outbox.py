"""The outbox in the operational store: notifications, who may send them, every attempt, and how channels do.

A notification's row is written in the transaction that decided on it and updated after it was sent. `due` is
when somebody must look at it next: when it may be sent, or, while it is being sent, when that lease ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store.tables import notification_alerts, notifications

__all__ = ["Draft", "NotificationState", "enqueue"]

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
