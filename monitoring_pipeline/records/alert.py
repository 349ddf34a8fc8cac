"""Alerts: what a rule found about one source, from its first doubt to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = ["Alert", "AlertMode", "AlertState", "Severity", "Transition"]


class Severity(StrEnum):
    """How bad it is, for whoever is told."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info up to 3 for critical."""
        return _SEVERITIES.index(self)


_SEVERITIES = list(Severity)


class AlertState(StrEnum):
    """pending: the condition holds, not long enough yet. firing: people are told. acknowledged: somebody
    works on it. suppressed: it fires, and something mutes it. resolved: it is over."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SUPPRESSED = "suppressed"
    RESOLVED = "resolved"

    @property
    def is_active(self) -> bool:
        """Whether it has fired and is not over."""
        return self in (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SUPPRESSED)


class AlertMode(StrEnum):
    """active: as configured. shadow: everything but sending; what would have been sent is kept."""

    ACTIVE = "active"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Alert:
    """One episode of one rule about one subject.

    `fingerprint` names rule and subject; at most one alert of a fingerprint is open at a time.
    `started` is when the condition began to hold, `fired` when that had lasted long enough (None for
    one that never did). `text` is the condition with its values, `value` the number judged. `count`
    tells how often it came back while it was open. `suppressed_by` says what mutes it.
    """

    id: int
    fingerprint: str
    rule: str
    source: str
    check: str
    component: str
    severity: Severity
    state: AlertState
    mode: AlertMode
    started: datetime
    fired: datetime | None = None
    acknowledged: datetime | None = None
    acknowledged_by: str = ""
    acknowledged_until: datetime | None = None
    resolved: datetime | None = None
    resolution: str = ""
    summary: str = ""
    text: str = ""
    value: float | None = None
    count: int = 1
    flapping: bool = False
    suppressed_by: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert changed: its state, or its severity while the state stayed. The row is the queue of the stages."""

    id: int
    alert: int
    at: datetime
    before: AlertState | None
    after: AlertState
    severity: Severity
    reason: str
    text: str = ""
    by: str = ""
