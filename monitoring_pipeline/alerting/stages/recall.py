"""Takes back what waits for the end of quiet hours and is muted meanwhile.

If nobody else was told of it, it counts as never told: when nothing mutes it any more, it is news.
"""

from __future__ import annotations

from monitoring_pipeline.alerting.stage import Batch, Verdict
from monitoring_pipeline.records import AlertState
from monitoring_pipeline.store import outbox
from monitoring_pipeline.store.outbox import NotificationState
from monitoring_pipeline.store.told import Told, told_of

__all__ = ["recall"]


def recall(batch: Batch) -> None:
    """Drops notifications that wait while all their alerts are muted or over."""
    waiting = {told.id for told in batch.held if told.state is NotificationState.WAITING}
    muted = {alert.id for alert in batch.alerts.values() if alert.state is AlertState.SUPPRESSED}
    if not waiting or not muted & batch.moved.keys():
        return
    told = told_of(batch.connection, {each for each in muted if each in batch.moved})
    stale = [each for each in told if each.id in waiting and _is_stale(batch, each)]
    outbox.drop(batch.connection, [each.id for each in stale], Verdict.MUTED_IN_QUIET_HOURS.value)
    batch.held = [each for each in batch.held if each not in stale]
    for each in stale:
        alerts = [batch.alerts[alert] for alert in sorted(told[each])]
        detail = f"notification {each.id} to {each.channel} was to wait until {each.due:%Y-%m-%d %H:%M:%S} UTC"
        batch.decide(alerts, "recall", Verdict.MUTED_IN_QUIET_HOURS, detail, each.id)
        left = [other for other in told if other.thread == each.thread and other not in stale]
        for alert in told[each] - {alert for other in left for alert in told[other]}:
            _forget(batch, each, alert)


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
