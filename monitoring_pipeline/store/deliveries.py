"""What was told to whom and what came of it, read for people: notifications and attempts."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from monitoring_pipeline.clock import from_us, from_us_or_none, to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.store.tables import (
    attempts,
    memberships,
    notification_alerts,
    notifications,
)

__all__ = [
    "Attempted",
    "Notified",
    "attempts_of",
    "channel_names",
    "find_notifications",
    "get_notification",
    "groups_of",
    "notifications_of",
    "queue_lengths",
    "states_by_alert",
]

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Notified:
    """One notification without its text; `title` is the text's first line, `alerts` the ids it tells of."""

    id: int
    key: str
    created: datetime
    kind: str
    reason: str
    channel: str
    recipient: str
    thread: str
    severity: str
    state: str
    due: datetime
    attempts: int
    sent: datetime | None
    error: str
    fallback_for: int | None
    title: str
    alerts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Attempted:
    """One try to hand a notification to its provider; `code` is the provider's."""

    id: int
    notification: int
    at: datetime
    duration_ms: float
    outcome: str
    code: int | None
    detail: str
    worker: str


# -- notifications -----------------------------------------------------------------------------------


def find_notifications(
    connection: Connection,
    *,
    states: Collection[str] = (),
    channel: str | None = None,
    kind: str | None = None,
    alert: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> list[Notified]:
    """Notifications that fit all filters given, the newest first."""
    query = select(notifications).order_by(notifications.c.id.desc()).limit(limit)
    query = query.where(notifications.c.state.in_(list(states))) if states else query
    for column, wanted in ((notifications.c.channel, channel), (notifications.c.kind, kind)):
        query = query.where(column == wanted) if wanted is not None else query
    if since is not None:
        query = query.where(notifications.c.created >= to_us(since))
    if until is not None:
        query = query.where(notifications.c.created <= to_us(until))
    if alert is not None:
        told = select(notification_alerts.c.notification_id).where(notification_alerts.c.alert_id == alert)
        query = query.where(notifications.c.id.in_(told))
    return _notified(connection, query)


def notifications_of(connection: Connection, alert_ids: Iterable[int]) -> list[Notified]:
    """Notifications that tell of some of these alerts, oldest first."""
    told = select(notification_alerts.c.notification_id).where(notification_alerts.c.alert_id.in_(list(alert_ids)))
    return _notified(connection, select(notifications).where(notifications.c.id.in_(told)).order_by(notifications.c.id))


def get_notification(connection: Connection, notification_id: int) -> Notified:
    """One notification. Raises NotFound."""
    found = _notified(connection, select(notifications).where(notifications.c.id == notification_id))
    if not found:
        newest = connection.execute(select(notifications.c.id).order_by(notifications.c.id.desc()).limit(20)).scalars()
        raise NotFound("notification", str(notification_id), map(str, newest))
    return found[0]


def attempts_of(connection: Connection, notification_ids: Iterable[int]) -> list[Attempted]:
    """All tries to send some notifications, oldest first."""
    query = select(attempts).where(attempts.c.notification_id.in_(list(notification_ids))).order_by(attempts.c.id)
    return [
        Attempted(
            row.id, row.notification_id, from_us(row.at), row.duration_ms, row.outcome, row.code, row.detail, row.worker
        )
        for row in connection.execute(query)
    ]


def states_by_alert(connection: Connection, alert_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many notifications of each state tell of each alert."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    of, state = notification_alerts.c.alert_id, notifications.c.state
    for start in range(0, len(alert_ids), _CHUNK):
        query = (
            select(of, state, func.count())
            .join(notifications, notifications.c.id == notification_alerts.c.notification_id)
            .where(of.in_(alert_ids[start : start + _CHUNK]))
            .group_by(of, state)
        )
        for alert, name, count in connection.execute(query):
            found[alert][name] = count
    return found


def _notified(connection: Connection, query: Select[Any]) -> list[Notified]:
    rows = connection.execute(query).mappings().all()
    told = _alerts_told(connection, [row["id"] for row in rows])
    return [
        Notified(
            row["id"], row["key"], from_us(row["created"]), row["kind"], row["reason"], row["channel"],
            row["recipient"], row["thread"], row["severity"], row["state"], from_us(row["due"]), row["attempts"],
            from_us_or_none(row["sent"]), row["error"], row["fallback_for"], _title(row["message"]),
            told.get(row["id"], ()),
        )
        for row in rows
    ]  # fmt: skip


def _alerts_told(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    of, alert = notification_alerts.c.notification_id, notification_alerts.c.alert_id
    for start in range(0, len(ids), _CHUNK):
        query = select(of, alert).where(of.in_(ids[start : start + _CHUNK])).order_by(of, alert)
        for notification, told in connection.execute(query):
            found[notification] = (*found.get(notification, ()), told)
    return found


def _title(message: str) -> str:
    try:
        return str(json.loads(message).get("title", ""))
    except (ValueError, AttributeError):  # a digest that still gathers has no text yet
        return ""


# -- of channels and groups ---------------------------------------------------------------------------


def queue_lengths(connection: Connection, states: Collection[str]) -> dict[str, dict[str, int]]:
    """How many notifications of some states each channel has."""
    columns = (notifications.c.channel, notifications.c.state)
    query = select(*columns, func.count()).where(notifications.c.state.in_(list(states))).group_by(*columns)
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for channel, state, count in connection.execute(query):
        found[channel][state] = count
    return found


def channel_names(connection: Connection) -> list[str]:
    """The channels through which anything was ever told."""
    return list(connection.execute(select(notifications.c.channel).distinct()).scalars())


def groups_of(connection: Connection, alert_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The keys of the groups that each alert is in."""
    found: dict[int, tuple[str, ...]] = {}
    of, key = memberships.c.alert_id, memberships.c.group_key
    for start in range(0, len(alert_ids), _CHUNK):
        query = select(of, key).where(of.in_(alert_ids[start : start + _CHUNK])).order_by(of, memberships.c.joined)
        for alert, group in connection.execute(query):
            found[alert] = (*found.get(alert, ()), group)
    return found
