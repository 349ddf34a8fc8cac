"""Keeps what each group told, and begins the escalation of a group in which something fires."""

from __future__ import annotations

from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.alerting.people import escalation
from monitoring_pipeline.alerting.stage import Batch, Bundle
from monitoring_pipeline.alerting.stages.group import next_message, spec_of
from monitoring_pipeline.records import AlertState
from monitoring_pipeline.store.groups import Group

__all__ = ["record"]


def record(batch: Batch) -> None:
    """Marks the alerts of every bundle as told; those that are over leave their group."""
    for key, bundle in batch.bundles.items():
        group = batch.groups[key]
        if bundle.kind is Kind.FIRING:  # nothing begins while an escalation of the group is open
            _escalate(batch, group, bundle)
        for alert in bundle.alerts:
            member = group.members[alert.id]
            if alert.state is AlertState.RESOLVED:
                group.leave(alert.id)
            else:
                member.told_state, member.told_severity = alert.state, alert.severity
        group.sequence += 1
        group.notified_at = batch.now
        group.flush_at = next_message(group, batch.members(group), spec_of(batch, group), None, batch.now)


def _escalate(batch: Batch, group: Group, bundle: Bundle) -> None:
    policy = spec_of(batch, group).escalation
    if policy is not None and batch.withheld(bundle) is None:
        escalation.begin(batch.connection, group.key, policy, batch.world.plan, batch.now)
