"""When a group says something: a new one after `group_wait`, later `group_interval` after its last message.

What is worse than anything told before is said at once. A group with nothing to say is due for its next
reminder. Alerts that were over before anybody was told leave here.
"""

from __future__ import annotations

from datetime import datetime

from monitoring_pipeline.alerting.spec import Route
from monitoring_pipeline.alerting.stage import Batch, Verdict, Why
from monitoring_pipeline.alerting.stages.dedup import Pairs, is_worse, news, reminds
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.records import AlertState
from monitoring_pipeline.store.groups import Group

__all__ = ["group", "next_message", "spec_of"]

_NO_ROUTE = Route(repeat_interval=None)
"""How groups of a route that is no longer configured go on: what was told is told to its end."""


def group(batch: Batch) -> None:
    """Sets the clock of every group."""
    for each in batch.groups.values():
        _let_go(batch, each)
        _follow_clock(each, batch.now)
        pairs = batch.members(each)
        why = news(each, pairs)
        spec = spec_of(batch, each)
        each.flush_at = next_message(each, pairs, spec, why, batch.now)
        _explain(batch, each, pairs, spec, why)


def spec_of(batch: Batch, group: Group) -> Route:
    """The route of a group as it is configured now."""
    return batch.world.routes.get(group.route, _NO_ROUTE)


def next_message(group: Group, pairs: Pairs, spec: Route, why: Why | None, now: datetime) -> datetime | None:
    """When the group says something next, None when it never will as things are."""
    last = group.notified_at
    if why is None:
        due = last is not None and spec.repeat_interval is not None and reminds(pairs)
        return last + spec.repeat_interval if due and last and spec.repeat_interval else None
    if last is None:
        return group.created + spec.group_wait
    return now if _rises(pairs) else last + spec.group_interval


def _rises(pairs: Pairs) -> bool:
    """Whether something fires that is worse than what was told: of the same alert, or of all together."""
    told = max((member.told_severity.rank for member, _ in pairs if member.told_severity is not None), default=-1)
    return any(
        is_worse(member, alert) or (not member.is_told and alert.severity.rank > told)
        for member, alert in pairs
        if alert.state is AlertState.FIRING
    )


def _follow_clock(group: Group, now: datetime) -> None:
    """After a clock was set back nobody waits for the time that it shows twice."""
    group.created = min(group.created, now)
    group.notified_at = None if group.notified_at is None else min(group.notified_at, now)


def _let_go(batch: Batch, group: Group) -> None:
    for alert_id, member in list(group.members.items()):
        alert = batch.alerts.get(alert_id)
        if alert is None:
            group.leave(alert_id)
        elif alert.state is AlertState.RESOLVED and not member.is_told:
            group.leave(alert_id)
            batch.decide([alert], "group", Verdict.NEVER_TOLD, "it was over before anybody was told")


def _explain(batch: Batch, group: Group, pairs: Pairs, spec: Route, why: Why | None) -> None:
    """Why an alert that changed just now is not told now."""
    moved = [alert for _, alert in pairs if alert.id in batch.moved and alert.state is not AlertState.SUPPRESSED]
    if why is None:
        told = [alert for alert in moved if group.members[alert.id].is_told]
        batch.decide(told, "dedup", Verdict.UNCHANGED, f"group {group.key} told that already")
    elif group.flush_at is not None and group.flush_at > batch.now:
        first = group.notified_at is None
        rule = f"group_wait {_text(spec, first=True)}" if first else f"group_interval {_text(spec, first=False)}"
        detail = f"group {group.key} speaks at {group.flush_at:%Y-%m-%d %H:%M:%S} UTC ({rule})"
        batch.decide(moved, "group", Verdict.WAITING, detail)


def _text(spec: Route, *, first: bool) -> str:
    return format_duration(spec.group_wait if first else spec.group_interval)
