"""Recording: one transaction per batch, each slot at most once, and what moves with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from monitoring_pipeline.checks.check import BoundCheck
from monitoring_pipeline.checks.record import Recorded, record
from monitoring_pipeline.checks.registry import register
from monitoring_pipeline.checks.slots import schedule_of
from monitoring_pipeline.checks.spec import BreakerSpec
from monitoring_pipeline.checks.takeover import DEAD_AFTER, Claimed, claim_due, release, take_over
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import BreakerState, GapReason, Result, Sample, Status
from monitoring_pipeline.store import slots, states
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import gaps, results, samples, status_changes
from tests.checks.scripted import bound

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPEC = BreakerSpec(failures=2, backoff="10s")


class Desk:
    """A store with some checks, a clock that tests move, and runners by name."""

    def __init__(self, store: OperationalStore, *checks: BoundCheck) -> None:
        self.store, self.checks, self.now = store, checks, NOW
        self.schedules = {check.key: schedule_of(check) for check in checks}
        self.register()

    def register(self, *checks: BoundCheck) -> None:
        checks = checks or self.checks
        register(self.store, [check.source for check in checks], checks, self.now)

    def alive(self, runner: str) -> None:
        with self.store.write() as connection:
            slots.register_runner(
                connection, runner, now_us=to_us(self.now), serves_until_us=to_us(self.now), host="h", pid=1
            )

    def claim(self, runner: str) -> list[Claimed]:
        with self.store.write() as connection:
            return claim_due(connection, runner, self.schedules, now=self.now, until=self.now, limit=100)

    def take_over(self, runner: str) -> int:
        with self.store.write() as connection:
            return take_over(connection, runner, self.schedules, now=self.now)

    def record(self, runner: str | None, *batch: Result) -> Recorded:
        with self.store.write() as connection:
            return record(connection, batch, runner=runner, schedules=self.schedules, spec=SPEC, now=self.now)

    def result(self, claim: Claimed, status: Status = Status.HEALTHY, **fields: object) -> Result:
        source, check = claim.key.split("/")
        number = Sample(source, "value", self.now, 1.0, "items", check)
        plain = Result(source, check, "scripted", claim.slot, self.now, self.now, status, samples=(number,))
        return replace(plain, **fields)

    def check(self, key: str = "orders/c"):
        with self.store.read() as connection:
            return states.check_states(connection)[key]

    def source(self, key: str = "orders"):
        with self.store.read() as connection:
            return states.source_states(connection)[key]

    def slots(self) -> list[int]:
        with self.store.read() as connection:
            query = select(results.c.slot).where(results.c.source == "orders", results.c.check_id == "c")
            return list(connection.execute(query.order_by(results.c.slot)).scalars())

    def gaps(self) -> list[tuple[str, int]]:
        with self.store.read() as connection:
            return [(row.reason, row.slots) for row in connection.execute(gaps.select().order_by(gaps.c.id))]


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, NOW)
    yield opened
    opened.close()


@pytest.fixture
def desk(store: OperationalStore) -> Desk:
    return Desk(store, bound(interval="60s"))


def test_a_slot_is_claimed_by_one_runner_only(desk: Desk) -> None:
    desk.now += timedelta(seconds=60)
    assert len(desk.claim("a")) == 1
    assert desk.claim("b") == []
    assert desk.claim("a") == []


def test_a_slot_that_comes_again_as_the_clock_is_set_back_is_recorded_once_and_stops_nobody(desk: Desk) -> None:
    desk.now += timedelta(minutes=5)
    for _ in range(3):
        (claim,) = desk.claim("a")
        desk.record("a", desk.result(claim))
        desk.now = claim.slot + timedelta(seconds=60)
    recorded = desk.slots()
    desk.now -= timedelta(minutes=3, seconds=30)
    desk.register()
    for again in range(5):
        desk.now = desk.check().next_slot
        (claim,) = desk.claim("b")
        known = to_us(claim.slot) in recorded
        outcome = desk.record("b", desk.result(claim, Status.CRITICAL))
        assert (outcome.taken, outcome.refused) == ((0, 1) if known else (1, 0)), again
        assert desk.check().status is Status.CRITICAL
    slots_ = desk.slots()
    assert len(slots_) == len(set(slots_)) > len(recorded)


def test_a_result_frees_its_check_for_the_next_slot(desk: Desk) -> None:
    desk.now += timedelta(seconds=60)
    (claim,) = desk.claim("a")
    assert desk.record("a", desk.result(claim)).taken == 1
    assert desk.check().next_slot == claim.slot + timedelta(seconds=60)
    desk.now = claim.slot + timedelta(seconds=60)
    (following,) = desk.claim("b")
    assert following.slot == desk.now


def test_a_slot_is_recorded_once_whoever_comes_again(desk: Desk) -> None:
    desk.now += timedelta(seconds=60)
    (claim,) = desk.claim("a")
    result = desk.result(claim)
    assert desk.record("b", result).refused == 1
    assert desk.record("a", result).taken == 1
    assert desk.record("a", result).refused == 1
    assert desk.slots() == [to_us(claim.slot)]
    with desk.store.read() as connection:
        assert len(connection.execute(samples.select()).all()) == 1


def test_a_dead_runners_slot_becomes_a_gap_and_the_next_one_is_run(desk: Desk) -> None:
    desk.now += timedelta(seconds=60)
    desk.alive("a")
    (lost,) = desk.claim("a")
    desk.alive("b")
    assert desk.take_over("b") == 0
    desk.now += DEAD_AFTER + timedelta(seconds=1)
    assert desk.take_over("b") == 1
    assert desk.gaps() == [(GapReason.INTERRUPTED, 1)]
    assert desk.record("a", desk.result(lost)).refused == 1
    desk.now = lost.slot + timedelta(seconds=60)
    (claim,) = desk.claim("b")
    assert claim.slot == lost.slot + timedelta(seconds=60)
    assert desk.slots() == []


def test_a_long_interval_gets_a_make_up_slot_but_not_for_ever(store: OperationalStore) -> None:
    desk = Desk(store, bound(interval="1d"))
    desk.now = NOW + timedelta(days=1)
    desk.alive("a")
    (lost,) = desk.claim("a")
    waits = []
    for _ in range(6):
        desk.now += DEAD_AFTER + timedelta(seconds=1)
        desk.take_over("b")
        waits.append(desk.check().next_slot - desk.now)
        desk.now = desk.check().next_slot
        assert [claim.slot for claim in desk.claim("a")] == [desk.now]
    assert waits[:3] == [timedelta(0)] * 3
    assert all(wait > timedelta(hours=1) for wait in waits[3:])
    assert lost.slot < desk.now


def test_released_claims_stay_due(desk: Desk) -> None:
    desk.now += timedelta(seconds=60)
    (claim,) = desk.claim("a")
    with desk.store.write() as connection:
        release(connection, "a")
    assert desk.claim("b") == [claim]
    assert desk.gaps() == []


def test_of_many_overdue_slots_the_latest_is_run_and_the_rest_are_a_gap(desk: Desk) -> None:
    first = desk.check().next_slot
    desk.now = first + timedelta(seconds=605)
    (claim,) = desk.claim("a")
    assert claim.slot == first + timedelta(seconds=600)
    assert desk.gaps() == [(GapReason.NOT_RUNNING, 10)]


def test_slots_missed_because_the_check_itself_took_long_are_a_busy_gap(desk: Desk) -> None:
    desk.now += timedelta(seconds=60)
    (claim,) = desk.claim("a")
    desk.now = claim.slot + timedelta(seconds=150)
    desk.record("a", desk.result(claim))
    desk.claim("a")
    assert desk.gaps() == [(GapReason.BUSY, 1)]


def test_status_changes_are_rows_and_only_changes_are(desk: Desk) -> None:
    for status in (Status.HEALTHY, Status.HEALTHY, Status.CRITICAL, Status.CRITICAL, Status.HEALTHY):
        desk.now += timedelta(seconds=60)
        (claim,) = desk.claim("a")
        desk.record("a", desk.result(claim, status, message="" if status is Status.HEALTHY else "refused"))
    with desk.store.read() as connection:
        changes = connection.execute(select(status_changes).order_by(status_changes.c.id)).all()
    assert [(change.before, change.after) for change in changes] == [
        ("unknown", "healthy"),
        ("healthy", "critical"),
        ("critical", "healthy"),
    ]
    assert [change.reason for change in changes] == ["", "c: refused", ""]
    assert to_us(desk.source().since) == changes[-1].at


def test_the_breaker_survives_in_the_store(desk: Desk) -> None:
    for _ in range(2):
        desk.now += timedelta(seconds=60)
        (claim,) = desk.claim("a")
        desk.record("a", desk.result(claim, Status.CRITICAL, unreachable=True))
    assert desk.source().breaker is BreakerState.OPEN
    assert desk.source().breaker_until == desk.now + timedelta(seconds=10)
    desk.now += timedelta(seconds=60)
    (claim,) = desk.claim("a")
    desk.record("a", desk.result(claim))
    assert desk.source().breaker is BreakerState.CLOSED


def test_a_check_that_could_not_be_made_says_nothing_to_the_breaker(desk: Desk) -> None:
    for status, unreachable in ((Status.CRITICAL, True), (Status.UNKNOWN, False), (Status.CRITICAL, True)):
        desk.now += timedelta(seconds=60)
        (claim,) = desk.claim("a")
        desk.record("a", desk.result(claim, status, unreachable=unreachable))
    assert desk.source().breaker is BreakerState.OPEN


def test_a_manual_result_is_recorded_and_moves_no_slot(desk: Desk) -> None:
    before = desk.check().next_slot
    claim = Claimed("orders/c", desk.now)
    assert desk.record(None, desk.result(claim, Status.CRITICAL, manual=True)).taken == 1
    assert desk.check().next_slot == before
    assert desk.source().status is Status.CRITICAL


def test_the_configuration_moves_into_the_store_and_out_of_it(desk: Desk) -> None:
    desk.now += timedelta(seconds=60)
    (claim,) = desk.claim("a")
    desk.record("a", desk.result(claim))
    desk.register(bound(interval="60s"), bound("billing", interval="5m"))
    assert desk.check().status is Status.HEALTHY
    assert desk.source("billing").status is Status.UNKNOWN
    desk.register(bound("billing", interval="10s"))
    assert desk.check("billing/c").next_slot <= desk.now + timedelta(seconds=10)
    with desk.store.read() as connection:
        assert set(states.check_states(connection)) == {"billing/c"}
        assert set(states.source_states(connection)) == {"billing"}


def test_a_clock_set_back_does_not_silence_a_check(desk: Desk) -> None:
    desk.now += timedelta(days=30)
    (claim,) = desk.claim("a")
    desk.record("a", desk.result(claim))
    desk.now -= timedelta(days=30)
    desk.register()
    assert desk.check().next_slot <= desk.now + timedelta(seconds=60)


def test_a_disabled_check_is_not_claimed_and_does_not_count(store: OperationalStore) -> None:
    desk = Desk(store, bound(), bound(id="off", enabled=False))
    desk.now += timedelta(seconds=120)
    claims = desk.claim("a")
    assert [claim.key for claim in claims] == ["orders/c"]
    desk.record("a", desk.result(claims[0]))
    assert desk.source().status is Status.HEALTHY
