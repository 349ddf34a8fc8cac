"""The JSON about alerts, silences, people on call, channels and notifications; keys as in `busta --json`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from monitoring_pipeline.records import AlertMode, AlertState, Severity

__all__ = [
    "AlertAnswer",
    "Alerts",
    "Channels",
    "DetailAnswer",
    "DoneAnswer",
    "Muted",
    "Mutes",
    "Notifications",
    "OnCall",
    "Windows",
]

_AT = "2026-11-21T12:03:10.250000Z"
_ALERT: dict[str, Any] = {
    "id": 12, "rule": "api-slow", "source": "orders-api", "name": "Orders API", "check": "", "component": "web",
    "owner": "shop", "severity": "critical", "state": "firing", "mode": "active",
    "summary": "Orders API: p95(response_time_ms, 5m) (812 ms) > 300 ms",
    "text": "p95(response_time_ms, 5m) (812 ms) > 300 ms", "value": 812.0, "unit": "ms",
    "started": "2026-11-21T11:56:00Z", "fired": "2026-11-21T11:58:00Z", "acknowledged": None, "resolved": None,
    "resolution": "", "age_s": 310.25, "count": 1, "flapping": False, "suppressed_by": "", "labels": {},
    "description": "The shop is slow.", "runbook": "https://example.com/runbooks/slow",
    "notifications": {"sent": 2}, "escalation": None,
}  # fmt: skip
_SILENCE: dict[str, Any] = {
    "id": 3, "kind": "silence", "matchers": {"source": ["orders-*"]}, "author": "ana", "reason": "new disk",
    "created": _AT, "starts": _AT, "ends": "2026-11-21T14:03:10Z", "ended_by": "", "active": True,
}  # fmt: skip


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class _Acknowledged(BaseModel):
    at: datetime
    by: str
    until: datetime | None


class _Escalation(BaseModel):
    policy: str
    state: str
    level: int = Field(description="levels told in this round")
    levels: int
    round: int
    next_at: datetime | None


class AlertAnswer(BaseModel):
    """One alert."""

    model_config = _example(**_ALERT)

    id: int
    rule: str
    source: str
    name: str = Field(description="the source's name")
    check: str
    component: str
    owner: str
    severity: Severity
    state: AlertState
    mode: AlertMode
    summary: str
    text: str = Field(description="the condition with its values")
    value: float | None
    unit: str
    started: datetime = Field(description="when the condition began to hold")
    fired: datetime | None = Field(description="when it had lasted long enough")
    acknowledged: _Acknowledged | None
    resolved: datetime | None
    resolution: str
    age_s: float = Field(description="how long it has lasted")
    count: int = Field(description="how often it came back while it was open")
    flapping: bool
    suppressed_by: str = Field(description="what mutes it")
    labels: dict[str, str]
    description: str
    runbook: str
    notifications: dict[str, int] = Field(description="numbers per state")
    escalation: _Escalation | None


class Alerts(BaseModel):
    """Alerts, open ones the worst first."""

    model_config = _example(at=_AT, alerts=[_ALERT])

    at: datetime
    alerts: list[AlertAnswer]


class _Transition(BaseModel):
    at: datetime
    before: AlertState | None
    after: AlertState
    severity: Severity
    reason: str
    text: str
    by: str


class _Note(BaseModel):
    at: datetime
    by: str
    text: str


class _Audited(BaseModel):
    at: datetime
    actor: str
    action: str
    detail: dict[str, Any]


class _Related(BaseModel):
    id: int
    rule: str
    source: str
    severity: Severity
    state: AlertState
    started: datetime
    resolved: datetime | None
    why: str


class _Notification(BaseModel):
    id: int
    created: datetime
    kind: str
    reason: str
    channel: str
    recipient: str
    severity: Severity
    title: str
    state: str
    due: datetime
    attempts: int
    sent: datetime | None
    error: str
    alerts: list[int]
    fallback_for: int | None
    key: str


class _Step(BaseModel):
    at: datetime
    kind: str
    what: str
    text: str
    by: str


class DetailAnswer(AlertAnswer):
    """One alert with everything that belongs to it; `steps` is all that happened, oldest first."""

    model_config = _example(
        **_ALERT, transitions=[], notes=[], audit=[], told=[], related=[],
        steps=[{"at": _AT, "kind": "changed", "what": "new -> firing", "text": "fired", "by": ""}],
    )  # fmt: skip

    transitions: list[_Transition]
    notes: list[_Note]
    audit: list[_Audited]
    told: list[_Notification]
    related: list[_Related]
    steps: list[_Step]


class DoneAnswer(BaseModel):
    """What came of it. Doing something twice changes nothing and is no error."""

    model_config = _example(changed=True, text="alert 12 is acknowledged by ana", alert=_ALERT)

    changed: bool
    text: str
    alert: AlertAnswer


class _Silence(BaseModel):
    id: int
    kind: str
    matchers: dict[str, Any]
    author: str
    reason: str
    created: datetime
    starts: datetime
    ends: datetime | None
    ended_by: str
    active: bool


class Mutes(BaseModel):
    """Silences that mute or will mute."""

    model_config = _example(at=_AT, silences=[_SILENCE])

    at: datetime
    silences: list[_Silence]


class Muted(BaseModel):
    """One silence or maintenance after something was done."""

    model_config = _example(changed=True, text="silence 3 until 2026-11-21 14:03:10 UTC", silence=_SILENCE)

    changed: bool
    text: str
    silence: _Silence


class _Window(BaseModel):
    name: str
    start: datetime
    end: datetime
    open: bool
    sources: dict[str, Any]


class Windows(BaseModel):
    """Maintenance: what was announced, and the next windows of the configuration."""

    model_config = _example(
        at=_AT, announced=[],
        windows=[{"name": "weekly", "start": "2026-11-22T03:00:00Z", "end": "2026-11-22T04:00:00Z", "open": False,
                  "sources": {"component": ["data"]}}],
    )  # fmt: skip

    at: datetime
    announced: list[_Silence]
    windows: list[_Window]


class _Turn(BaseModel):
    rota: str
    person: str = Field(description="empty: nobody")
    name: str
    start: datetime | None
    end: datetime | None
    why: str


class OnCall(BaseModel):
    """Who is on call now, per rota."""

    model_config = _example(
        at=_AT,
        rotas=[{"rota": "primary", "person": "ana", "name": "Ana Example", "start": "2026-11-20T09:00:00Z",
                "end": "2026-11-27T09:00:00Z", "why": "turn"}],
    )  # fmt: skip

    at: datetime
    rotas: list[_Turn]


class _Channel(BaseModel):
    name: str
    kind: str
    enabled: bool
    last_ok: datetime | None = Field(description="when it last proved to work")
    last_failed: datetime | None
    error: str
    failures: int = Field(description="failures in a row")
    tested: datetime | None
    blocked_until: datetime | None
    waiting: int
    dead: int
    self_test_s: float | None


class Channels(BaseModel):
    """How the channels do."""

    model_config = _example(
        at=_AT,
        channels=[{"name": "ops-mail", "kind": "email", "enabled": True, "last_ok": _AT, "last_failed": None,
                   "error": "", "failures": 0, "tested": None, "blocked_until": None, "waiting": 0, "dead": 0,
                   "self_test_s": 86400.0}],
    )  # fmt: skip

    at: datetime
    channels: list[_Channel]


class Notifications(BaseModel):
    """What was told to whom, newest first; never the texts, which may carry links that act."""

    model_config = _example(
        at=_AT,
        notifications=[{"id": 17, "created": _AT, "kind": "firing", "reason": "first", "channel": "ops-mail",
                        "recipient": "ana@example.com", "severity": "critical", "title": "Orders API is slow",
                        "state": "sent", "due": _AT, "attempts": 1, "sent": _AT, "error": "", "alerts": [12],
                        "fallback_for": None, "key": "5f0c"}],
    )  # fmt: skip

    at: datetime
    notifications: list[_Notification]
