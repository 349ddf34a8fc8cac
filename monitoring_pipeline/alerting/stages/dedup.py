"""What a group has to say that was not said before, with a named reason; usually nothing.

A message is due when the alerts that fire, are over or acknowledged differ from what the group told last.
An alert that is muted counts as it was told: it neither fires nor is over. An alert that got less severe is
no reason: the next message says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.alerting.stage import Batch, Bundle, Why
from monitoring_pipeline.records import Alert, AlertState
from monitoring_pipeline.store.groups import Group, Member, unmuted_among

__all__ = ["Pairs", "dedup", "is_worse", "news", "reminds"]

Pairs = Sequence[tuple[Member, Alert]]
"""The members of a group with their alerts."""


def dedup(batch: Batch) -> None:
    """Groups whose time has come say what is new."""
    due = [group for group in batch.groups.values() if group.flush_at is not None and group.flush_at <= batch.now]
    pairs = {group.key: batch.members(group) for group in due}
    unmuted = unmuted_among(batch.connection, {alert.id for found in pairs.values() for alert in _new(found)})
    for group in due:
        found = pairs[group.key]
        why = news(group, found, unmuted) or (Why.REMINDER if reminds(found) else None)
        group.flushed_at = batch.now
        if why is not None:
            batch.bundles[group.key] = _bundle(group, why, found)
            batch.decide(batch.bundles[group.key].alerts, "dedup", why, f"group {group.key}")


def news(group: Group, pairs: Pairs, unmuted: Collection[int] = ()) -> Why | None:
    """Why the group has to say something, None if all was said. `unmuted` are alerts that were muted before."""
    new = _new(pairs)
    if new and all(alert.id in unmuted for alert in new):
        return Why.UNMUTED
    if new:
        return Why.FIRST if group.notified_at is None else Why.NEW_ALERTS
    return next(_changes(pairs), None)


def reminds(pairs: Pairs) -> bool:
    """Whether something that was told still fires while nobody has acknowledged it."""
    return any(member.is_told and alert.state is AlertState.FIRING for member, alert in pairs)


def _changes(pairs: Pairs) -> Iterator[Why]:
    """What changed about alerts that were told, the most pressing first."""
    told = [(member, alert) for member, alert in pairs if member.is_told]
    if any(is_worse(member, alert) for member, alert in told):
        yield Why.WORSE
    if any(m.told_state is AlertState.ACKNOWLEDGED and alert.state is AlertState.FIRING for m, alert in told):
        yield Why.UNACKNOWLEDGED
    over = [alert for _, alert in told if alert.state is AlertState.RESOLVED]
    if over:
        yield Why.ALL_RESOLVED if len(over) == len(told) else Why.RESOLVED_SOME
    if any(m.told_state is AlertState.FIRING and alert.state is AlertState.ACKNOWLEDGED for m, alert in told):
        yield Why.ACKNOWLEDGED


def is_worse(member: Member, alert: Alert) -> bool:
    """Whether an alert fires at a worse severity than it was told."""
    told = member.told_severity
    return alert.state is AlertState.FIRING and told is not None and alert.severity.rank > told.rank


def _new(pairs: Pairs) -> list[Alert]:
    """Alerts that fire and were not told. What somebody acknowledged before it was told needs no telling."""
    return [alert for member, alert in pairs if not member.is_told and alert.state is AlertState.FIRING]


def _bundle(group: Group, why: Why, pairs: Pairs) -> Bundle:
    said = [alert for member, alert in pairs if _is_said(member, alert)]
    live = [alert for alert in said if alert.state is not AlertState.RESOLVED]
    severity = max((alert.severity for alert in live or said), key=lambda each: each.rank)
    return Bundle(
        group.key, str(group.sequence + 1), why.value, _kind(why, pairs), severity, tuple(said), group.mode
    )  # fmt: skip


def _is_said(member: Member, alert: Alert) -> bool:
    """Whether the message has an alert: not while it is muted, and its end only if its firing was told."""
    return alert.state in (AlertState.FIRING, AlertState.ACKNOWLEDGED) or (
        alert.state is AlertState.RESOLVED and member.is_told
    )


def _kind(why: Why, pairs: Pairs) -> Kind:
    if why is Why.ALL_RESOLVED:
        return Kind.RESOLVED
    if why is Why.REMINDER:
        return Kind.REMINDER
    fires = any(alert.state is AlertState.FIRING for _, alert in pairs)
    newly = any(m.told_state is AlertState.FIRING and a.state is AlertState.ACKNOWLEDGED for m, a in pairs)
    return Kind.ACKNOWLEDGED if newly and not fires else Kind.FIRING
