"""Brings the operational store in line with the configuration: one row per check and per source.

New checks get their first slot, changed schedules a new one, removed checks and sources go (their
history stays in the warehouse). A slot that lies impossibly far ahead, as after a clock set back, is
brought home.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from monitoring_pipeline.checks.check import BoundCheck
from monitoring_pipeline.checks.slots import Schedule, schedule_of
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import BreakerState, Source, Status
from monitoring_pipeline.store import slots, states
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["register"]

_REGISTERED = "configuration.registered"


def register(
    store: OperationalStore,
    sources: Sequence[Source],
    checks: Sequence[BoundCheck],
    now: datetime,
    fingerprint: str = "",
) -> None:
    """Writes what the configuration changed.

    With the `fingerprint` of a configuration that is registered already, only slots are looked at.
    """
    now_us = to_us(now)
    with store.read() as connection:
        known = fingerprint and states.get_meta(connection, _REGISTERED) == fingerprint
        astray = _astray(connection, checks, now_us) if known else {}
    if known and not astray:
        return
    with store.write() as connection:
        if known:
            slots.reschedule(connection, astray)
            return
        _apply(connection, _plan(connection, checks, now_us))
        _register_sources(connection, {source.id for source in sources})
        states.set_meta(connection, _REGISTERED, fingerprint)


def _astray(connection: Connection, checks: Sequence[BoundCheck], now_us: int) -> dict[str, tuple[int, int]]:
    """The right next slot of checks whose slot lies too far ahead, with no interruptions."""
    suspects = slots.far_ahead(connection, now_us=now_us)
    found = {}
    for bound in checks if suspects else ():
        if bound.key in suspects:
            following = schedule_of(bound).following(now_us)
            if suspects[bound.key] > following:
                found[bound.key] = (following, 0)
    return found


Plan = tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]


def _plan(connection: Connection, checks: Sequence[BoundCheck], now_us: int) -> Plan:
    found = states.check_rows(connection)
    added, changed = [], []
    for bound in checks:
        row, schedule = found.pop(bound.key, None), schedule_of(bound)
        wanted = _definition(bound, schedule)
        if row is None:
            added.append({**_fresh(bound), **wanted, "next_slot": schedule.following(now_us)})
            continue
        following = schedule.following(now_us)
        ahead = row["next_slot"] > following and not row["interruptions"]
        moved = row["schedule"] != wanted["schedule"] or ahead
        if moved or any(row[name] != value for name, value in wanted.items()):
            changed.append({"key": bound.key, **wanted, "next_slot": following if moved else row["next_slot"]})
    return added, changed, list(found)


def _definition(bound: BoundCheck, schedule: Schedule) -> dict[str, Any]:
    check = bound.check
    return {
        "kind": check.kind, "critical": check.critical, "enabled": check.enabled, "schedule": schedule.text,
        "interval_us": schedule.interval_us,
    }  # fmt: skip


def _fresh(bound: BoundCheck) -> dict[str, Any]:
    return {
        "key": bound.key, "source": bound.source.id, "check_id": bound.check.id, "claimed_slot": None,
        "claimed_by": None, "interruptions": 0, "status": Status.UNKNOWN.value, "since": None, "last_slot": None,
        "last_finished": None, "response_time_ms": None, "message": "not checked yet", "failures": 0,
    }  # fmt: skip


def _apply(connection: Connection, plan: Plan) -> None:
    added, changed, gone = plan
    states.insert_checks(connection, added)
    states.update_definitions(connection, changed)
    states.drop_checks(connection, gone)


def _register_sources(connection: Connection, wanted: set[str]) -> None:
    found = set(states.source_rows(connection))
    fresh = {
        "status": Status.UNKNOWN.value, "since": None, "score": None, "reason": "not checked yet", "unreachable": 0,
        "breaker": BreakerState.CLOSED.value, "breaker_until": None, "breaker_opened": 0, "told": None,
    }  # fmt: skip
    states.insert_sources(connection, [{"id": name, **fresh} for name in sorted(wanted - found)])
    states.drop_sources(connection, found - wanted)
