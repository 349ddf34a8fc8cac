"""Alerts in the operational store: the alerts, their transitions, decisions about them, and who did what."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, insert, or_, select, update

from monitoring_pipeline.clock import from_us, from_us_or_none, to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import Alert, AlertMode, AlertState, Severity, Transition
from monitoring_pipeline.store.tables import alerts, audit, decisions, transitions

__all__ = [
    "AuditEntry",
    "Decision",
    "alerts_by_id",
    "append_transition",
    "append_transitions",
    "audit_of",
    "decide",
    "decisions_about",
    "decisions_of",
    "due_alerts",
    "find_alerts",
    "get_alert",
    "insert_alerts",
    "mark_handled",
    "next_due",
    "note_audit",
    "oldest_unhandled",
    "open_alerts",
    "open_rows",
    "recent_firings",
    "set_state",
    "set_suppressed",
    "set_unsuppressed",
    "transitions_of",
    "unacknowledge",
    "unhandled",
    "update_alerts",
]

Row = dict[str, Any]
_CHUNK = 500
_MOMENTS = ("started", "fired", "acknowledged", "acknowledged_until", "resolved")


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a stage let something pass or held it back; `verdict` is one word, `detail` the words around it."""

    at: datetime
    rule: str
    source: str
    stage: str
    verdict: str
    detail: str = ""
    alert: int | None = None
    notification: int | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody did, when, to what."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    id: int = 0


# -- reading -----------------------------------------------------------------------------------------


def _alert(row: Any) -> Alert:
    moments: dict[str, Any] = {name: from_us_or_none(row[name]) for name in _MOMENTS}
    return Alert(
        id=row["id"], fingerprint=row["fingerprint"], rule=row["rule"], source=row["source"], check=row["check_id"],
        component=row["component"], severity=Severity(row["severity"]), state=AlertState(row["state"]),
        mode=AlertMode(row["mode"]), acknowledged_by=row["acknowledged_by"], resolution=row["resolution"],
        summary=row["summary"], text=row["text"], value=row["value"], count=row["count"],
        flapping=bool(row["flapping"]), suppressed_by=row["suppressed_by"], labels=json.loads(row["labels"]),
        annotations=json.loads(row["annotations"]), **moments,
    )  # fmt: skip


def open_alerts(connection: Connection) -> list[Alert]:
    """All alerts that are not over, pending ones included, by id."""
    return _alerts(connection, select(alerts).where(alerts.c.open_key.is_not(None)).order_by(alerts.c.id))


def alerts_by_id(connection: Connection, ids: Iterable[int]) -> dict[int, Alert]:
    """Some alerts by id; unknown ids are left out."""
    wanted = list(ids)
    found: dict[int, Alert] = {}
    for start in range(0, len(wanted), _CHUNK):
        query = select(alerts).where(alerts.c.id.in_(wanted[start : start + _CHUNK]))
        found.update({alert.id: alert for alert in _alerts(connection, query)})
    return found


def get_alert(connection: Connection, alert_id: int) -> Alert:
    """One alert. Raises NotFound."""
    found = alerts_by_id(connection, [alert_id])
    if alert_id not in found:
        newest = connection.execute(select(alerts.c.id).order_by(alerts.c.id.desc()).limit(20)).scalars()
        raise NotFound("alert", str(alert_id), [str(each) for each in newest])
    return found[alert_id]


def find_alerts(
    connection: Connection,
    *,
    states: Iterable[AlertState] = (),
    severities: Iterable[Severity] = (),
    sources: Iterable[str] | None = None,
    component: str | None = None,
    rule: str | None = None,
    fingerprint: str | None = None,
    modes: Iterable[AlertMode] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    fired_only: bool = False,
    limit: int = 200,
) -> list[Alert]:
    """Alerts that fit all filters given, the newest first.

    `since` and `until` mean alerts that were open at some time between the two.
    """
    query = select(alerts).order_by(alerts.c.id.desc()).limit(limit)
    for column, wanted in ((alerts.c.state, states), (alerts.c.severity, severities), (alerts.c.mode, modes)):
        values = [each.value for each in wanted]
        query = query.where(column.in_(values)) if values else query
    for column, name in (
        (alerts.c.component, component), (alerts.c.rule, rule), (alerts.c.fingerprint, fingerprint),
    ):  # fmt: skip
        query = query.where(column == name) if name is not None else query
    if sources is not None:
        query = query.where(alerts.c.source.in_(list(sources)))
    if since is not None:
        query = query.where(or_(alerts.c.resolved.is_(None), alerts.c.resolved >= to_us(since)))
    if until is not None:
        query = query.where(alerts.c.started <= to_us(until))
    if fired_only:
        query = query.where(alerts.c.fired.is_not(None))
    return _alerts(connection, query)


def _alerts(connection: Connection, query: Select[Any]) -> list[Alert]:
    return [_alert(row) for row in connection.execute(query).mappings()]


# -- the clockwork of their life ---------------------------------------------------------------------


def open_rows(connection: Connection, fingerprints: Iterable[str] | None = None) -> dict[str, Row]:
    """The rows of open alerts by fingerprint, all or those of some fingerprints."""
    base = select(alerts).where(alerts.c.open_key.is_not(None))
    if fingerprints is None:
        return {row["fingerprint"]: dict(row) for row in connection.execute(base).mappings()}
    wanted, found = list(fingerprints), {}
    for start in range(0, len(wanted), _CHUNK):
        query = select(alerts).where(alerts.c.open_key.in_(wanted[start : start + _CHUNK]))
        found.update({row["fingerprint"]: dict(row) for row in connection.execute(query).mappings()})
    return found


def due_alerts(connection: Connection, now: datetime) -> list[str]:
    """Fingerprints of open alerts one of whose clocks has run out."""
    query = select(alerts.c.fingerprint).where(alerts.c.due <= to_us(now), alerts.c.open_key.is_not(None))
    return list(connection.execute(query).scalars())


def next_due(connection: Connection) -> datetime | None:
    """When the next clock of an open alert runs out."""
    moment = connection.execute(select(func.min(alerts.c.due))).scalar_one()
    return from_us_or_none(moment)


def recent_firings(
    connection: Connection, fingerprints: Iterable[str], since: datetime
) -> dict[str, list[tuple[int, int | None]]]:
    """When the alerts of these fingerprints fired and were resolved since then (microseconds), oldest first."""
    found: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    wanted = list(fingerprints)
    for start in range(0, len(wanted), _CHUNK):
        query = (
            select(alerts.c.fingerprint, alerts.c.fired, alerts.c.resolved)
            .where(
                alerts.c.fingerprint.in_(wanted[start : start + _CHUNK]), alerts.c.fired.is_not(None),
                or_(alerts.c.fired >= to_us(since), alerts.c.resolved >= to_us(since)),
            )
            .order_by(alerts.c.id)
        )  # fmt: skip
        for row in connection.execute(query):
            found[row.fingerprint].append((row.fired, row.resolved))
    return found


def insert_alerts(connection: Connection, rows: Sequence[Row]) -> None:
    """Adds alerts and writes their ids into the rows."""
    if not rows:
        return
    connection.execute(insert(alerts), [{name: row[name] for name in _INSERTED} for row in rows])
    ids = {}
    keys = [row["open_key"] for row in rows]
    for start in range(0, len(keys), _CHUNK):
        query = select(alerts.c.open_key, alerts.c.id).where(alerts.c.open_key.in_(keys[start : start + _CHUNK]))
        ids.update({row.open_key: row.id for row in connection.execute(query)})
    for row in rows:
        row["id"] = ids[row["open_key"]]


_INSERTED = tuple(column.name for column in alerts.columns if column.name != "id")
_MOVED = tuple(name for name in _INSERTED if name not in ("fingerprint", "rule", "source", "check_id", "started"))
_UPDATE = update(alerts).where(alerts.c.id == bindparam("of")).values({name: bindparam(name) for name in _MOVED})


def update_alerts(connection: Connection, rows: Sequence[Row]) -> None:
    """Writes what changed in alerts' rows."""
    if rows:
        connection.execute(_UPDATE, [{"of": row["id"], **{name: row[name] for name in _MOVED}} for row in rows])


def set_state(connection: Connection, alert_id: int, **values: Any) -> None:
    """Writes some columns of one alert; moments as microseconds."""
    connection.execute(update(alerts).where(alerts.c.id == alert_id).values(**values))


def set_suppressed(connection: Connection, muted: Iterable[tuple[Alert, str]], now: datetime) -> None:
    """Firing alerts become suppressed, each for its reason."""
    rows = [(alert, reason) for alert, reason in muted if alert.state is AlertState.FIRING]
    if not rows:
        return
    connection.execute(
        update(alerts)
        .where(alerts.c.id == bindparam("of"))
        .values(state=AlertState.SUPPRESSED.value, suppressed_by=bindparam("why")),
        [{"of": alert.id, "why": reason} for alert, reason in rows],
    )
    changes = [_change(alert, AlertState.SUPPRESSED, "suppressed", now, text=reason) for alert, reason in rows]
    append_transitions(connection, changes)


def set_unsuppressed(connection: Connection, free: Iterable[Alert], now: datetime) -> None:
    """Suppressed alerts fire again."""
    rows = [alert for alert in free if alert.state is AlertState.SUPPRESSED]
    if not rows:
        return
    connection.execute(
        update(alerts).where(alerts.c.id == bindparam("of")).values(state=AlertState.FIRING.value, suppressed_by=""),
        [{"of": alert.id} for alert in rows],
    )
    changes = [
        _change(each, AlertState.FIRING, "unmuted", now, text=f"no longer: {each.suppressed_by}") for each in rows
    ]
    append_transitions(connection, changes)


def unacknowledge(connection: Connection, alert_id: int, now: datetime, *, by: str = "", reason: str = "") -> bool:
    """An acknowledged alert fires again; False when it was not acknowledged."""
    alert = alerts_by_id(connection, [alert_id]).get(alert_id)
    if alert is None or alert.state is not AlertState.ACKNOWLEDGED:
        return False
    set_state(
        connection, alert_id, state=AlertState.FIRING.value, acknowledged=None, acknowledged_by="",
        acknowledged_until=None,
    )  # fmt: skip
    append_transitions(connection, [_change(alert, AlertState.FIRING, "unacknowledged", now, by=by, text=reason)])
    return True


# -- transitions -------------------------------------------------------------------------------------


def _change(
    alert: Alert, after: AlertState, reason: str, now: datetime, *, text: str = "", by: str = ""
) -> Row:  # fmt: skip
    return {
        "alert_id": alert.id, "at": to_us(now), "before": alert.state.value, "after": after.value,
        "severity": alert.severity.value, "reason": reason, "text": text, "by": by, "handled": None,
    }  # fmt: skip


def append_transition(
    connection: Connection, alert: Alert, after: AlertState, reason: str, now: datetime, *, text: str = "", by: str = ""
) -> None:
    """An alert changed; the stages will hear of it."""
    append_transitions(connection, [_change(alert, after, reason, now, text=text, by=by)])


def append_transitions(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """The same for rows: alert_id, at (microseconds), before, after, severity, reason, text, by, handled."""
    if rows:
        connection.execute(insert(transitions), list(rows))


def unhandled(connection: Connection, limit: int = 10_000) -> list[Transition]:
    """Transitions that the stages have not taken yet, oldest first."""
    return _transitions(
        connection, select(transitions).where(transitions.c.handled.is_(None)).order_by(transitions.c.id).limit(limit)
    )


def oldest_unhandled(connection: Connection) -> datetime | None:
    """When the oldest transition came about that the stages have not taken yet."""
    moment = connection.execute(select(func.min(transitions.c.at)).where(transitions.c.handled.is_(None))).scalar_one()
    return from_us_or_none(moment)


def mark_handled(connection: Connection, ids: Iterable[int], now: datetime) -> None:
    """The stages took them."""
    rows = [{"of": each} for each in ids]
    if rows:
        connection.execute(
            update(transitions).where(transitions.c.id == bindparam("of")).values(handled=to_us(now)), rows
        )


def transitions_of(connection: Connection, alert_ids: Iterable[int]) -> list[Transition]:
    """How alerts moved, oldest first."""
    query = select(transitions).where(transitions.c.alert_id.in_(list(alert_ids))).order_by(transitions.c.id)
    return _transitions(connection, query)


def _transitions(connection: Connection, query: Select[Any]) -> list[Transition]:
    return [
        Transition(
            row.id, row.alert_id, from_us(row.at), AlertState(row.before) if row.before else None,
            AlertState(row.after), Severity(row.severity), row.reason, row.text, row.by,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


# -- decisions and audit -----------------------------------------------------------------------------


def decide(connection: Connection, found: Iterable[Decision]) -> None:
    """Keeps decisions, so that `explain` can tell them."""
    rows = [
        {
            "at": to_us(each.at), "alert_id": each.alert, "rule": each.rule, "source": each.source,
            "stage": each.stage, "verdict": each.verdict, "detail": each.detail, "notification_id": each.notification,
        }
        for each in found
    ]  # fmt: skip
    if rows:
        connection.execute(insert(decisions), rows)


def decisions_of(connection: Connection, alert_ids: Iterable[int]) -> list[Decision]:
    """Decisions about alerts, oldest first."""
    query = select(decisions).where(decisions.c.alert_id.in_(list(alert_ids))).order_by(decisions.c.id)
    return _decisions(connection, query)


def decisions_about(
    connection: Connection, source: str, since: datetime, until: datetime, limit: int = 1000
) -> list[Decision]:
    """Decisions about a source between two moments, oldest first."""
    query = (
        select(decisions)
        .where(decisions.c.source == source, decisions.c.at.between(to_us(since), to_us(until)))
        .order_by(decisions.c.id)
        .limit(limit)
    )
    return _decisions(connection, query)


def _decisions(connection: Connection, query: Select[Any]) -> list[Decision]:
    return [
        Decision(
            from_us(row.at), row.rule, row.source, row.stage, row.verdict, row.detail, row.alert_id,
            row.notification_id, row.id,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def note_audit(
    connection: Connection, at: datetime, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Keeps who did what to `subject` (`alert:12`, `silence:3`, `rota:primary` ...)."""
    text = json.dumps(dict(detail or {}), ensure_ascii=False, default=str)
    connection.execute(insert(audit).values(at=to_us(at), actor=actor, action=action, subject=subject, detail=text))


def audit_of(connection: Connection, subject: str) -> list[AuditEntry]:
    """What was done to a subject, oldest first."""
    return _entries(connection, select(audit).where(audit.c.subject == subject).order_by(audit.c.id))


def _entries(connection: Connection, query: Select[Any]) -> list[AuditEntry]:
    return [
        AuditEntry(from_us(row.at), row.actor, row.action, row.subject, json.loads(row.detail), row.id)
        for row in connection.execute(query)
    ]
