"""Looks from outside whether somebody attends to alerts: what sensors ask every few seconds.

While a health-check run serves, everything due is taken within a second; what waits longer has nobody.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from monitoring_pipeline.alerting import pipeline
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import escalations, outbox
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["unattended", "unattended_escalations"]

_PATIENCE = timedelta(seconds=1)
"""How long something may be due before it counts as left alone."""
_IDLE = timedelta(seconds=15)
"""The same for clocks that a busy process may reach late."""


def unattended(store: OperationalStore, now: datetime) -> str:
    """What of alerts waits for somebody, in words; empty when nothing does."""
    with store.read() as connection:
        letters = outbox.due_count(connection, now - _PATIENCE)
        found = [f"{letters} notifications wait to be sent"] if letters else []
        return "; ".join([*found, *_late(connection, now)])


def _late(connection: Connection, now: datetime) -> list[str]:
    clocks = {
        "changes of alerts to be told": (stored.oldest_unhandled(connection), _PATIENCE),
        "groups to be told": (pipeline.next_due(connection, now), _IDLE),
        "alerts to be judged": (stored.next_due(connection), _IDLE),
    }
    return [
        f"{what} wait for {format_duration(timedelta(seconds=round((now - moment).total_seconds())))}"
        for what, (moment, patience) in clocks.items()
        if moment is not None and moment <= now - patience
    ]


def unattended_escalations(store: OperationalStore, now: datetime) -> str:
    """Whether open escalations have no live next step, in words; empty when all have one."""
    with store.read() as connection:
        lost = escalations.without_next_step(connection, now - _IDLE)
    return f"{len(lost)} open escalations have no live next step" if lost else ""
