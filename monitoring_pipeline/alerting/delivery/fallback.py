"""Which channel is told what another one could not deliver, and in which words.

A dead letter falls back at once. An error or a critical message also falls back before that: after three failed
attempts, or when a failing channel has had it for 15 seconds; the original keeps trying. The idempotency key of
the fallback follows from the original's, so both ways lead to one message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta

from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery.channel import Channel
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store.outbox import Draft
from monitoring_pipeline.store.sending import Claimed

__all__ = ["EARLY_AFTER", "EARLY_ATTEMPTS", "URGENT", "fallback_draft", "fallback_of"]

URGENT = (Severity.ERROR, Severity.CRITICAL)
EARLY_ATTEMPTS = 3
EARLY_AFTER = timedelta(seconds=15)
_REASON = "fallback"


def fallback_of(plan: Plan, name: str, been: Collection[str]) -> str | None:
    """The first usable channel down the chain that was not told before; None where it ends or turns back."""
    seen, channel = {*been, name}, plan.channels.get(name)
    while channel is not None and channel.fallback is not None and channel.fallback not in seen:
        name = channel.fallback
        seen.add(name)
        channel = plan.channels.get(name)
        if channel is not None and channel.enabled:
            return name
    return None


def fallback_draft(
    plan: Plan,
    claimed: Claimed,
    been: Collection[str],
    error: str,
    now: datetime,
    *,
    early: bool,
    alerts: Collection[int] = (),
) -> Draft | None:
    """The notification that tells another channel of the same alerts; None when there is no other.

    A person's address there is used when the plan knows it; otherwise the channel's own recipient is told.
    """
    name = fallback_of(plan, claimed.channel, been)
    if name is None:
        return None
    channel = plan.channels[name]
    if claimed.kind == Kind.RESOLVED and not channel.send_resolved:
        return None
    key = hashlib.sha256(f"{claimed.key} {name}".encode()).hexdigest()[:40]
    return Draft(
        key=key, kind=claimed.kind, reason=_REASON, channel=name, thread=claimed.thread, severity=claimed.severity,
        message=_retold(claimed, key, error, now, early).model_dump_json(), due=now,
        recipient=_address(plan, claimed, channel), alert_ids=tuple(alerts), fallback_for=claimed.id,
    )  # fmt: skip


def _retold(claimed: Claimed, key: str, error: str, now: datetime, early: bool) -> Message:
    word = "has not delivered this yet" if early else "could not deliver this"
    note = f"{claimed.channel} {word}: {error.rstrip('.') or 'no reason is known'}."
    try:
        message = Message.model_validate_json(claimed.message)
    except ValidationError:
        return Message(
            key=key, thread=claimed.thread, kind=Kind(claimed.kind), reason=_REASON, severity=claimed.severity,
            title="A notification could not be read", at=now, note=note,
        )  # fmt: skip
    note = f"{note} {message.note}".strip()
    return message.model_copy(update={"key": key, "reason": _REASON, "note": note})


def _address(plan: Plan, claimed: Claimed, channel: Channel) -> str:
    original = plan.channels.get(claimed.channel)
    if original is None or not (claimed.recipient and original.recipient_field and channel.recipient_field):
        return ""
    for person in plan.people.values():
        if getattr(person, original.recipient_field, "") == claimed.recipient:
            return str(getattr(person, channel.recipient_field, ""))
    return ""
