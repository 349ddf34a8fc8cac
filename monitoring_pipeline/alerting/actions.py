"""What people do to alerts: acknowledge, resolve, note, silence, announce maintenance, stand in.

Each is one call inside the caller's transaction: the change, the transition that the stages hear of, and
the audit row commit together. Doing something twice is no error: the second time changes nothing. What
makes no sense is refused with a sentence that says what would.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import MonitoringError
from monitoring_pipeline.records import Alert, AlertState
from monitoring_pipeline.store import alerts

__all__ = ["BY_HAND", "Done", "Refusal", "acknowledge", "note", "resolve", "unacknowledge"]

BY_HAND = "by_hand"
"""The reason of transitions and resolutions that somebody asked for."""


class Refusal(MonitoringError):
    """What was asked makes no sense as things are; the text says why and what would."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: the alert as it is now, whether anything changed, and a sentence for people."""

    alert: Alert
    changed: bool
    text: str


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
