"""What was told to whom, asked by the stages before they tell something more; digests that still gather."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, select, text

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.store.outbox import OPEN, NotificationState
from monitoring_pipeline.store.tables import notification_alerts, notifications, status_changes

__all__ = ["Told", "alerts_told", "newest_changes", "outstanding", "sent_since", "told_of", "unlink"]

_CHUNK = 500
_OPEN = text(OPEN)  # the words of the partial indexes: without them those would not be used
_COLUMNS = (
    notifications.c.id, notifications.c.thread, notifications.c.kind, notifications.c.channel,
    notifications.c.recipient, notifications.c.state, notifications.c.created, notifications.c.due,
    notifications.c.attempts,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """A notification without its text."""

    id: int
    thread: str
    kind: str
    channel: str
    recipient: str
    state: NotificationState
    created: datetime
    due: datetime
    attempts: int

    @property
    def place(self) -> tuple[str, str]:
        """Where it goes: channel and address."""
        return self.channel, self.recipient

    def is_held(self, now: datetime) -> bool:
        """Whether nobody has tried to send it, and nobody will before a later moment."""
        open_states = (NotificationState.WAITING, NotificationState.COLLECTING)
        return self.state in open_states and self.attempts == 0 and self.due > now


def told_of(connection: Connection, alert_ids: Collection[int]) -> dict[Told, set[int]]:
    """Notifications about some alerts that were not dropped, with those of the alerts they tell of, oldest first."""
    found: dict[Told, set[int]] = {}
    wanted = sorted(alert_ids)
    for start in range(0, len(wanted), _CHUNK):
        query = (
            select(*_COLUMNS, notification_alerts.c.alert_id)
            .join(notification_alerts, notification_alerts.c.notification_id == notifications.c.id)
            .where(notification_alerts.c.alert_id.in_(wanted[start : start + _CHUNK]))
            .where(notifications.c.state != NotificationState.DROPPED.value)
        )
        for row in connection.execute(query):
            found.setdefault(_told(row), set()).add(row.alert_id)
    return dict(sorted(found.items(), key=lambda pair: pair[0].id))


def outstanding(connection: Connection, channels: Collection[str], now: datetime) -> list[Told]:
    """Notifications to some channels that wait for a later moment and that nobody has tried to send, oldest first."""
    states = [NotificationState.WAITING.value, NotificationState.COLLECTING.value]
    query = (
        select(*_COLUMNS)
        .where(notifications.c.channel.in_(sorted(channels)), notifications.c.due > to_us(now))
        .where(notifications.c.state.in_(states), notifications.c.attempts == 0, _OPEN)
        .order_by(notifications.c.id)
    )
    return [_told(row) for row in connection.execute(query)]


def sent_since(
    connection: Connection, channels: Collection[str], since: datetime, kinds: Collection[str]
) -> list[tuple[str, datetime]]:
    """Channel and moment of the notifications of some kinds written after a moment, oldest first.

    The moment of one that waits for a later one is that.
    """
    waits = (notifications.c.state == NotificationState.WAITING.value) & (notifications.c.attempts == 0)
    moment = case((waits & (notifications.c.due > notifications.c.created), notifications.c.due),
                  else_=notifications.c.created)  # fmt: skip
    query = (
        select(notifications.c.channel, moment.label("moment"))
        .where(
            notifications.c.channel.in_(sorted(channels)), notifications.c.created > to_us(since),
            notifications.c.kind.in_(sorted(kinds)), notifications.c.state != NotificationState.DROPPED.value,
        )
        .order_by(moment)
    )  # fmt: skip
    return [(row.channel, from_us(row.moment)) for row in connection.execute(query)]


def alerts_told(connection: Connection, notification_ids: Iterable[int]) -> dict[int, list[int]]:
    """The alerts that some notifications tell of, by notification."""
    found: dict[int, list[int]] = {}
    wanted = list(notification_ids)
    of, alert = notification_alerts.c.notification_id, notification_alerts.c.alert_id
    for start in range(0, len(wanted), _CHUNK):
        query = select(of, alert).where(of.in_(wanted[start : start + _CHUNK])).order_by(of, alert)
        for notification, told in connection.execute(query):
            found.setdefault(notification, []).append(told)
    return found


def unlink(connection: Connection, pairs: Sequence[tuple[int, int]]) -> None:
    """Notifications do not tell of alerts any more."""
    if pairs:
        connection.execute(
            delete(notification_alerts).where(
                notification_alerts.c.notification_id == bindparam("of_notification"),
                notification_alerts.c.alert_id == bindparam("of_alert"),
            ),
            [{"of_notification": notification, "of_alert": alert} for notification, alert in pairs],
        )


def newest_changes(connection: Connection, sources: Collection[str]) -> dict[str, tuple[datetime, str, str]]:
    """When the status of sources changed last, from what and to what."""
    found: dict[str, tuple[datetime, str, str]] = {}
    wanted, table = sorted(sources), status_changes.c
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        newest = select(func.max(table.id)).where(table.source.in_(chunk)).group_by(table.source)
        query = select(table.source, table.at, table.before, table.after).where(table.id.in_(newest))
        found.update({row.source: (from_us(row.at), row.before, row.after) for row in connection.execute(query)})
    return found


def _told(row: Any) -> Told:
    return Told(
        row.id, row.thread, row.kind, row.channel, row.recipient, NotificationState(row.state), from_us(row.created),
        from_us(row.due), row.attempts,
    )  # fmt: skip
