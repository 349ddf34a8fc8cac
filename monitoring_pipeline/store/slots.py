"""Slots in the operational store: who executes which check when, exactly once.

Each check has one row with the slot that is due next and, while somebody executes it, who that is.
A runner is one process serving slots; its row lives as long as it heartbeats. All functions take the
connection of an open transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, select, update

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Gap
from monitoring_pipeline.store.tables import checks, gaps, runners

__all__ = [
    "claim",
    "claims_of",
    "due",
    "far_ahead",
    "insert_gaps",
    "live_runners",
    "register_runner",
    "remove_runners",
    "reschedule",
    "runner_ids",
]


def register_runner(
    connection: Connection, runner: str, *, now_us: int, serves_until_us: int, host: str, pid: int
) -> None:
    """Says that a runner is alive: adds its row, or moves its heartbeat."""
    moved = connection.execute(
        update(runners).where(runners.c.id == runner).values(heartbeat=now_us, serves_until=serves_until_us)
    )
    if moved.rowcount == 0:
        connection.execute(
            insert(runners).values(
                id=runner, started=now_us, heartbeat=now_us, serves_until=serves_until_us, host=host, pid=pid
            )
        )


def live_runners(connection: Connection, *, since_us: int) -> Sequence[RowMapping]:
    """The runners that heartbeat since a moment."""
    return connection.execute(select(runners).where(runners.c.heartbeat >= since_us)).mappings().all()


def runner_ids(connection: Connection) -> set[str]:
    """All runners that have a row, alive or not."""
    return set(connection.execute(select(runners.c.id)).scalars())


def remove_runners(connection: Connection, ids: Iterable[str]) -> None:
    """Forgets runners."""
    connection.execute(delete(runners).where(runners.c.id.in_(list(ids))))


def due(connection: Connection, *, until_us: int, limit: int) -> Sequence[RowMapping]:
    """Unclaimed checks whose next slot lies at or before a moment, oldest first."""
    columns = (checks.c.key, checks.c.next_slot, checks.c.last_slot, checks.c.last_finished)
    query = (
        select(*columns)
        .where(checks.c.next_slot <= until_us, checks.c.claimed_by.is_(None), checks.c.enabled)
        .order_by(checks.c.next_slot)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def far_ahead(connection: Connection, *, now_us: int) -> dict[str, int]:
    """Next slots (microseconds, by check) that lie more than an interval ahead, as after a clock was set
    back, and those of all cron checks. Checks that wait because they were interrupted are not meant."""
    query = select(checks.c.key, checks.c.next_slot).where(
        checks.c.claimed_by.is_(None),
        checks.c.interruptions == 0,
        checks.c.next_slot > now_us + func.coalesce(checks.c.interval_us, 0),
    )
    return {row.key: row.next_slot for row in connection.execute(query)}


_CLAIM = (
    update(checks)
    .where(checks.c.key == bindparam("of"), checks.c.claimed_by.is_(None))
    .values(claimed_slot=bindparam("slot"), claimed_by=bindparam("runner"))
)


def claim(connection: Connection, runner: str, slots: Mapping[str, int]) -> None:
    """Makes slots (microseconds by check key) a runner's own."""
    if slots:
        connection.execute(_CLAIM, [{"of": key, "slot": slot, "runner": runner} for key, slot in slots.items()])


def claims_of(connection: Connection, owners: Iterable[str] | None = None) -> Sequence[RowMapping]:
    """The claims of some runners, or all claims."""
    query = select(
        checks.c.key, checks.c.source, checks.c.check_id, checks.c.claimed_slot, checks.c.claimed_by,
        checks.c.interruptions,
    ).where(checks.c.claimed_by.is_not(None))  # fmt: skip
    if owners is not None:
        query = query.where(checks.c.claimed_by.in_(list(owners)))
    return connection.execute(query).mappings().all()


_RESCHEDULE = (
    update(checks)
    .where(checks.c.key == bindparam("of"))
    .values(next_slot=bindparam("slot"), claimed_slot=None, claimed_by=None, interruptions=bindparam("interrupted"))
)


def reschedule(connection: Connection, slots: Mapping[str, tuple[int, int]]) -> None:
    """Frees checks and sets their next slot: (slot in microseconds, interruptions) by key."""
    if slots:
        rows = [{"of": key, "slot": slot, "interrupted": count} for key, (slot, count) in slots.items()]
        connection.execute(_RESCHEDULE, rows)


def insert_gaps(connection: Connection, found: Sequence[Gap]) -> None:
    """Records slots that nobody executed."""
    if not found:
        return
    rows = [
        {
            "source": gap.source, "check_id": gap.check, "start": to_us(gap.start), "end": to_us(gap.end),
            "slots": gap.slots, "reason": gap.reason.value,
        }
        for gap in found
    ]  # fmt: skip
    connection.execute(insert(gaps), rows)
