"""Escalations in the operational store: which run, how far each has come, and what is due."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, insert, or_, select, update

from monitoring_pipeline.clock import from_us, from_us_or_none, to_us
from monitoring_pipeline.records import Alert, AlertMode, AlertState
from monitoring_pipeline.store.alerts import alerts_by_id
from monitoring_pipeline.store.outbox import NotificationState
from monitoring_pipeline.store.tables import alerts, escalations, groups, memberships, notifications

__all__ = [
    "Escalation",
    "EscalationState",
    "alerts_of",
    "begin_escalation",
    "escalations_of",
    "find_escalations",
    "modes_of",
    "next_due",
    "open_escalations",
    "stirred",
    "told_at",
    "unescalated",
    "update_escalation",
    "without_next_step",
]

_CHUNK = 500
_DROPPED = NotificationState.DROPPED.value


class EscalationState(StrEnum):
    """running: levels are told as they fall due. acknowledged, paused: it waits, because somebody works on it or
    because what fires is muted. exhausted: all levels were told. resolved: it is over.

    All but the last are open: after an acknowledgement that ran out even an exhausted one tells again.
    """

    RUNNING = "running"
    ACKNOWLEDGED = "acknowledged"
    PAUSED = "paused"
    EXHAUSTED = "exhausted"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Escalation:
    """One escalation. `policy` is the policy as JSON, frozen when it began.

    `level` counts the levels told in this round, `round` the rounds before this one, `resumed` how often it went
    on after an acknowledgement. `next_at` is when the next level falls due, or when an acknowledgement runs
    out; None where only the alerts can move it. `remaining` is, while it is paused, what is left until the
    next level, in microseconds.
    """

    id: int
    group: str
    policy_name: str
    policy: str
    state: EscalationState
    started: datetime
    level: int
    round: int
    resumed: int
    next_at: datetime | None
    remaining: int | None
    changed: datetime


def begin_escalation(
    connection: Connection, group: str, name: str, policy: str, first: datetime, now: datetime
) -> bool:
    """Opens an escalation whose first level is due at `first`; False when the group has an open one."""
    if connection.execute(select(escalations.c.id).where(escalations.c.open_key == group)).first() is not None:
        return False
    connection.execute(
        insert(escalations).values(
            group_key=group, open_key=group, policy_name=name, policy=policy, state=EscalationState.RUNNING.value,
            started=to_us(now), level=0, round=0, resumed=0, next_at=to_us(first), remaining=None, changed=to_us(now),
        )
    )  # fmt: skip
    return True


def update_escalation(connection: Connection, escalation: Escalation) -> None:
    """Writes how far an escalation has come; a resolved one is closed."""
    state = escalation.state
    connection.execute(
        update(escalations)
        .where(escalations.c.id == escalation.id)
        .values(
            open_key=None if state is EscalationState.RESOLVED else escalation.group, state=state.value,
            level=escalation.level, round=escalation.round, resumed=escalation.resumed,
            next_at=None if escalation.next_at is None else to_us(escalation.next_at),
            remaining=escalation.remaining, changed=to_us(escalation.changed),
        )
    )  # fmt: skip


def open_escalations(connection: Connection) -> list[Escalation]:
    """All that are not resolved, by id."""
    return _escalations(connection, _ALL.where(escalations.c.open_key.is_not(None)))


def escalations_of(connection: Connection, groups: Iterable[str]) -> dict[str, list[Escalation]]:
    """The escalations of some groups, past ones included, oldest first."""
    wanted = list(groups)
    found: dict[str, list[Escalation]] = {group: [] for group in wanted}
    for start in range(0, len(wanted), _CHUNK):
        for each in _escalations(connection, _ALL.where(escalations.c.group_key.in_(wanted[start : start + _CHUNK]))):
            found[each.group].append(each)
    return found


def find_escalations(
    connection: Connection, *, states: Iterable[EscalationState] = (), limit: int = 200
) -> list[Escalation]:
    """Escalations in some states (all by default), the newest first."""
    query = select(escalations).order_by(escalations.c.id.desc()).limit(limit)
    values = [state.value for state in states]
    return _escalations(connection, query.where(escalations.c.state.in_(values)) if values else query)


def next_due(connection: Connection) -> datetime | None:
    """When the next escalation has something to do by the clock."""
    moment = connection.execute(select(func.min(escalations.c.next_at))).scalar_one()
    return from_us_or_none(moment)


def stirred(connection: Connection, now: datetime) -> list[Escalation]:
    """Open escalations with something to do: one is due, or its alerts are no longer as its state says."""
    waiting = escalations.c.state.in_((EscalationState.ACKNOWLEDGED.value, EscalationState.PAUSED.value))
    return _escalations(
        connection,
        _ALL.where(
            escalations.c.open_key.is_not(None),
            or_(
                escalations.c.next_at <= to_us(now),
                and_(waiting, _has(AlertState.FIRING)),
                and_(escalations.c.state == EscalationState.ACKNOWLEDGED.value, ~_has(AlertState.ACKNOWLEDGED)),
                and_(escalations.c.state == EscalationState.PAUSED.value, ~_has(AlertState.SUPPRESSED)),
                and_(~waiting, ~_has(AlertState.FIRING)),
            ),
        ),
    )


def without_next_step(connection: Connection, before: datetime) -> list[Escalation]:
    """Open escalations that nothing will ever move: running ones without a moment for their next level, and those
    whose moment passed before `before`."""
    lost = and_(escalations.c.state == EscalationState.RUNNING.value, escalations.c.next_at.is_(None))
    query = _ALL.where(escalations.c.open_key.is_not(None), or_(lost, escalations.c.next_at < to_us(before)))
    return _escalations(connection, query)


def unescalated(connection: Connection, routes: Iterable[str], before: datetime) -> dict[str, str]:
    """Groups of some routes, older than a moment, in which an alert that was told fires without an open
    escalation; with the route of each."""
    query = (
        select(groups.c.key, groups.c.route)
        .where(
            groups.c.route.in_(sorted(routes)), groups.c.mode == AlertMode.ACTIVE.value,
            groups.c.created < to_us(before), groups.c.notified_at.is_not(None),
            ~exists().where(escalations.c.open_key == groups.c.key),
            exists().where(
                memberships.c.group_key == groups.c.key, memberships.c.told_state.is_not(None),
                alerts.c.id == memberships.c.alert_id, alerts.c.state == AlertState.FIRING.value,
            ),
        )
        .order_by(groups.c.created, groups.c.key)
    )  # fmt: skip
    return {row.key: row.route for row in connection.execute(query)}


def alerts_of(connection: Connection, keys: Iterable[str]) -> dict[str, list[Alert]]:
    """The alerts of some groups, by id; a group that is gone has none."""
    wanted = list(dict.fromkeys(keys))
    members: dict[str, list[int]] = {key: [] for key in wanted}
    for start in range(0, len(wanted), _CHUNK):
        query = select(memberships.c.group_key, memberships.c.alert_id).where(
            memberships.c.group_key.in_(wanted[start : start + _CHUNK])
        )
        for row in connection.execute(query.order_by(memberships.c.alert_id)):
            members[row.group_key].append(row.alert_id)
    found = alerts_by_id(connection, {each for ids in members.values() for each in ids})
    return {key: [found[each] for each in ids if each in found] for key, ids in members.items()}


def told_at(
    connection: Connection, thread: str, places: Collection[tuple[str, str]], now: datetime
) -> set[tuple[str, str]]:
    """Those of some places (channel and address) for which something of a thread was written in this very moment."""
    query = select(notifications.c.channel, notifications.c.recipient).where(
        notifications.c.channel.in_({channel for channel, _ in places}), notifications.c.thread == thread,
        notifications.c.created == to_us(now), notifications.c.state != _DROPPED,
    )  # fmt: skip
    found = {(row.channel, row.recipient) for row in connection.execute(query)} if places else set()
    return found & set(places)


def modes_of(connection: Connection, keys: Iterable[str]) -> dict[str, AlertMode]:
    """The modes of some groups; those that are gone are left out."""
    wanted = list(dict.fromkeys(keys))
    found: dict[str, AlertMode] = {}
    for start in range(0, len(wanted), _CHUNK):
        query = select(groups.c.key, groups.c.mode).where(groups.c.key.in_(wanted[start : start + _CHUNK]))
        found.update({row.key: AlertMode(row.mode) for row in connection.execute(query)})
    return found


def _has(state: AlertState) -> ColumnElement[bool]:
    """Whether an alert in this state belongs to the escalation's group."""
    return exists().where(
        memberships.c.group_key == escalations.c.open_key, alerts.c.id == memberships.c.alert_id,
        alerts.c.state == state.value,
    )  # fmt: skip


_ALL = select(escalations).order_by(escalations.c.id)


def _escalations(connection: Connection, query: Select[Any]) -> list[Escalation]:
    return [_escalation(dict(row)) for row in connection.execute(query).mappings()]


def _escalation(row: Mapping[str, Any]) -> Escalation:
    return Escalation(
        id=row["id"], group=row["group_key"], policy_name=row["policy_name"], policy=row["policy"],
        state=EscalationState(row["state"]), started=from_us(row["started"]), level=row["level"], round=row["round"],
        resumed=row["resumed"], next_at=from_us_or_none(row["next_at"]),
        remaining=row["remaining"], changed=from_us(row["changed"]),
    )  # fmt: skip
