"""Alerts as people see them: lists with filters, and one alert with everything that belongs to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from monitoring_pipeline.records import Alert, AlertMode, AlertState, Severity, Source, Transition
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import deliveries
from monitoring_pipeline.store import escalations as escalating
from monitoring_pipeline.store.alerts import AuditEntry
from monitoring_pipeline.store.deliveries import Notified
from monitoring_pipeline.store.escalations import Escalation
from monitoring_pipeline.store.operational import OperationalStore

__all__ = [
    "ACTIVE",
    "AlertDetail",
    "AlertFilter",
    "AlertView",
    "EscalationView",
    "Related",
    "alert_detail",
    "list_alerts",
    "views_of",
]

ACTIVE = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SUPPRESSED)
"""The states of alerts that have fired and are not over."""

_EARLIER = timedelta(days=7)
_MOST = 10_000
_MOST_RELATED = 20


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts; what is empty lets everything through. `team` is the owner of the source."""

    states: tuple[AlertState, ...] = ACTIVE
    severities: tuple[Severity, ...] = ()
    component: str | None = None
    source: str | None = None
    rule: str | None = None
    team: str | None = None
    tag: str | None = None
    since: datetime | None = None
    modes: tuple[AlertMode, ...] = (AlertMode.ACTIVE,)
    fired_only: bool = False

    @property
    def open_only(self) -> bool:
        """Whether only alerts that are not over are wanted."""
        return bool(self.states) and AlertState.RESOLVED not in self.states


@dataclass(frozen=True, slots=True)
class EscalationView:
    """How far telling people has gone: `level` of `levels` was told last, the next is due at `next_at`."""

    policy: str
    state: str
    level: int
    levels: int
    round: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert in a list. `age` is how long it has lasted; `told` counts its notifications by their state."""

    alert: Alert
    name: str
    owner: str
    age: timedelta
    told: Mapping[str, int] = field(default_factory=dict)
    escalation: EscalationView | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """Another alert, and what it has to do with this one."""

    alert: Alert
    why: str


@dataclass(frozen=True, slots=True)
class AlertDetail:
    """One alert with its transitions, what people did and noted, whom it was told, and what may belong to it."""

    view: AlertView
    transitions: tuple[Transition, ...]
    audit: tuple[AuditEntry, ...]
    notifications: tuple[Notified, ...]
    related: tuple[Related, ...]

    @property
    def notes(self) -> tuple[AuditEntry, ...]:
        """What people wrote about it, oldest first."""
        return tuple(entry for entry in self.audit if entry.detail.get("text"))


def list_alerts(
    store: OperationalStore, sources: Sequence[Source], wanted: AlertFilter, now: datetime, limit: int = 200
) -> list[AlertView]:
    """Alerts that pass the filter: open ones the worst first, with resolved ones among them the newest first."""
    with store.read() as connection:
        # Of open alerts the worst must not fall to the limit because they are older.
        most = max(limit, _MOST) if wanted.open_only else limit
        found = stored.find_alerts(
            connection, states=wanted.states, severities=wanted.severities, sources=_sources(sources, wanted),
            component=wanted.component, rule=wanted.rule, modes=wanted.modes, since=wanted.since,
            fired_only=wanted.fired_only, limit=most,
        )  # fmt: skip
        if wanted.open_only:
            found.sort(key=_worst_first)
        return views_of(connection, found[:limit], sources, now)


def _sources(sources: Sequence[Source], wanted: AlertFilter) -> list[str] | None:
    if wanted.source is not None and wanted.team is None and wanted.tag is None:
        return [wanted.source]
    if wanted.team is None and wanted.tag is None:
        return None
    return [
        source.id
        for source in sources
        if wanted.source in (None, source.id)
        and wanted.team in (None, source.owner)
        and (wanted.tag is None or wanted.tag in source.tags)
    ]


_ORDER = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SUPPRESSED, AlertState.PENDING, AlertState.RESOLVED)


def _worst_first(alert: Alert) -> tuple[int, int, datetime, int]:
    return (-alert.severity.rank, _ORDER.index(alert.state), alert.fired or alert.started, alert.id)


def views_of(
    connection: Connection, found: Sequence[Alert], sources: Iterable[Source], now: datetime
) -> list[AlertView]:
    """Alerts with the names of their sources, how long they last, and whom they were told."""
    known = {source.id: source for source in sources}
    ids = [alert.id for alert in found]
    told = deliveries.states_by_alert(connection, ids)
    escalations = _escalations(connection, ids)
    return [
        _view(alert, known.get(alert.source), told.get(alert.id, {}), escalations.get(alert.id), now) for alert in found
    ]


def _view(
    alert: Alert, source: Source | None, told: Mapping[str, int], escalation: Escalation | None, now: datetime
) -> AlertView:
    name = alert.source if source is None else source.name or source.id
    owner = "" if source is None else source.owner
    age = (alert.resolved or now) - (alert.fired or alert.started)
    progress = None if escalation is None else _escalation(escalation)
    return AlertView(alert, name, owner, max(age, timedelta(0)), dict(told), progress)


def _escalations(connection: Connection, ids: Sequence[int]) -> dict[int, Escalation]:
    """The newest escalation about each alert."""
    groups = deliveries.groups_of(connection, ids)
    by_group = escalating.escalations_of(connection, {key for keys in groups.values() for key in keys})
    found: dict[int, Escalation] = {}
    for alert, keys in groups.items():
        own = [each for key in keys for each in by_group[key]]
        if own:
            found[alert] = max(own, key=lambda each: each.id)
    return found


def _escalation(row: Escalation) -> EscalationView:
    return EscalationView(row.policy_name, row.state, row.level, len(_levels(row.policy)), row.round, row.next_at)


def _levels(policy: str) -> Sequence[Any]:
    try:
        levels = json.loads(policy).get("levels", ())
    except (ValueError, AttributeError):
        return ()
    return levels if isinstance(levels, list) else ()


def alert_detail(store: OperationalStore, sources: Sequence[Source], alert_id: int, now: datetime) -> AlertDetail:
    """Everything about one alert. Raises NotFound."""
    with store.read() as connection:
        alert = stored.get_alert(connection, alert_id)
        (view,) = views_of(connection, [alert], sources, now)
        return AlertDetail(
            view,
            tuple(stored.transitions_of(connection, [alert_id])),
            tuple(stored.audit_of(connection, f"alert:{alert_id}")),
            tuple(deliveries.notifications_of(connection, [alert_id])),
            tuple(_related(connection, alert, sources)),
        )


def _related(connection: Connection, alert: Alert, sources: Sequence[Source]) -> list[Related]:
    """What fired while it was open: on the same source and on its neighbours in lineage; and its own past."""
    neighbours = _neighbours(alert.source, sources)
    while_open = stored.find_alerts(
        connection, sources=neighbours, since=alert.started, until=alert.resolved, fired_only=True, limit=_MOST_RELATED
    )
    earlier = stored.find_alerts(
        connection, fingerprint=alert.fingerprint, since=alert.started - _EARLIER, until=alert.started,
        fired_only=True, limit=_MOST_RELATED,
    )  # fmt: skip
    found = {each.id: Related(each, neighbours[each.source]) for each in while_open}
    found.update({each.id: Related(each, "the same, earlier") for each in earlier})
    found.pop(alert.id, None)
    return [found[number] for number in sorted(found, reverse=True)]


def _neighbours(source_id: str, sources: Sequence[Source]) -> dict[str, str]:
    """The source, those it needs and those that need it, with the word for each."""
    found = {source_id: "the same source"}
    for source in sources:
        if source.id == source_id:
            found.update(dict.fromkeys(source.depends_on, f"{source_id} needs it"))
        elif source_id in source.depends_on:
            found[source.id] = f"it needs {source_id}"
    return found
