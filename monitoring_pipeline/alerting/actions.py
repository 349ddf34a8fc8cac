"""What people do to alerts: acknowledge, resolve, note, silence, announce maintenance, stand in.

Each is one call inside the caller's transaction: the change, the transition that the stages hear of, and
the audit row commit together. Doing something twice is no error: the second time changes nothing. What
makes no sense is refused with a sentence that says what would.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from monitoring_pipeline.alerting.selector import Matcher
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import NotFound, Refusal
from monitoring_pipeline.records import Alert, AlertState, Source
from monitoring_pipeline.store import alerts, silences
from monitoring_pipeline.store import overrides as standing_in
from monitoring_pipeline.store.overrides import Override
from monitoring_pipeline.store.silences import Silence, SilenceKind

__all__ = [
    "BY_HAND",
    "Done",
    "Muted",
    "Refusal",
    "StandsIn",
    "acknowledge",
    "end_mute",
    "end_override",
    "matcher_of",
    "mute",
    "note",
    "override",
    "resolve",
    "unacknowledge",
    "verify",
]

BY_HAND = "by_hand"
"""The reason of transitions and resolutions that somebody asked for."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: the alert as it is now, whether anything changed, and a sentence for people."""

    alert: Alert
    changed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Muted:
    """The same of a silence or a maintenance."""

    silence: Silence
    changed: bool
    text: str


@dataclass(frozen=True, slots=True)
class StandsIn:
    """The same of an override of a rota."""

    override: Override
    changed: bool
    text: str


# -- alerts ------------------------------------------------------------------------------------------


def acknowledge(
    connection: Connection, alert_id: int, by: str, now: datetime, *, until: datetime | None = None, text: str = ""
) -> Done:
    """Somebody works on it: nobody is reminded, no escalation goes on, until `until` or its end.

    Raises NotFound, Refusal.
    """
    alert = alerts.get_alert(connection, alert_id)
    _refuse_over(alert, "to acknowledge")
    if alert.state is AlertState.PENDING:
        raise Refusal(
            f"alert {alert.id} has not fired, so nobody was told; "
            f"`busta silences add --from-alert {alert.id}` keeps it quiet if it does"
        )
    if until is not None and until <= now:
        raise Refusal("an acknowledgement must end in the future")
    if alert.state is AlertState.ACKNOWLEDGED and until in (None, alert.acknowledged_until):
        return _remarked(connection, alert, by, now, text)
    _set_acknowledged(connection, alert, by, until, now, text)
    after = alerts.get_alert(connection, alert_id)
    return Done(after, changed=True, text=f"alert {alert.id} is acknowledged by {by}{_until(until)}")


def _set_acknowledged(
    connection: Connection, alert: Alert, by: str, until: datetime | None, now: datetime, text: str
) -> None:
    row = alerts.open_rows(connection, [alert.fingerprint])[alert.fingerprint]
    ends = None if until is None else to_us(until)
    clocks = [each for each in (row["due"], ends) if each is not None]
    alerts.set_state(
        connection, alert.id, state=AlertState.ACKNOWLEDGED.value, acknowledged=to_us(now), acknowledged_by=by,
        acknowledged_until=ends, suppressed_by="", due=min(clocks, default=None),
    )  # fmt: skip
    if alert.state is not AlertState.ACKNOWLEDGED:
        alerts.append_transition(connection, alert, AlertState.ACKNOWLEDGED, "acknowledged", now, text=text, by=by)
    _audit(connection, now, by, "acknowledge", alert, until=until, text=text)


def _remarked(connection: Connection, alert: Alert, by: str, now: datetime, text: str) -> Done:
    if text:
        _audit(connection, now, by, "note", alert, text=text)
    told = f"alert {alert.id} was acknowledged by {alert.acknowledged_by} already"
    return Done(alert, changed=bool(text), text=told + ("; the note was added" if text else ""))


def unacknowledge(connection: Connection, alert_id: int, by: str, now: datetime, *, text: str = "") -> Done:
    """Nobody works on it any more: it fires again. Raises NotFound, Refusal."""
    alert = alerts.get_alert(connection, alert_id)
    _refuse_over(alert, "to take back")
    if not alerts.unacknowledge(connection, alert_id, now, by=by, reason=text):
        return Done(alert, changed=False, text=f"alert {alert.id} is not acknowledged, it is {alert.state}")
    _audit(connection, now, by, "unacknowledge", alert, text=text)
    told = f"alert {alert.id} fires again"
    return Done(alerts.get_alert(connection, alert_id), changed=True, text=told)


def resolve(connection: Connection, alert_id: int, by: str, now: datetime, *, text: str = "") -> Done:
    """It is over because somebody says so. While its rule still holds it comes back as a new alert.

    Raises NotFound.
    """
    alert = alerts.get_alert(connection, alert_id)
    if alert.state is AlertState.RESOLVED:
        return Done(alert, changed=False, text=f"alert {alert.id} was resolved already ({_words(alert.resolution)})")
    alerts.set_state(
        connection, alert.id, state=AlertState.RESOLVED.value, resolved=to_us(now), resolution=BY_HAND,
        open_key=None, suppressed_by="", due=None,
    )  # fmt: skip
    alerts.append_transition(connection, alert, AlertState.RESOLVED, BY_HAND, now, text=text, by=by)
    _audit(connection, now, by, "resolve", alert, text=text)
    told = f"alert {alert.id} is resolved; while {alert.rule} still holds it comes back as a new one"
    return Done(alerts.get_alert(connection, alert_id), changed=True, text=told)


def note(connection: Connection, alert_id: int, by: str, now: datetime, text: str) -> Done:
    """Keeps what somebody found out, at the alert, also after its end. Raises NotFound, Refusal."""
    alert = alerts.get_alert(connection, alert_id)
    if not text.strip():
        raise Refusal("a note needs a text")
    _audit(connection, now, by, "note", alert, text=text.strip())
    return Done(alert, changed=True, text=f"the note was added to alert {alert.id}")


# -- silences and maintenance ------------------------------------------------------------------------


def matcher_of(connection: Connection, alert_id: int) -> Matcher:
    """What means just this alert and its like: the same rule about the same source. Raises NotFound."""
    alert = alerts.get_alert(connection, alert_id)
    return Matcher(source=(alert.source,), rule=(alert.rule,), check=(alert.check,) if alert.check else ())


def verify(matcher: Matcher, sources: Iterable[Source], plan: Plan) -> None:
    """Raises NotFound for a name that nothing has; names with `*` or `?` may mean what is yet to come."""
    known = list(sources)
    rules = [rule.id for rule in plan.rules]
    for what, wanted, names in (
        ("source", matcher.source, [each.id for each in known]),
        ("component", matcher.component, [each.component for each in known]),
        ("tag", matcher.tag, [tag for each in known for tag in each.tags]),
        ("owner", matcher.owner, [each.owner for each in known if each.owner]),
        ("rule", matcher.rule, rules),
    ):
        for name in wanted:
            if name not in names and not set(name) & set("*?["):
                raise NotFound(what, name, sorted(set(names)))


def mute(
    connection: Connection, matcher: Matcher, by: str, now: datetime, *, reason: str,
    kind: SilenceKind = SilenceKind.SILENCE, starts: datetime | None = None, ends: datetime | None = None,
) -> Muted:  # fmt: skip
    """Begins a silence, or a maintenance: what matches does not notify. Raises Refusal."""
    fields, reason = matcher.model_dump(mode="json", exclude_defaults=True), reason.strip()
    _refuse_mute(fields, reason, starts or now, ends, now)
    for each in silences.find(connection, kind=kind, over_since=now):
        if (each.matchers, each.ends, each.reason, each.author) == (fields, ends, reason, by):
            return Muted(each, changed=False, text=f"{kind} {each.id} says that already")
    made = silences.add(
        connection, kind, fields, author=by, reason=reason, now=now, starts=starts, ends=ends
    )  # fmt: skip
    detail = {"kind": kind.value, "matchers": fields, "starts": made.starts, "ends": ends, "reason": reason}
    alerts.note_audit(connection, now, by, f"{kind}_start", f"silence:{made.id}", detail)
    return Muted(made, changed=True, text=f"{kind} {made.id}{_until(ends) or ' until it is ended'}")


def _refuse_mute(fields: dict[str, Any], reason: str, starts: datetime, ends: datetime | None, now: datetime) -> None:
    if not fields:
        raise Refusal("it would mute everything; name sources, components, tags, rules or severities ('*' means all)")
    if not reason:
        raise Refusal("a reason is needed: whoever finds it muted wants to know why")
    if ends is not None and ends <= max(starts, now):
        raise Refusal("it must end in the future, and after it starts")


def end_mute(connection: Connection, silence_id: int, by: str, now: datetime, *, kind: SilenceKind) -> Muted:
    """Ends a silence, or a maintenance, now. Raises NotFound, Refusal."""
    found = silences.get(connection, silence_id)
    if found.kind is not kind:
        command = "busta silences end" if found.kind is SilenceKind.SILENCE else "busta maintenance end"
        raise Refusal(f"{silence_id} is a {found.kind}: `{command} {silence_id}` ends it")
    if not silences.end(connection, silence_id, by, now):
        return Muted(found, changed=False, text=f"{kind} {silence_id} was over already")
    alerts.note_audit(connection, now, by, f"{kind}_end", f"silence:{silence_id}", {})
    return Muted(silences.get(connection, silence_id), changed=True, text=f"{kind} {silence_id} has ended")


# -- on call -----------------------------------------------------------------------------------------


def override(connection: Connection, wanted: Override, plan: Plan, by: str, now: datetime) -> StandsIn:
    """Somebody stands in for whoever's turn it is. Raises NotFound, Refusal."""
    if wanted.rota not in plan.rotas:
        raise NotFound("rota", wanted.rota, plan.rotas)
    if wanted.person not in plan.people:
        raise NotFound("person", wanted.person, plan.people)
    if wanted.end <= max(wanted.start, now):
        raise Refusal("an override must end in the future, and after it begins")
    for each in standing_in.list_overrides(connection, rota=wanted.rota, since=now):
        if (each.person, each.start, each.end) == (wanted.person, wanted.start, wanted.end):
            return StandsIn(each, changed=False, text=f"override {each.id} says that already")
    number = standing_in.add_override(connection, wanted, now)
    detail = {"person": wanted.person, "from": wanted.start, "to": wanted.end, "reason": wanted.reason}
    alerts.note_audit(connection, now, by, "override", f"rota:{wanted.rota}", detail | {"override": number})
    (made,) = [each for each in standing_in.list_overrides(connection, rota=wanted.rota) if each.id == number]
    return StandsIn(made, changed=True, text=f"override {number}: {wanted.person} is on call for {wanted.rota}")


def end_override(connection: Connection, override_id: int, by: str, now: datetime) -> bool:
    """Ends an override now; False when it was over. Raises NotFound."""
    known = {each.id: each.rota for each in standing_in.list_overrides(connection)}
    ended = standing_in.end_override(connection, override_id, now)
    if ended:
        subject = f"rota:{known[override_id]}"
        alerts.note_audit(connection, now, by, "override_end", subject, {"override": override_id})
    return ended


# -- words -------------------------------------------------------------------------------------------


def _refuse_over(alert: Alert, purpose: str) -> None:
    if alert.state is AlertState.RESOLVED:
        raise Refusal(f"alert {alert.id} is over ({_words(alert.resolution)}); there is nothing {purpose}")


def _audit(connection: Connection, now: datetime, by: str, action: str, alert: Alert, **detail: object) -> None:
    kept = {name: value for name, value in detail.items() if value not in (None, "")}
    alerts.note_audit(connection, now, by, action, f"alert:{alert.id}", kept)


def _until(until: datetime | None) -> str:
    return "" if until is None else f" until {until:%Y-%m-%d %H:%M:%S} UTC"


def _words(resolution: str) -> str:
    return resolution.replace("_", " ")
