"""Brings the operational store in line with the configuration: one row per check and per source.

New checks get their first slot, changed schedules a new one, removed checks and sources go (their
history stays in the warehouse). A slot that lies impossibly far ahead, as after a clock set back, is
brought home.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from monitoring_pipeline.checks.check import BoundCheck
from monitoring_pipeline.checks.slots import Schedule, schedule_of
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import BreakerState, Source, Status
from monitoring_pipeline.store import states
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["register"]


def register(
    store: OperationalStore, sources: Sequence[Source], checks: Sequence[BoundCheck], now: datetime
) -> dict[str, Schedule]:
    """Writes what the configuration changed, and answers the schedule of every enabled check by key."""
    schedules = {bound.key: schedule_of(bound) for bound in checks}
    now_us = to_us(now)
    with store.read() as connection:
        plan = _plan(connection, checks, schedules, now_us)
    with_sources = {source.id for source in sources}
    if any(plan) or _sources_differ(store, with_sources):
        with store.write() as connection:
            _apply(connection, _plan(connection, checks, schedules, now_us))
            _register_sources(connection, with_sources)
    return {bound.key: schedules[bound.key] for bound in checks if bound.check.enabled}


Plan = tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]


def _plan(connection: Connection, checks: Sequence[BoundCheck], schedules: Mapping[str, Schedule], now_us: int) -> Plan:
    found = states.check_rows(connection)
    added, changed = [], []
    for bound in checks:
        row, schedule = found.get(bound.key), schedules[bound.key]
        wanted = _definition(bound, schedule)
        if row is None:
            added.append({**_fresh(bound), **wanted, "next_slot": schedule.following(now_us)})
            continue
        following = schedule.following(now_us)
        moved = row["schedule"] != wanted["schedule"] or row["next_slot"] > following
        if moved or any(row[name] != value for name, value in wanted.items()):
            changed.append({"key": bound.key, **wanted, "next_slot": following if moved else row["next_slot"]})
    gone = [key for key in found if key not in schedules]
    return added, changed, gone


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


def _sources_differ(store: OperationalStore, wanted: set[str]) -> bool:
    with store.read() as connection:
        return set(states.source_rows(connection)) != wanted


def _register_sources(connection: Connection, wanted: set[str]) -> None:
    found = set(states.source_rows(connection))
    fresh = {
        "status": Status.UNKNOWN.value, "since": None, "score": None, "reason": "not checked yet", "unreachable": 0,
        "breaker": BreakerState.CLOSED.value, "breaker_until": None, "breaker_opened": 0,
    }  # fmt: skip
    states.insert_sources(connection, [{"id": name, **fresh} for name in sorted(wanted - found)])
    states.drop_sources(connection, found - wanted)
