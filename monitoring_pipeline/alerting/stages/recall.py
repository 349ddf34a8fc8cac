"""Takes back what waits and no longer holds.

What waits for the end of quiet hours and is muted meanwhile: if nobody else was told of it, it counts as never
told and is news again when nothing mutes it any more. And what a digest gathers that is over before it is sent.
"""

from __future__ import annotations

from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.alerting.owed import Owed
from monitoring_pipeline.alerting.people.recipients import Recipient
from monitoring_pipeline.alerting.stage import Batch, Fold, Verdict
from monitoring_pipeline.records import AlertState
from monitoring_pipeline.store import outbox
from monitoring_pipeline.store.outbox import NotificationState
from monitoring_pipeline.store.told import Told, alerts_told, told_of

__all__ = ["recall"]


def recall(batch: Batch) -> None:
    """Drops notifications that wait while all their alerts are muted or over; brings digests up to date."""
    if batch.held and batch.moved:
        _drop_muted(batch)
        _renew_digests(batch)


# -- muted in quiet hours ----------------------------------------------------------------------------


def _drop_muted(batch: Batch) -> None:
    waiting = {told.id for told in batch.held if told.state is NotificationState.WAITING}
    muted = {alert for alert in batch.moved if batch.alerts[alert].state is AlertState.SUPPRESSED}
    if not waiting or not muted:
        return
    about = told_of(batch.connection, muted)
    owed = Owed(batch, [told for told in about if told.id in waiting])
    stale = [told for told in about if told.id in waiting and _is_stale(batch, told) and not owed.ends([told])]
    outbox.drop(batch.connection, [told.id for told in stale], Verdict.MUTED_IN_QUIET_HOURS.value)
    batch.held = [told for told in batch.held if told not in stale]
    for told in stale:
        alerts = [batch.alerts[alert] for alert in sorted(about[told])]
        detail = f"notification {told.id} to {told.channel} was to wait until {told.due:%Y-%m-%d %H:%M:%S} UTC"
        batch.decide(alerts, "recall", Verdict.MUTED_IN_QUIET_HOURS, detail, told.id)
        left = [other for other in about if other not in stale and _tells_of(other, told)]
        for alert in about[told] - {alert for other in left for alert in about[other]}:
            _forget(batch, told, alert)


def _tells_of(other: Told, told: Told) -> bool:
    """Whether a notification is about the same group; which ones a digest is about is not kept."""
    return other.thread == told.thread or other.kind == Kind.DIGEST


def _is_stale(batch: Batch, told: Told) -> bool:
    """Whether nothing that the group of a notification told fires any more."""
    group = batch.groups.get(told.thread)
    found = [] if group is None else [alert for member, alert in batch.members(group) if member.is_told]
    live = (AlertState.FIRING, AlertState.ACKNOWLEDGED)
    return bool(found) and not any(alert.state in live for alert in found)


def _forget(batch: Batch, told: Told, alert: int) -> None:
    group = batch.groups.get(told.thread)
    if group is not None and alert in group.members:
        group.members[alert].told_state = group.members[alert].told_severity = None


# -- digests that gather -----------------------------------------------------------------------------


def _renew_digests(batch: Batch) -> None:
    gathers = {told.id: told for told in batch.held if told.state is NotificationState.COLLECTING}
    for digest, ids in alerts_told(batch.connection, gathers).items():
        moved = [batch.alerts[alert] for alert in ids if alert in batch.moved]
        if not moved:
            continue
        told = gathers[digest]
        over = [alert for alert in moved if alert.state is AlertState.RESOLVED]
        batch.decide(over, "recall", Verdict.RESOLVED_IN_DIGEST, f"before digest {digest} was sent", digest)
        fold = Fold(Recipient(told.channel, told.recipient), told.due, told, over={alert.id for alert in over})
        batch.folds[told.place, told.due] = fold
