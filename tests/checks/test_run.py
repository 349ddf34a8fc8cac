"""Serving: who serves when, what is skipped and why, and that trouble stops nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from monitoring_pipeline.checks.check import BoundCheck
from monitoring_pipeline.checks.run import Room, Served, check_now, serve
from monitoring_pipeline.checks.spec import BreakerSpec, ConnectivitySpec, ExecutionSpec
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.records import BreakerState, Source, SourceState, Status
from monitoring_pipeline.store import states
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import results, runners, samples
from tests.checks.scripted import PROBES, bound


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(f"sqlite:///{tmp_path / 'operational.db'}", system_clock())
    yield opened
    opened.close()


@pytest.fixture
def any_store(store_url: str) -> Iterator[OperationalStore]:
    """One of each database, for what depends on it; the rest is the same on both and takes its time."""
    opened = OperationalStore.open(store_url, system_clock())
    yield opened
    opened.close()


def room(store: OperationalStore, *checks: BoundCheck, **execution: object) -> Room:
    sources = {check.source.id: check.source for check in checks}
    return Room(store, list(sources.values()), checks, ExecutionSpec(**execution), system_clock)


async def served(place: Room, seconds: float = 2.5, **options: object) -> Served:
    now = system_clock()
    return await serve(place, now, now + timedelta(seconds=seconds), **options)


async def served_until(condition: Callable[[], object], place: Room, **options: object) -> Served:
    """Serves until a condition holds; then the time of the run is over, by the clock that it sees."""
    hour, now, over = timedelta(hours=1), system_clock(), asyncio.Event()
    seen = replace(place, clock=lambda: system_clock() + hour * over.is_set())
    work = asyncio.ensure_future(serve(seen, now, now + hour, **options))
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)
    over.set()
    return await work


def rows(store: OperationalStore, key: str) -> list:
    source, check = key.split("/")
    with store.read() as connection:
        query = select(results).where(results.c.source == source, results.c.check_id == check)
        return connection.execute(query.order_by(results.c.slot)).all()


def source(store: OperationalStore, name: str) -> SourceState:
    """What is known of a source, also before anybody serves it."""
    with store.read() as connection:
        return states.source_states(connection).get(name) or SourceState(name, Status.UNKNOWN, None, None, "")


async def test_slots_are_executed_recorded_and_summed_up(any_store: OperationalStore) -> None:
    outcome = await served(room(any_store, bound("a", interval="1s"), bound("b", interval="1s", does="refuse")))
    assert outcome.executed == len(rows(any_store, "a/c")) + len(rows(any_store, "b/c")) >= 4
    assert outcome.statuses.keys() == {"healthy", "critical"}
    with any_store.read() as connection:
        assert connection.execute(select(runners)).all() == []
        own = connection.execute(select(samples.c.metric).where(samples.c.source == "monitoring")).scalars()
        assert {"lateness_p99_ms", "cpu_ms_per_check"} <= set(own)


async def test_a_broken_a_hanging_and_a_crashing_check_stop_only_themselves(store: OperationalStore) -> None:
    names = ("answer", "break", "crash", "hang")
    checks = [bound(name, interval="1s", does=name, timeout="300ms") for name in names]
    await served(room(store, *checks))
    statuses = {name: rows(store, f"{name}/c")[0].status for name in names}
    assert statuses == {"answer": "healthy", "break": "unknown", "crash": "unknown", "hang": "critical"}


async def test_a_check_is_skipped_while_its_prerequisite_is_down(store: OperationalStore) -> None:
    first = bound("db", id="connect", interval="1s", does="refuse")
    second = bound("db", id="query", interval="1s", depends_on=["connect"])
    other = bound("app", id="db-too", interval="1s", depends_on=["db/connect"])
    place = room(store, first, second, other)
    await served_until(lambda: all(len(rows(store, key)) > 2 for key in ("db/query", "app/db-too")), place)
    assert {row.status for row in rows(store, "db/connect")} == {"critical"}
    for key in ("db/query", "app/db-too"):
        last = rows(store, key)[-1]
        assert (last.status, last.skipped, last.message) == (
            "unknown",
            "dependency",
            "skipped: db/connect is critical",
        )


async def test_an_open_breaker_skips_keeps_the_status_and_survives_the_run(store: OperationalStore) -> None:
    spec = BreakerSpec(failures=2, backoff="1h")
    check = bound("db", interval="1s", does="refuse")
    await served_until(lambda: source(store, "db").breaker is BreakerState.OPEN, room(store, check, breaker=spec))
    PROBES.clear()
    await served(room(store, check, breaker=spec), 2)
    assert PROBES == []
    last = rows(store, "db/c")[-1]
    assert (last.status, last.skipped) == ("critical", "breaker")
    with store.read() as connection:
        assert states.check_states(connection)["db/c"].message == "connection refused by 127.0.0.1:9"
    assert source(store, "db").breaker is BreakerState.OPEN


async def test_one_trial_closes_the_breaker(store: OperationalStore) -> None:
    spec = BreakerSpec(failures=1, backoff="1s")
    # By the clock, for how long it stays open counts from there.
    await served(room(store, bound("db", interval="1s", does="refuse"), breaker=spec), 2)
    assert source(store, "db").breaker is BreakerState.OPEN
    mended = room(store, bound("db", interval="1s"), breaker=spec)
    await served_until(lambda: source(store, "db").breaker is BreakerState.CLOSED, mended)
    assert source(store, "db").status is Status.HEALTHY


async def test_when_we_are_cut_off_the_source_is_unknown(store: OperationalStore) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    place = room(store, bound("far", interval="1s", does="refuse"), connectivity=ConnectivitySpec(targets=[target]))
    await served_until(lambda: rows(store, "far/c"), place)
    assert rows(store, "far/c")[-1].status == "critical"
    server.close()
    await server.wait_closed()
    before = len(rows(store, "far/c"))
    await served_until(lambda: len(rows(store, "far/c")) > before + 1, place)
    last = rows(store, "far/c")[-1]
    assert (last.status, last.message.split(":")[0]) == (
        "unknown",
        "we are cut off from the network (none of 127.0.0.1",
    )


async def test_statuses_are_told_until_they_were_heard_and_then_no_more(any_store: OperationalStore) -> None:
    heard: list[tuple[str, str]] = []
    refusals = iter([True])

    def tell(found: list) -> None:
        if next(refusals, False):
            raise RuntimeError("the event log is locked")
        heard.extend((state.source, state.status.value) for state in found)

    off = BreakerSpec(enabled=False)
    place = room(any_store, bound("a", interval="1s"), bound("b", interval="1s", does="refuse"), breaker=off)
    await served_until(lambda: len(heard) > 1, place, tell=tell)
    assert heard == [("b", "critical"), ("a", "healthy")]
    await served(place, 2, tell=tell)
    assert len(heard) == 2
    mended = room(any_store, bound("a", interval="1s"), bound("b", interval="1s"), breaker=off)
    await served_until(lambda: len(heard) > 2, mended, tell=tell)
    assert heard[2:] == [("b", "healthy")]


async def test_what_is_being_told_when_a_run_ends_is_not_told_twice(store: OperationalStore) -> None:
    heard: list[str] = []
    place = room(store, bound("a", interval="1s", does="refuse"))
    end = system_clock() + timedelta(seconds=2)

    def tell(found: list) -> None:
        heard.extend(state.source for state in found)
        time.sleep(max(0.0, (end - system_clock()).total_seconds()) + 1)

    await serve(place, system_clock(), end, tell=tell)
    assert heard == ["a"]


def test_the_worst_are_told_first_and_newcomers_that_are_well_last(any_store: OperationalStore) -> None:
    from monitoring_pipeline.checks.registry import register
    from monitoring_pipeline.store.states import mark_told, told_before, untold, update_sources

    wanted = {
        "new": "healthy",
        "back": "healthy",
        "gone": "unknown",
        "slow": "warning",
        "down": "critical",
        "same": "healthy",
    }
    checks = [bound(name) for name in [*wanted, "never-checked"]]
    register(any_store, [check.source for check in checks], checks, system_clock())
    with any_store.write() as connection:
        rows = states.source_rows(connection)
        update_sources(connection, [{**rows[name], "status": status, "since": 1} for name, status in wanted.items()])
        mark_told(connection, {"back": Status.CRITICAL, "same": Status.HEALTHY})
        assert [state.source for state in untold(connection, 10)] == ["down", "slow", "gone", "back", "new"]
        assert set(told_before(connection, 10)) == {"back", "same"}
        states.forget_told(connection)
        assert len(untold(connection, 10)) == 6


async def test_a_run_waits_for_its_turn_while_another_serves_and_none_is_late(any_store: OperationalStore) -> None:
    place, now = room(any_store, bound("a", interval="1s")), system_clock()
    change = now + timedelta(seconds=2)
    first = asyncio.ensure_future(serve(place, now, change))
    await asyncio.sleep(1)
    second = await serve(place, change, change + timedelta(seconds=2))
    assert (await first).executed + second.executed == len(rows(any_store, "a/c"))
    slots = [row.slot for row in rows(any_store, "a/c")]
    assert {later - earlier for earlier, later in pairwise(slots)} == {1_000_000}


async def test_a_run_begins_at_once_when_nobody_serves(store: OperationalStore) -> None:
    now = system_clock()
    outcome = await serve(room(store, bound("a", interval="1s")), now + timedelta(hours=1), now + timedelta(seconds=2))
    assert outcome.executed >= 1


async def test_probes_of_one_source_and_of_all_sources_are_bounded(store: OperationalStore) -> None:
    checks = [bound("one", id=f"c{n}", interval="1s", takes_s=0.4) for n in range(6)]
    PROBES.clear()
    await served(room(store, *checks, per_source=2), 2)
    moments = sorted(at for _, at in PROBES)
    inside = [sum(at <= other < at + 0.39 for other in moments) for at in moments]
    assert max(inside) == 2


async def test_manual_checks_run_now_whatever_the_breaker_says(store: OperationalStore) -> None:
    spec = BreakerSpec(failures=1, backoff="1h")
    await served(room(store, bound("db", interval="1s", does="refuse"), breaker=spec), 2)
    told: list[str] = []
    place = room(store, bound("db", interval="1s"), bound("other"), breaker=spec)
    (result,) = await check_now(place, ["db/c"], on_result=lambda result: told.append(result.key))
    assert (result.status, result.manual, told) == (Status.HEALTHY, True, ["db/c"])
    with store.read() as connection:
        assert states.source_states(connection)["db"].breaker is BreakerState.CLOSED


async def test_a_store_that_is_away_for_a_while_loses_nothing(tmp_path) -> None:
    path = tmp_path / "operational.db"
    opened = OperationalStore.open(f"sqlite:///{path}", system_clock())
    place = room(opened, bound("a", interval="1s"))
    work = asyncio.ensure_future(served(place, 5))
    await asyncio.sleep(1.5)
    with opened.engine.connect() as other:
        other.exec_driver_sql("ALTER TABLE results RENAME TO hidden")
        other.commit()
    await asyncio.sleep(1.5)
    with opened.engine.connect() as other:
        other.exec_driver_sql("ALTER TABLE hidden RENAME TO results")
        other.commit()
    outcome = await work
    assert len(rows(opened, "a/c")) == outcome.executed >= 3
    opened.close()


def test_a_source_has_no_status_before_its_first_result(store: OperationalStore) -> None:
    from monitoring_pipeline.checks.registry import register

    check = bound("a")
    register(store, [Source("a")], [check], system_clock())
    with store.read() as connection:
        assert states.source_states(connection)["a"].status is Status.UNKNOWN
