"""Why: everything that happened to one alert, in its order, out of what was kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitoring_pipeline.records import Transition
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import deliveries
from monitoring_pipeline.store.alerts import AuditEntry, Decision
from monitoring_pipeline.store.deliveries import Attempted, Notified
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["Step", "changed", "explain_alert"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `kind` is changed, done (by a person), decided, told or tried."""

    at: datetime
    kind: str
    what: str
    text: str = ""
    by: str = ""


def explain_alert(store: OperationalStore, alert_id: int) -> list[Step]:
    """All that is known of an alert, oldest first. Raises NotFound."""
    with store.read() as connection:
        stored.get_alert(connection, alert_id)
        told = deliveries.notifications_of(connection, [alert_id])
        channels = {each.id: each for each in told}
        steps = [
            *(changed(each) for each in stored.transitions_of(connection, [alert_id])),
            *(_done(each) for each in stored.audit_of(connection, f"alert:{alert_id}")),
            *(_decided(each) for each in stored.decisions_of(connection, [alert_id])),
            *(_told(each) for each in told),
            *(_tried(each, channels[each.notification]) for each in deliveries.attempts_of(connection, channels)),
        ]
    return sorted(steps, key=lambda step: (step.at, _ORDER.index(step.kind)))


_ORDER = ("done", "changed", "decided", "told", "tried")


def changed(each: Transition) -> Step:
    """One transition as a step."""
    before = "new" if each.before is None else each.before.value
    what = f"{before} -> {each.after}" if before != each.after else f"still {each.after}, {each.severity}"
    return Step(each.at, "changed", what, ": ".join(filter(None, (_words(each.reason), each.text))), each.by)


def _done(each: AuditEntry) -> Step:
    facts = [f"{name} {value}" for name, value in each.detail.items() if name != "text"]
    return Step(each.at, "done", _words(each.action), ", ".join([*facts, str(each.detail.get("text", ""))]).strip(", "),
                each.actor)  # fmt: skip


def _decided(each: Decision) -> Step:
    return Step(each.at, "decided", f"{each.stage}: {_words(each.verdict)}", each.detail)


def _told(each: Notified) -> Step:
    to = f"{each.channel} {each.recipient}".strip()
    error = f" ({each.error})" if each.error else ""
    return Step(each.created, "told", f"{each.kind} to {to}", f"{_words(each.reason)}: {each.state}{error}")


def _tried(each: Attempted, notification: Notified) -> Step:
    code = "" if each.code is None else f" {each.code}"
    what = f"{notification.channel}: {each.outcome}{code}"
    return Step(each.at, "tried", what, f"{each.detail} in {each.duration_ms:.0f} ms".strip())


def _words(text: str) -> str:
    return text.replace("_", " ")
