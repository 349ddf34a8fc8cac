"""Escalation: while nobody acknowledges, the next level is told. Every step is in the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.store import escalations as stored

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.stage import World

__all__ = ["audit_escalations", "begin", "next_due", "step"]

next_due = stored.next_due


def begin(connection: Connection, group_key: str, policy_name: str, plan: Plan, now: datetime) -> bool:
    """Opens the escalation of a group with a copy of the policy as it is now.

    False, and nothing happens, when the group has an open one or there is no such policy.
    """
    policy = plan.escalations.get(policy_name)
    if policy is None:
        return False
    first = now + policy.levels[0].after
    return stored.begin_escalation(connection, group_key, policy_name, policy.model_dump_json(), first, now)


def step(connection: Connection, world: World, now: datetime) -> int:
    """Takes every step that is due; answers how many notifications were written."""
    return 0


def audit_escalations(connection: Connection, world: World, now: datetime) -> list[str]:
    """Repairs open escalations without a live next step, and says so in sentences."""
    return []
