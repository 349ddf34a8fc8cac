"""What one notification says: plain facts, frozen when its row is written, put into words by a channel."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from monitoring_pipeline.records import AlertState, Severity

__all__ = ["AlertFacts", "Kind", "Message"]


class Kind(StrEnum):
    """What a notification is: the group fires (also anew or worse), all of it is over, somebody acknowledged,
    a reminder, a step of an escalation, a digest of many groups, a test."""

    FIRING = "firing"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    REMINDER = "reminder"
    ESCALATION = "escalation"
    DIGEST = "digest"
    TEST = "test"


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class AlertFacts(_Facts):
    """One alert as a message tells it. `metric`, `unit`, `check` and `threshold` let a channel draw the series."""

    id: int
    rule: str
    source: str
    name: str
    check: str = ""
    component: str = ""
    owner: str = ""
    severity: Severity
    state: AlertState
    summary: str
    text: str
    value: float | None = None
    unit: str = ""
    metric: str = ""
    expected: str = ""
    threshold: float | None = None
    started: datetime
    fired: datetime | None = None
    resolved: datetime | None = None
    acknowledged_by: str = ""
    count: int = 1
    flapping: bool = False
    affects: tuple[str, ...] = ()
    last_change: str = ""
    description: str = ""
    runbook: str = ""
    labels: dict[str, str] = {}
    url: str = ""
    acknowledge_url: str = ""


class Message(_Facts):
    """One message. `title` fits one line; `key` is the idempotency key, `thread` names what belongs together.

    `reason` is the named reason why it is sent now. `alerts` come worst first, at most fifty; `more` counts
    what was left out.
    """

    key: str
    thread: str
    kind: Kind
    reason: str
    title: str
    severity: Severity
    at: datetime
    installation: str = ""
    alerts: tuple[AlertFacts, ...] = ()
    more: int = 0
    level: int = 0
    note: str = ""
    url: str = ""
