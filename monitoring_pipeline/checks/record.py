"""Records results: the result, what it changes for its check and its source, in one transaction.

A result is taken only from the runner that holds the claim on its slot, so a slot is recorded at
most once whoever executed it, also where a clock that was set back makes it come again. Manual results
belong to no slot and move none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from monitoring_pipeline.checks import breaker as circuit
from monitoring_pipeline.checks.breaker import Breaker
from monitoring_pipeline.checks.health import CheckHealth, of_source
from monitoring_pipeline.checks.slots import Schedule
from monitoring_pipeline.checks.spec import BreakerSpec
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import BreakerState, Result, Skip, Status
from monitoring_pipeline.store import results as hot
from monitoring_pipeline.store import states

__all__ = ["Recorded", "breaker_of", "record"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch of results did: how many were taken, how many came too late or again, and how things stand.

    `touched` are the checks (source, id) whose results counted, `changed` the sources whose status moved.
    """

    taken: int
    refused: int
    touched: frozenset[tuple[str, str]]
    changed: frozenset[str]
    statuses: Mapping[str, Status]
    breakers: Mapping[str, Breaker]


def breaker_of(row: Mapping[str, Any]) -> Breaker:
    """The breaker in a source's row."""
    return Breaker(BreakerState(row["breaker"]), row["unreachable"], row["breaker_until"], row["breaker_opened"])


def record(
    connection: Connection,
    batch: Sequence[Result],
    *,
    runner: str | None,
    schedules: Mapping[str, Schedule],
    spec: BreakerSpec,
    now: datetime,
) -> Recorded:
    """Writes a batch of results inside an open transaction. `runner` is None for manual results."""
    touched = {result.source for result in batch}
    checks = states.check_rows(connection, touched)
    sources = states.source_rows(connection, touched)
    before = {name: dict(row) for name, row in sources.items()}
    counted = [result for result in batch if _counts(result, checks.get(result.key), runner)]
    repeated = _repeated(connection, counted, checks)
    for result in counted:
        _move_check(checks[result.key], result, schedules.get(result.key))
        if result.source in sources:
            _move_breaker(sources[result.source], result, spec)
    changes = _move_sources(checks, sources, to_us(now))
    taken = [result for result in counted if _slot(result) not in repeated]
    hot.insert_results(connection, taken)
    states.update_checks(connection, [checks[key] for key in {result.key for result in counted}])
    states.update_sources(connection, [row for name, row in sources.items() if row != before[name]])
    states.insert_changes(connection, changes)
    return Recorded(
        taken=len(taken),
        refused=len(batch) - len(taken),
        touched=frozenset((result.source, result.check) for result in counted),
        changed=frozenset(change["source"] for change in changes),
        statuses={result.key: result.status for result in counted},
        breakers={name: breaker_of(row) for name, row in sources.items()},
    )


def _counts(result: Result, row: Row | None, runner: str | None) -> bool:
    if row is None:  # its check left the configuration while it ran
        return False
    return result.manual or (row["claimed_by"] == runner and row["claimed_slot"] == to_us(result.slot))


def _repeated(connection: Connection, counted: Sequence[Result], checks: Mapping[str, Row]) -> set[hot.Slot]:
    """Slots that are recorded already: their results say how things are and add nothing to history. A slot comes again
    where the clock was set back, or it was recorded while a configuration was being registered; it is never later than
    the check's last, so no other is looked for."""
    again = [result for result in counted if not result.manual and not _is_later(result, checks[result.key])]
    return hot.recorded_slots(connection, {_slot(result) for result in again})


def _is_later(result: Result, row: Row) -> bool:
    return row["last_slot"] is None or to_us(result.slot) > row["last_slot"]


def _slot(result: Result) -> hot.Slot:
    return result.source, result.check, to_us(result.slot)


def _move_check(row: Row, result: Result, schedule: Schedule | None) -> None:
    finished = to_us(result.finished)
    if not result.manual:
        slot = to_us(result.slot)
        row.update(claimed_by=None, claimed_slot=None, interruptions=0, last_slot=max(slot, row["last_slot"] or slot))
        if schedule is not None:
            row["next_slot"] = schedule.following(slot)
    if row["status"] != result.status.value or row["since"] is None:
        row.update(status=result.status.value, since=finished)
    failed = result.status is Status.CRITICAL
    if result.skipped is None:
        row.update(failures=row["failures"] + 1 if failed else 0, response_time_ms=result.response_time_ms)
    row["last_finished"] = finished
    if result.skipped is not Skip.BREAKER:  # why it could not be reached says more than that it was not tried
        row["message"] = result.message


def _move_breaker(row: Row, result: Result, spec: BreakerSpec) -> None:
    if result.skipped is not None or (result.status is Status.UNKNOWN and not result.unreachable):
        return  # says nothing of the source
    breaker = circuit.after(breaker_of(row), spec, unreachable=result.unreachable, now_us=to_us(result.finished))
    row.update(
        breaker=breaker.state.value, unreachable=breaker.unreachable, breaker_until=breaker.until_us,
        breaker_opened=breaker.opened,
    )  # fmt: skip


def _move_sources(checks: Mapping[str, Row], sources: Mapping[str, Row], now_us: int) -> list[Row]:
    """Recomputes the health of sources from their checks' rows; answers the status changes."""
    by_source: dict[str, list[Row]] = defaultdict(list)
    for row in checks.values():
        by_source[row["source"]].append(row)
    changes = []
    for name, source in sources.items():
        health = of_source(
            [
                CheckHealth(row["check_id"], Status(row["status"]), row["critical"], row["message"])
                for row in by_source[name]
                if row["enabled"]
            ]
        )
        if health.status.value != source["status"] or source["since"] is None:
            changes.append(
                {
                    "source": name, "at": now_us, "before": source["status"], "after": health.status.value,
                    "score": health.score, "reason": health.reason,
                }
            )  # fmt: skip
            source.update(status=health.status.value, since=now_us)
        source.update(score=health.score, reason=health.reason)
    return changes
