"""How an escalation climbs: pure functions from its row and its frozen policy to the row as it should be.

    running ──► exhausted            (the last level of the last round was told)
     ▲  │ ▲        │
     │  ▼ └──────┐ ▼
    paused     acknowledged          (both wait; whatever it was, it ends resolved)

`level` is the number of the level to be told next; it counts from 0.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitoring_pipeline.alerting.spec import EscalationSpec
from monitoring_pipeline.store.escalations import Escalation, EscalationState

__all__ = ["acknowledged", "climbed", "first_due", "is_due", "paused", "resolved", "resumed"]

_US = timedelta(microseconds=1)


def first_due(policy: EscalationSpec, began: datetime) -> datetime:
    """When the first level is told."""
    return began + policy.levels[0].after


def is_due(escalation: Escalation, now: datetime) -> bool:
    """Whether a level is to be told."""
    due = escalation.next_at
    return escalation.state is EscalationState.RUNNING and due is not None and due <= now


def climbed(escalation: Escalation, policy: EscalationSpec, now: datetime, *, reached: bool) -> Escalation:
    """After a level was told. When that reached nobody, the next level of this round need not wait."""
    at, level = escalation.next_at or now, escalation.level
    if level + 1 < len(policy.levels):
        wait = policy.levels[level + 1].after - policy.levels[level].after
        due = at + wait if reached else now
        return replace(escalation, level=level + 1, next_at=due, changed=now)
    if policy.repeat_every is not None and escalation.round < policy.repeats:
        due = at + policy.repeat_every + policy.levels[0].after
        return replace(escalation, round=escalation.round + 1, level=0, next_at=due, changed=now)
    return replace(escalation, level=level + 1, state=EscalationState.EXHAUSTED, next_at=None, changed=now)


def acknowledged(escalation: Escalation, until: datetime | None, now: datetime) -> Escalation:
    """Somebody works on all of it, until a moment or without end."""
    return replace(escalation, state=EscalationState.ACKNOWLEDGED, next_at=until, remaining=None, changed=now)


def paused(escalation: Escalation, policy: EscalationSpec, now: datetime) -> Escalation:
    """What fires is muted: what was left of the wait is kept."""
    if escalation.state is EscalationState.ACKNOWLEDGED:
        escalation = resumed(escalation, policy, now)
    due = escalation.next_at
    left = None if due is None else max(timedelta(0), due - now) // _US
    return replace(escalation, state=EscalationState.PAUSED, next_at=None, remaining=left, changed=now)


def resumed(escalation: Escalation, policy: EscalationSpec, now: datetime) -> Escalation:
    """It fires again.

    After a pause the clock goes on where it stood. After an acknowledgement the level that was told last
    is told again, and the others follow at their distances.
    """
    if escalation.state is EscalationState.PAUSED:
        return _unpaused(escalation, now)
    running = replace(escalation, state=EscalationState.RUNNING, next_at=now, remaining=None, changed=now)
    if escalation.level > 0:
        return replace(running, level=escalation.level - 1, resumed=escalation.resumed + 1)
    if escalation.round > 0:
        last = len(policy.levels) - 1
        return replace(running, round=escalation.round - 1, level=last, resumed=escalation.resumed + 1)
    return replace(running, next_at=max(now, first_due(policy, escalation.started)))


def _unpaused(escalation: Escalation, now: datetime) -> Escalation:
    if escalation.remaining is None:
        return replace(escalation, state=EscalationState.EXHAUSTED, changed=now)
    due = now + escalation.remaining * _US
    return replace(escalation, state=EscalationState.RUNNING, next_at=due, remaining=None, changed=now)


def resolved(escalation: Escalation, now: datetime) -> Escalation:
    """Nothing fires any more."""
    return replace(escalation, state=EscalationState.RESOLVED, next_at=None, remaining=None, changed=now)
