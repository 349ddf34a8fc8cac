"""Claims of slots between runners: take what is due, and take over what a dead runner left.

A slot is executed at most once. When the runner that claimed it died before its result was recorded,
the slot becomes a gap and the check gets a new slot: its next regular one, or, where that is more
than a minute away, one make-up slot now. A check that is interrupted more than three times in a row
waits longer each time, so that a probe which kills its process cannot keep doing so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping

from monitoring_pipeline.checks.slots import Schedule
from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.records import Gap, GapReason
from monitoring_pipeline.store import slots

__all__ = ["DEAD_AFTER", "Claimed", "claim_due", "release", "take_over"]

DEAD_AFTER = timedelta(seconds=6)
"""A runner whose last heartbeat is older than this is dead."""
_MAKE_UP_FROM_US = 60_000_000
_TOLERATED = 3  # whoever kills our processes hits innocent checks too
_FIRST_PAUSE_US = 60_000_000
_LONGEST_PAUSE_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Claimed:
    """A slot that is now ours."""

    key: str
    slot: datetime


def claim_due(
    connection: Connection,
    runner: str,
    schedules: Mapping[str, Schedule],
    *,
    now: datetime,
    until: datetime,
    limit: int,
) -> list[Claimed]:
    """Claims the slots due up to a moment. Of several overdue slots of a check only the latest is
    executed; the ones before it are recorded as a gap."""
    now_us, claims, gaps = to_us(now), {}, []
    for row in slots.due(connection, until_us=to_us(until), limit=limit):
        key, slot = row["key"], row["next_slot"]
        schedule = schedules.get(key)
        if schedule is None:  # another configuration's check: its own runner will see to it
            continue
        latest = schedule.latest(now_us)
        if latest > slot:
            busy = row["last_finished"] is not None and row["last_finished"] > slot
            gaps.append(_gap(key, slot, latest, schedule, GapReason.BUSY if busy else GapReason.NOT_RUNNING))
            slot = latest
        claims[key] = slot
    slots.claim(connection, runner, claims)
    slots.insert_gaps(connection, gaps)
    return [Claimed(key, from_us(slot)) for key, slot in claims.items()]


def _gap(key: str, first_us: int, before_us: int, schedule: Schedule, reason: GapReason) -> Gap:
    source, check = key.split("/", 1)
    last = schedule.latest(before_us - 1)
    return Gap(
        source, check, from_us(first_us), from_us(max(first_us, last)), schedule.missed(first_us, before_us), reason
    )


def take_over(connection: Connection, me: str, schedules: Mapping[str, Schedule], *, now: datetime) -> int:
    """Frees the claims of dead runners and forgets those; answers how many slots were interrupted."""
    alive = {row["id"] for row in slots.live_runners(connection, since_us=to_us(now - DEAD_AFTER))} | {me}
    dead = slots.runner_ids(connection) - alive
    claims = [row for row in slots.claims_of(connection) if row["claimed_by"] not in alive]
    plan, gaps = {}, []
    for row in claims:
        key, slot, interruptions = row["key"], row["claimed_slot"], row["interruptions"] + 1
        schedule = schedules.get(key)
        following = _after_interruption(schedule, slot, to_us(now), interruptions) if schedule else to_us(now)
        plan[key] = (following, interruptions)
        gaps.append(_interrupted(row, schedule, following))
    slots.reschedule(connection, plan)
    slots.insert_gaps(connection, gaps)
    slots.remove_runners(connection, dead)
    return len(claims)


def _after_interruption(schedule: Schedule, slot_us: int, now_us: int, interruptions: int) -> int:
    if interruptions > _TOLERATED:
        pause_us = min(_FIRST_PAUSE_US * 2 ** min(interruptions - _TOLERATED - 1, 20), _LONGEST_PAUSE_US)
        return schedule.following(now_us + pause_us)
    following = schedule.following(slot_us)
    return now_us if following - now_us > _MAKE_UP_FROM_US else following


def _interrupted(row: RowMapping, schedule: Schedule | None, following_us: int) -> Gap:
    """The slot that was interrupted, and those left out until the next one."""
    slot_us = row["claimed_slot"]
    slots_lost = schedule.missed(slot_us, following_us) if schedule else 1
    last_us = max(slot_us, schedule.latest(following_us - 1)) if schedule else slot_us
    return Gap(
        row["source"], row["check_id"], from_us(slot_us), from_us(last_us), max(1, slots_lost), GapReason.INTERRUPTED
    )


def release(connection: Connection, runner: str) -> None:
    """Gives back the claims a runner has not begun, and forgets it: its slots stay due."""
    claims = slots.claims_of(connection, [runner])
    slots.reschedule(connection, {row["key"]: (row["claimed_slot"], row["interruptions"]) for row in claims})
    slots.remove_runners(connection, [runner])
