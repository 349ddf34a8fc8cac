"""Escalation: while nobody acknowledges, the next level is told.

An escalation begins with a copy of its policy and goes by that copy to its end, whatever becomes of the
configuration. How it climbs is `ladder.py`'s; here its alerts are looked at and people are told, all in
the caller's transaction: a level is told and its successor's moment kept, or neither.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from monitoring_pipeline.alerting.people import ladder
from monitoring_pipeline.alerting.people.steps import LATE, STAGE, Outcome, Steps, Why, text_of
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.records import AlertMode
from monitoring_pipeline.store import escalations as stored
from monitoring_pipeline.store.escalations import Escalation

__all__ = ["STAGE", "Outcome", "Why", "audit_escalations", "begin", "next_due", "step", "without_next_step"]


def begin(connection: Connection, group_key: str, policy_name: str, plan: Plan, now: datetime) -> bool:
    """Opens the escalation of a group with a copy of the policy as it is now.

    False, and nothing happens, when the group has an open one or there is no such policy.
    """
    policy = plan.escalations.get(policy_name)
    if policy is None:
        return False
    first = ladder.first_due(policy, now)
    return stored.begin_escalation(connection, group_key, policy_name, policy.model_dump_json(), first, now)


def next_due(connection: Connection) -> datetime | None:
    """When the next level, or the end of an acknowledgement, is due."""
    return stored.next_due(connection)


def step(connection: Connection, world: World, now: datetime) -> int:
    """Takes every step that is due, and follows the alerts; answers how many notifications were written."""
    stirred = stored.stirred(connection, now)
    if not stirred:
        return 0
    steps = Steps(connection, world, now)
    alerts = stored.alerts_of(connection, [each.group for each in stirred])
    modes = stored.modes_of(connection, alerts)
    for each in stirred:
        steps.take(each, alerts[each.group], modes.get(each.group, AlertMode.ACTIVE))
    return steps.finish()


def without_next_step(connection: Connection, before: datetime) -> int:
    """How many open escalations will never move, or should have moved before a moment."""
    return len(stored.without_next_step(connection, before))


def audit_escalations(connection: Connection, world: World, now: datetime) -> list[str]:
    """Repairs what no step would: lost next steps, and firing alerts whose escalation never began.

    Answers a sentence for each.
    """
    found = [_repair(connection, each, now) for each in stored.without_next_step(connection, now - LATE)]
    routes = {name: route.escalation for name, route in world.routes.items() if route.escalation is not None}
    wanted = routes if world.plan.spec.sending else ()
    for group, route in stored.unescalated(connection, wanted, now - LATE).items():
        policy = routes[route]
        if begin(connection, group, policy, world.plan, now):
            found.append(f"group {group} fires and had no escalation; {policy} began")
        else:
            found.append(f"group {group} fires, and route {route} names an escalation {policy} that does not exist")
    return found


def _repair(connection: Connection, escalation: Escalation, now: datetime) -> str:
    stored.update_escalation(connection, replace(escalation, next_at=now, changed=now))
    lost = "had no next step" if escalation.next_at is None else f"was due at {text_of(escalation.next_at)}"
    return f"escalation {escalation.id} of group {escalation.group} {lost}; it goes on now"
