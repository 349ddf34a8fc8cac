"""The front door: serves all slots of a stretch of time, or runs some checks by hand.

    serve(room, start, end)    claims the slots as they fall due, probes, records; one process of many
    check_now(room, keys)      probes once, now, and records

Twice a second, and at once when a status moves, one transaction records what finished, says that we
are alive and claims what falls due next. Whatever a probe does, it stops only itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from monitoring_pipeline.checks import breaker as circuit
from monitoring_pipeline.checks.breaker import Breaker
from monitoring_pipeline.checks.check import BoundCheck
from monitoring_pipeline.checks.connectivity import Guard
from monitoring_pipeline.checks.execute import Surroundings, execute, skipped
from monitoring_pipeline.checks.facts import StoreFacts
from monitoring_pipeline.checks.gate import Gate, keep_budget
from monitoring_pipeline.checks.judge import Judge
from monitoring_pipeline.checks.record import Recorded, breaker_of, record
from monitoring_pipeline.checks.registry import register
from monitoring_pipeline.checks.slots import Schedules
from monitoring_pipeline.checks.spec import ExecutionSpec
from monitoring_pipeline.checks.takeover import DEAD_AFTER, Claimed, claim_due, release, take_over
from monitoring_pipeline.clock import Clock, to_us
from monitoring_pipeline.reach.clients import SharedClients
from monitoring_pipeline.records import Result, Sample, Skip, Source, SourceState, Status
from monitoring_pipeline.store import results as hot
from monitoring_pipeline.store import slots, states
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["OWN_SOURCE", "Room", "Served", "check_now", "serve"]

OWN_SOURCE = "monitoring"
"""The source under which we keep samples about ourselves."""
log = structlog.get_logger(__name__)
_TICK_S = 0.5
_HORIZON = timedelta(seconds=1.1)
_CLAIM_LIMIT = 5000
_GATHER_S = 0.05
_HEARTBEAT_S = 1.0
_TAKE_OVER_S = 2.0
_TELL_S = 1.0
_TELL_BATCH = 10
_TELL_SHARE = 0.1
_INTRODUCE_SHARE = 0.01
_STORE_RETRY_S = 1.0
_REACHED = "connectivity.reached"


@dataclass(frozen=True, slots=True)
class Room:
    """What serving needs: the store, what to watch, and how."""

    store: OperationalStore
    sources: Sequence[Source]
    checks: Sequence[BoundCheck]
    execution: ExecutionSpec
    clock: Clock
    redact: Callable[[str], str] = str
    fingerprint: str = ""
    judge: Judge | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What one stretch of serving did. Lateness counts from a slot to the begin of its probe."""

    executed: int = 0
    skipped: int = 0
    refused: int = 0
    interrupted: int = 0
    changes: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    lateness_p50_ms: float = 0.0
    lateness_p99_ms: float = 0.0
    lateness_max_ms: float = 0.0
    cpu_ms_per_check: float = 0.0
    rss_mb: float = 0.0


async def serve(
    room: Room,
    start: datetime,
    end: datetime,
    *,
    tell: Callable[[list[SourceState]], None] | None = None,
) -> Served:
    """Serves the slots from `start` to `end`, beginning at once when nobody else serves.

    `tell` gets sources whose status moved since it was last told, about once a second, in a worker
    thread; what it returns from is not told again. Telling may use a small share of our CPU only, so
    that a storm of changes does not starve the checks: the worst are told first, what flaps is told once.
    """
    async with _surroundings(room) as around:
        return await _Server(room, around, end).serve(start, tell)


async def check_now(
    room: Room, keys: Sequence[str], *, on_result: Callable[[Result], None] | None = None
) -> list[Result]:
    """Runs checks once, now, whatever their schedule, breaker or prerequisites, and records them."""
    wanted = set(keys)
    bound = [check for check in room.checks if check.key in wanted]
    register(room.store, room.sources, room.checks, room.clock(), room.fingerprint)
    _warm_up(bound)
    if room.judge is not None:
        room.judge.load({check.source.id for check in bound})
    gate = Gate(room.execution.concurrency)
    done: list[Result] = []

    async def one(check: BoundCheck) -> None:
        async with gate:
            result = await execute(check, room.clock(), around, manual=True)
        with room.store.write() as connection:
            outcome = record(
                connection, [result], runner=None, schedules={}, spec=room.execution.breaker, now=room.clock()
            )
            _judge(room, connection, outcome, room.clock())
        done.append(result)
        if on_result is not None:
            on_result(result)

    try:
        async with _surroundings(room) as around:
            await asyncio.gather(*(one(check) for check in bound))
    finally:
        if room.judge is not None:
            room.judge.close()
    return done


def _judge(room: Room, connection: Connection, outcome: Recorded | None, now: datetime) -> bool:
    """Lets the judge conclude, inside the transaction; answers whether somebody has to be told."""
    if room.judge is None:
        return False
    touched, changed = (outcome.touched, outcome.changed) if outcome is not None else ((), ())
    return room.judge.judge(connection, touched, changed, now)


def _warm_up(checks: Sequence[BoundCheck]) -> None:
    for bound in checks:
        if bound.check.enabled:
            with contextlib.suppress(Exception):  # the probe will say it
                bound.check.warm_up()


@contextlib.asynccontextmanager
async def _surroundings(room: Room) -> AsyncIterator[Surroundings]:
    clients = SharedClients(room.execution.networks)
    try:
        yield Surroundings(room.clock, clients, StoreFacts(room.store), room.execution.allow_commands, room.redact)
    finally:
        await clients.close()


class _Server:
    """One process serving slots: its claims, its probes under way, and what it has yet to record."""

    def __init__(self, room: Room, around: Surroundings, end: datetime) -> None:
        self.room, self.around, self.end = room, around, end
        self.id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.by_key = {bound.key: bound for bound in room.checks}
        self.schedules = Schedules(self.by_key)
        self.statuses: dict[str, Status] = {}
        self.breakers: dict[str, Breaker] = {}
        self.finished: list[Result] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.moved = asyncio.Event()
        self.gate = Gate(room.execution.concurrency)
        self.per_source: dict[str, Gate] = {}
        self.lateness: list[float] = []
        self.counts: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()
        self.heartbeat_at = self.take_over_at = float("-inf")
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self.one_tells = threading.Lock()
        self.cpu_before = time.process_time()

    async def serve(self, start: datetime, tell: Callable[[list[SourceState]], None] | None) -> Served:
        await self._in_writer(self._load)
        await self._wait_turn(start)
        background = [asyncio.ensure_future(keep_budget(self.gate, self.room.execution))]
        background.append(asyncio.ensure_future(self._know_connectivity()))
        if tell is not None:
            background.append(asyncio.ensure_future(self._tell(tell)))
        stop = asyncio.Event()
        telling = None if self.room.judge is None else asyncio.ensure_future(self.room.judge.work(stop))
        try:
            while self.room.clock() < self.end:
                await self._tick(claiming=True)
                await self._rest()
            await self._drain()
        finally:
            for task in (*background, *self.tasks):
                task.cancel()
            await asyncio.gather(*background, *self.tasks, return_exceptions=True)
            await self._in_writer(self._close)
            stop.set()
            if telling is not None:
                await asyncio.gather(telling, return_exceptions=True)
            self.writer.shutdown()
        if tell is not None:
            await asyncio.to_thread(self._tell_some, tell)
        return self._served()

    async def _in_writer(self, function: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self.writer, function)

    async def _rest(self) -> None:
        """Until the next tick is due, or a status moved since the last one began."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TICK_S):
                await self.moved.wait()
                await asyncio.sleep(_GATHER_S)  # what fails together is recorded together

    def _load(self) -> None:
        now = self.room.clock()
        register(self.room.store, self.room.sources, self.room.checks, now, self.room.fingerprint)
        _warm_up(self.room.checks)
        with self.room.store.read() as connection:
            self.statuses = states.check_statuses(connection)
            self.breakers = {key: breaker_of(row) for key, row in states.source_rows(connection).items()}
            reached = states.get_meta(connection, _REACHED) == "yes"
        self.guard = Guard(self.room.execution.connectivity, ever_reached=reached)
        if self.room.judge is not None:
            self.room.judge.load()
            with self.room.store.write() as connection:  # the first look may be a long one: before the slots
                _judge(self.room, connection, None, now)

    async def _know_connectivity(self) -> None:
        """Learns whether the targets answer at all, so that their silence can mean something later."""
        if self.room.execution.connectivity.targets and not self.guard.ever_reached:
            await self.guard.reach_targets()

    async def _wait_turn(self, start: datetime) -> None:
        """Waits for our stretch, but begins at once when nobody else serves."""
        while (left := (start - self.room.clock()).total_seconds() - _TICK_S) > 0:
            now = self.room.clock()
            with self.room.store.read() as connection:
                live = slots.live_runners(connection, since_us=to_us(now - DEAD_AFTER))
            if not any(row["serves_until"] > to_us(now) for row in live):
                return
            await asyncio.sleep(min(left, 0.5))

    # -- one tick: record, heartbeat, take over, claim ---------------------------------------------

    async def _tick(self, *, claiming: bool) -> None:
        self.moved.clear()
        batch, self.finished = self.finished, []
        try:
            commit = asyncio.get_running_loop().run_in_executor(self.writer, self._commit, batch, claiming)
            outcome, claimed, telling = await commit
        except SQLAlchemyError as error:
            # The store is away or full: keep what is not recorded yet and try again.
            self.finished = batch + self.finished
            log.warning("the operational store refused a batch", error=str(error), results=len(self.finished))
            await asyncio.sleep(_STORE_RETRY_S)
            return
        if outcome is not None:
            self._learn(outcome)
        if telling and self.room.judge is not None:
            self.room.judge.nudge()
        by_slot: dict[datetime, list[BoundCheck]] = defaultdict(list)
        for claim in claimed:
            by_slot[claim.slot].append(self.by_key[claim.key])
        for slot, bounds in by_slot.items():
            self._spawn(self._at_slot(slot, bounds))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _at_slot(self, slot: datetime, bounds: Sequence[BoundCheck]) -> None:
        await asyncio.sleep(max(0.0, (slot - self.room.clock()).total_seconds()))
        for bound in bounds:
            self._spawn(self._run_slot(bound, slot))

    def _commit(self, batch: list[Result], claiming: bool) -> tuple[Recorded | None, list[Claimed], bool]:
        room, now, clock = self.room, self.room.clock(), time.monotonic()
        horizon = min(now + _HORIZON, self.end)
        outcome, claimed = None, []
        beat = clock - self.heartbeat_at >= _HEARTBEAT_S
        if not batch and not beat and not (claiming and self._something_due(horizon)):
            return None, [], False
        with room.store.write() as connection:
            if batch:
                outcome = record(
                    connection, batch, runner=self.id, schedules=self.schedules, spec=room.execution.breaker, now=now
                )
            if beat:
                slots.register_runner(
                    connection, self.id, now_us=to_us(now), serves_until_us=to_us(self.end),
                    host=socket.gethostname(), pid=os.getpid(),
                )  # fmt: skip
            if clock - self.take_over_at >= _TAKE_OVER_S:
                self.counts["interrupted"] += take_over(connection, self.id, self.schedules, now=now)
                self.take_over_at = clock
            if claiming:
                claimed = claim_due(connection, self.id, self.schedules, now=now, until=horizon, limit=_CLAIM_LIMIT)
            judging = bool(batch) or (room.judge is not None and room.judge.is_due(connection, now))
            telling = judging and _judge(room, connection, outcome, now)
        if beat:
            self.heartbeat_at = clock
        return outcome, claimed, telling

    def _something_due(self, horizon: datetime) -> bool:
        with self.room.store.read() as connection:
            return bool(slots.due(connection, until_us=to_us(horizon), limit=1))

    def _learn(self, outcome: Recorded) -> None:
        self.statuses.update(outcome.statuses)
        self.breakers.update(outcome.breakers)
        self.counts["refused"] += outcome.refused
        self.counts["changes"] += len(outcome.changed)

    # -- one slot ----------------------------------------------------------------------------------

    async def _run_slot(self, bound: BoundCheck, slot: datetime) -> None:
        result = self._skip(bound, slot)
        if result is None:
            async with self._source_gate(bound.source.id), self.gate:
                result = await self._probe(bound, slot)
            self.lateness.append(result.lateness_ms)
        self.counts["skipped" if result.skipped else "executed"] += 1
        self.by_status[result.status.value] += 1
        self.finished.append(result)
        if result.status is not self.statuses.get(bound.key):
            self.moved.set()

    def _source_gate(self, source: str) -> Gate:
        gate = self.per_source.get(source)
        if gate is None:
            gate = self.per_source[source] = Gate(self.room.execution.per_source)
        return gate

    def _skip(self, bound: BoundCheck, slot: datetime) -> Result | None:
        now = self.room.clock()
        for name in bound.check.depends_on:
            key = name if "/" in name else f"{bound.source.id}/{name}"
            if self.statuses.get(key) is Status.CRITICAL:
                return skipped(bound, slot, now, Skip.DEPENDENCY, Status.UNKNOWN, f"skipped: {key} is critical")
        breaker = self.breakers.get(bound.source.id)
        if breaker is None or not bound.check.remote or circuit.admits(breaker, to_us(now)):
            if breaker is not None and breaker.until_us is not None and bound.check.remote:
                # We are the trial: others wait until it is recorded.
                self.breakers[bound.source.id] = replace(breaker, until_us=to_us(now + bound.check.timeout))
            return None
        status = self.statuses.get(bound.key, Status.UNKNOWN)
        message = f"not tried: the source could not be reached {breaker.unreachable} times in a row"
        return skipped(bound, slot, now, Skip.BREAKER, status, message)

    async def _probe(self, bound: BoundCheck, slot: datetime) -> Result:
        began = time.monotonic()
        result = await execute(bound, slot, self.around)
        if not result.unreachable:
            if result.status is not Status.UNKNOWN and result.skipped is None:
                self.guard.saw_success(bound.check.is_local)
            return result
        if bound.check.is_local():
            return result
        reason = await self.guard.cut_off(began)
        if reason is None:
            return result
        message = f"we are cut off from the network ({reason}): {result.message}"
        return replace(result, status=Status.UNKNOWN, message=message, unreachable=False)

    # -- the end -----------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Waits for probes under way; claims nothing more."""
        while self.tasks or self.finished:
            await self._tick(claiming=False)
            if self.tasks:
                await asyncio.wait(self.tasks, timeout=_TICK_S)

    def _close(self) -> None:
        room, now = self.room, self.room.clock()
        batch, self.finished = self.finished, []
        with room.store.write() as connection:
            if batch:
                outcome = record(
                    connection, batch, runner=self.id, schedules=self.schedules, spec=room.execution.breaker, now=now
                )
                _judge(room, connection, outcome, now)
            if self.guard.ever_reached:
                states.set_meta(connection, _REACHED, "yes")
            hot.insert_samples(connection, self._own_samples(now))
            release(connection, self.id)
        if room.judge is not None:
            room.judge.close()

    def _own_samples(self, now: datetime) -> list[Sample]:
        served = self._served()
        numbers = {
            "checks_executed": (served.executed, ""), "checks_skipped": (served.skipped, ""),
            "lateness_p50_ms": (served.lateness_p50_ms, "ms"), "lateness_p99_ms": (served.lateness_p99_ms, "ms"),
            "cpu_ms_per_check": (served.cpu_ms_per_check, "ms"), "rss_mb": (served.rss_mb, "MB"),
        }  # fmt: skip
        return [
            Sample(OWN_SOURCE, metric, now, float(value), unit, "health_checks")
            for metric, (value, unit) in numbers.items()
        ]

    def _served(self) -> Served:
        import psutil

        late = sorted(self.lateness) or [0.0]
        executed = self.counts["executed"]
        return Served(
            executed=executed, skipped=self.counts["skipped"], refused=self.counts["refused"],
            interrupted=self.counts["interrupted"], changes=self.counts["changes"], statuses=dict(self.by_status),
            lateness_p50_ms=round(late[len(late) // 2], 2),
            lateness_p99_ms=round(late[min(len(late) - 1, int(len(late) * 0.99))], 2),
            lateness_max_ms=round(late[-1], 2),
            cpu_ms_per_check=round((time.process_time() - self.cpu_before) * 1000 / max(1, executed), 3),
            rss_mb=round(psutil.Process().memory_info().rss / 1e6, 1),
        )  # fmt: skip

    # -- telling others ----------------------------------------------------------------------------

    async def _tell(self, tell: Callable[[list[SourceState]], None]) -> None:
        pause = _TELL_S
        while True:
            await asyncio.sleep(pause)
            pause = max(_TELL_S, await asyncio.to_thread(self._tell_some, tell))

    def _tell_some(self, tell: Callable[[list[SourceState]], None]) -> float:
        """Tells a few; answers how many seconds to wait before more are told."""
        began, urgent = time.thread_time(), True
        try:
            with self.one_tells:  # the last telling does not repeat what a cancelled one is about to mark
                urgent = self._tell_batch(tell)
        except Exception as error:  # told again next time; checks go on
            log.warning("statuses could not be told", error=str(error))
        return (time.thread_time() - began) / (_TELL_SHARE if urgent else _INTRODUCE_SHARE)

    def _tell_batch(self, tell: Callable[[list[SourceState]], None]) -> bool:
        """Tells the worst that was not told yet; answers whether it was urgent."""
        with self.room.store.read() as connection:
            batch = states.untold(connection, _TELL_BATCH)
        # Sources that are well and were never told of can wait; they never delay one that is not.
        urgent = [state for state in batch if state.told is not None or state.status is not Status.HEALTHY]
        batch = urgent or batch
        if batch:
            tell(batch)
            with self.room.store.write() as connection:
                states.mark_told(connection, {state.source: state.status for state in batch})
        return bool(urgent)
