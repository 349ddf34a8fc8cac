"""The outbox: workers that claim notifications, hand them to channels, and write down what came of it.

Delivery is *at least once*. A notification's row commits with what it tells of; it is sent under a lease, and
what came of it is written afterwards. A process that ends anywhere in between loses nothing: the lease runs out
and somebody sends it again. So a message arrives twice only where the provider took it and the process ended
(or the answer was lost) before that was written down, and then under the same idempotency key.

Messages of one (channel, recipient, thread) go out in order. At most four per channel and 64 in all are under
way in one process, in turn, so a channel that hangs holds nobody else up. What is not taken is tried again after
1 s, 2 s, 4 s ... 5 min; a Retry-After blocks its whole channel; a 429 uses up no attempt. After `attempts`, or at
once where trying again cannot help, it is a dead letter and the `fallback` is told (see `fallback.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from monitoring_pipeline.alerting.attempt import Desk, attempt, hand_over
from monitoring_pipeline.alerting.channel import Channel, Sent, SeriesOf
from monitoring_pipeline.alerting.delivery_session import open_session
from monitoring_pipeline.alerting.fallback import EARLY_AFTER, EARLY_ATTEMPTS, URGENT, fallback_draft, fallback_of
from monitoring_pipeline.alerting.selftest import selftests_due, test_message
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.checks.spec import NetworksSpec
from monitoring_pipeline.clock import Clock, to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store import outbox as box
from monitoring_pipeline.store import sending
from monitoring_pipeline.store.channels import ChannelState, channels_by_name, save_channels
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import Draft, NotificationState
from monitoring_pipeline.store.sending import Attempt, Claimed, Lane, Outcome

__all__ = ["Drained", "Outbox"]

log = structlog.get_logger(__name__)
_POLL_S = 0.5
_STORE_RETRY_S = 1.0
_CLOSING_S = 1.0
_AT_ONCE = 64
_PER_CHANNEL = 4
_LEASES_PER_TIMEOUT = 3
_EARLY_S = 1.0
_SELFTEST_S = 60.0
_JUMP_S = 5.0
_UNKNOWN_PATIENCE = timedelta(minutes=5)
_DEFAULT_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Drained:
    """What draining did: messages sent, attempts that failed, and how many messages are still to be sent."""

    sent: int = 0
    failed: int = 0
    left: int = 0


class Outbox:
    """Delivers the notifications of one store through the channels of one plan.

    Any number of processes may, at the same time. `redact` takes secrets out of what is kept of errors. `lease`
    is how long a claim is somebody's at least: three times the channel's timeout when that is longer.
    """

    def __init__(
        self,
        store: OperationalStore,
        plan: Plan,
        clock: Clock,
        networks: NetworksSpec | None = None,
        *,
        redact: Callable[[str], str] = str,
        series: SeriesOf | None = None,
        installation: str = "",
        lease: timedelta = timedelta(seconds=30),
    ) -> None:
        self.store, self.plan, self.clock = store, plan, clock
        self.networks = networks or NetworksSpec()
        self.redact, self.series, self.installation, self.lease = redact, series, installation, lease
        self._workers: set[_Worker] = set()

    def nudge(self) -> None:
        """Notifications were committed: look at once. May be called from any thread."""
        for worker in tuple(self._workers):
            worker.nudge()

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until `stop`, then finishes what is under way."""
        async with self._working() as worker:
            await worker.serve(stop)

    async def drain(self, timeout_s: float) -> Drained:
        """Delivers what is due until nothing is, claiming nothing more after `timeout_s`.

        What failed and is due again later is left.
        """
        async with self._working() as worker:
            await worker.drain(time.monotonic() + timeout_s)
        with self.store.read() as connection:
            left = box.open_count(connection)
        return Drained(worker.counts["sent"], worker.counts["failed"], left)

    async def send_test(self, name: str, recipient: str = "") -> Sent:
        """Sends a test message now, without a queue, to the channel's own address or another of its kind.

        Raises NotFound, and what the channel raises (Undelivered).
        """
        channel = self.plan.channels.get(name)
        if channel is None:
            raise NotFound("channel", name, self.plan.channels)
        message = test_message(name, f"test-{uuid.uuid4().hex}", self.clock(), self.installation)
        async with open_session(self.networks, channel.timeout.total_seconds()) as http:
            desk = Desk(self.clock, http, self.redact, self.series)
            try:
                sent = await hand_over(channel, message, desk.context(recipient))
            except Exception as error:
                await asyncio.to_thread(self._note_test, name, desk.shown(str(error) or type(error).__name__))
                raise
        await asyncio.to_thread(self._note_test, name, None)
        return sent

    def lanes(self, due: Mapping[str, Collection[Severity]], holding: Mapping[int, str]) -> list[Lane]:
        """Channels for which something is due as one worker serves them, while it sends what it is `holding`."""
        busy = Counter(holding.values())
        return [replace(self._lane(name, busy[name]), severities=due[name]) for name in due]

    def _lane(self, name: str, busy: int) -> Lane:
        channel = self.plan.channels.get(name)
        if channel is None:
            # Maybe a process with a newer configuration knows it: it is given the time to take over from us.
            return Lane(name, _PER_CHANNEL, busy, self.lease, patience=_UNKNOWN_PATIENCE)
        limit = channel.rate_limit
        rate = None if limit is None else (limit.messages, limit.per)
        return Lane(name, _PER_CHANNEL, busy, self.lease_of(channel), rate)

    def lease_of(self, channel: Channel | None) -> timedelta:
        """How long a claim of a channel is somebody's."""
        return self.lease if channel is None else max(self.lease, channel.timeout * _LEASES_PER_TIMEOUT)

    def longest_lease(self) -> timedelta:
        """The longest of all channels."""
        return max([self.lease, *map(self.lease_of, self.plan.channels.values())])

    @contextlib.asynccontextmanager
    async def _working(self) -> AsyncIterator[_Worker]:
        timeouts = [channel.timeout for channel in self.plan.channels.values()]
        async with open_session(self.networks, max(timeouts, default=_DEFAULT_TIMEOUT).total_seconds()) as http:
            worker = _Worker(self, Desk(self.clock, http, self.redact, self.series))
            self._workers.add(worker)
            try:
                yield worker
            finally:
                self._workers.discard(worker)
                await worker.close()

    def _note_test(self, name: str, error: str | None) -> None:
        now_us = to_us(self.clock())
        with self.store.write() as connection:
            state = channels_by_name(connection, [name]).get(name) or ChannelState(name, tested=now_us)
            if error is None:
                state = state.succeeded(now_us)
            else:
                state = state.failed(now_us, error, until_us=None, transient=False)
            save_channels(connection, [state.was_tested(now_us)])


class _Worker:
    """One loop of one process: what it holds, what it has yet to write down."""

    def __init__(self, outbox: Outbox, desk: Desk) -> None:
        self.outbox, self.desk = outbox, desk
        self.id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.counts: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._tasks: set[asyncio.Task[None]] = set()
        self._holding: dict[int, str] = {}
        self._finished: list[Outcome] = []
        self._turning: tuple[list[Outcome], asyncio.Future[list[Claimed]]] | None = None
        self._interrupted = False
        self._chores = _Chores(outbox)
        self._clocks = (outbox.clock(), time.monotonic())
        self._take_over_at = 0.0

    def nudge(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nobody to wake
            self._loop.call_soon_threadsafe(self._wake.set)

    async def serve(self, stop: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while not stop.is_set():
                await self._turn(claiming=True)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):
                        await self._wake.wait()
        finally:
            stopping.cancel()
        await self._settle()

    async def drain(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            claimed = await self._turn(claiming=True)
            if not claimed and not self._tasks and not self._finished:
                return
            if self._tasks:
                left = max(0.0, deadline - time.monotonic())
                await asyncio.wait(self._tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        await self._settle()

    async def _settle(self) -> None:
        """Finishes what is under way; every send ends by itself within its channel's timeout. When the store takes
        nothing for as long as a lease, others will send it again anyway."""
        patience = time.monotonic() + self.outbox.longest_lease().total_seconds()
        while (self._tasks or self._finished) and time.monotonic() < patience:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
            await self._turn(claiming=False)

    async def close(self) -> None:
        """Lets sends under way end, but not for long; what is cut off then runs into the end of its lease."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSING_S)
        begun = set(self._holding)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end_turn()
        if self._finished or self._interrupted:
            with contextlib.suppress(SQLAlchemyError):
                await self._loop.run_in_executor(self._writer, self._write_last, begun)
        self._writer.shutdown(wait=False)

    async def _end_turn(self) -> None:
        """Waits for a commit that we were cancelled in. What it claimed was not begun, and is given back."""
        if self._turning is not None:
            batch, commit = self._turning
            await asyncio.wait({commit})
            self._interrupted = True
            if commit.exception() is not None:
                self._finished = batch + self._finished

    def _write_last(self, begun: set[int]) -> None:
        now = self.outbox.clock()
        with self.outbox.store.write() as connection:
            sending.finish(connection, self.id, self._finished, now)
            sending.release(connection, self.id, begun, now)

    # -- one turn: write down what finished, claim what is due ---------------------------------------

    async def _turn(self, *, claiming: bool) -> int:
        self._wake.clear()
        batch, self._finished = self._finished, []
        since, held = time.monotonic(), dict(self._holding)
        commit = self._loop.run_in_executor(self._writer, self._commit, batch, claiming, held)
        self._turning = batch, commit
        try:
            claimed = await asyncio.shield(commit)
        except Exception as error:
            # The store is away or full, say: keep what is not written down yet and try again.
            self._turning, self._finished = None, batch + self._finished
            log.warning("the operational store refused the outbox", error=str(error), outcomes=len(batch))
            await asyncio.sleep(_STORE_RETRY_S)
            return 0
        self._turning = None
        for outcome in batch:
            if outcome.attempt is not None:
                self.counts["sent" if outcome.attempt is Attempt.SENT else "failed"] += 1
        for each in claimed:
            self._holding[each.id] = each.channel
            task = asyncio.ensure_future(self._send(each, since))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(claimed)

    def _commit(self, batch: list[Outcome], claiming: bool, holding: Mapping[int, str]) -> list[Claimed]:
        store, now = self.outbox.store, self.outbox.clock()
        self._watch_clock(now)
        chores: list[Draft] = []
        if claiming:
            with store.read() as connection:
                chores = self._chores.drafts(connection, now)
                if not batch and not chores and not self._due(connection, now, holding):
                    return []
        if not batch and not claiming:
            return []
        with store.write() as connection:
            ours = sending.finish(connection, self.id, batch, now)
            box.enqueue(connection, [*chores, *self._fallbacks(connection, batch, ours, now)], now)
            return self._claim(connection, now, holding) if claiming else []

    def _due(self, connection: Connection, now: datetime, holding: Mapping[int, str]) -> bool:
        lanes = self.outbox.lanes(sending.due_channels(connection, now), holding)
        return bool(sending.claimable(connection, now, lanes, **self._limits(holding)))

    def _claim(self, connection: Connection, now: datetime, holding: Mapping[int, str]) -> list[Claimed]:
        lanes = self.outbox.lanes(sending.due_channels(connection, now), holding)
        return sending.claim(connection, self.id, now, lanes, **self._limits(holding))

    def _limits(self, holding: Mapping[int, str]) -> dict[str, Any]:
        take_over = time.monotonic() >= self._take_over_at
        return {"limit": max(0, _AT_ONCE - len(holding)), "holding": list(holding), "take_over": take_over}

    def _fallbacks(
        self, connection: Connection, batch: list[Outcome], ours: set[int], now: datetime
    ) -> list[Draft]:  # fmt: skip
        plan, drafts = self.outbox.plan, []
        for outcome in batch:
            claimed, channel = outcome.claimed, plan.channels.get(outcome.claimed.channel)
            if outcome.state is NotificationState.DEAD and claimed.id in ours and channel and channel.enabled:
                been = sending.channels_before(connection, claimed.id)
                drafts.append(fallback_draft(plan, claimed, been, outcome.detail, now, early=False))
        return [draft for draft in drafts if draft is not None]

    def _watch_clock(self, now: datetime) -> None:
        """A clock that is set back would make everything wait, one set forward would end leases of the living."""
        (then, before), clock = self._clocks, time.monotonic()
        self._clocks = (now, clock)
        jump = (now - then).total_seconds() - (clock - before)
        if jump > _JUMP_S:
            self._take_over_at = clock + self.outbox.longest_lease().total_seconds()
        elif jump < -_JUMP_S:
            with self.outbox.store.write() as connection:
                sending.shift_back(connection, timedelta(seconds=-jump), now, lease=self.outbox.longest_lease())

    # -- one notification ------------------------------------------------------------------------------

    async def _send(self, claimed: Claimed, since: float) -> None:
        channel = self.outbox.plan.channels.get(claimed.channel)
        outcome = self._refusal(claimed, channel, time.monotonic() - since)
        if outcome is None and channel is not None:
            outcome = await attempt(claimed, channel, self.desk)
        if outcome is not None:
            self._finished.append(outcome)
        del self._holding[claimed.id]
        self._wake.set()

    def _refusal(self, claimed: Claimed, channel: Channel | None, late_s: float) -> Outcome | None:
        """Why it is not even tried."""
        if not self.outbox.plan.spec.sending:
            off = "alerting.sending is false: nothing is sent"
            return Outcome(claimed, NotificationState.DROPPED, self.desk.clock(), detail=off, counts=False)
        if channel is None:
            return self._dead(claimed, f"the configuration has no channel {claimed.channel!r}")
        if not channel.enabled:
            return self._dead(claimed, f"the channel {claimed.channel!r} is disabled")
        if claimed.attempts > channel.attempts:
            begun = f"sending was begun {claimed.attempts - 1} times and never came to an end"
            return replace(self._dead(claimed, begun), counts=False)
        if late_s + channel.timeout.total_seconds() > self.outbox.lease_of(channel).total_seconds():
            now = self.desk.clock()  # we stood still so long that somebody else may send it soon
            return Outcome(claimed, NotificationState.WAITING, now, due=now, counts=False)
        return None

    def _dead(self, claimed: Claimed, reason: str) -> Outcome:
        return Outcome(claimed, NotificationState.DEAD, self.desk.clock(), detail=reason)


class _Chores:
    """What is looked at now and then: urgent messages that are stuck, and channels that want to be tested."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._early_at = self._selftest_at = float("-inf")

    def drafts(self, connection: Connection, now: datetime) -> list[Draft]:
        """Notifications to be written now."""
        plan, clock, found = self._outbox.plan, time.monotonic(), []
        if not plan.spec.sending:
            return []
        if clock - self._early_at >= _EARLY_S:
            self._early_at = clock
            found += self._early(connection, now)
        if clock - self._selftest_at >= _SELFTEST_S:
            self._selftest_at = clock
            found += selftests_due(plan, channels_by_name(connection), now, self._outbox.installation)
        return found

    def _early(self, connection: Connection, now: datetime) -> list[Draft]:
        plan = self._outbox.plan
        wanted = [name for name, channel in plan.channels.items() if channel.enabled and fallback_of(plan, name, ())]
        states = channels_by_name(connection, wanted) if wanted else {}
        failing = [name for name, state in states.items() if state.failures or state.waits_until(to_us(now))]
        if not failing:
            return []
        stuck = sending.stuck(connection, now, failing, URGENT, tried=EARLY_ATTEMPTS, older_than=EARLY_AFTER)
        drafts = []
        for claimed, error in stuck:
            been = sending.channels_before(connection, claimed.id)
            reason = error or states[claimed.channel].error
            drafts.append(fallback_draft(plan, claimed, been, reason, now, early=True))
        return [draft for draft in drafts if draft is not None]
