"""One loop of one process that delivers: claims what is due, sends it, writes down what came of it.

All work on the store is done in one thread of the worker's own, so that the event loop never waits for it. One
turn is one transaction: what finished since the last one, what follows from that, and what is claimed next.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from monitoring_pipeline.alerting.delivery.attempt import Desk, attempt
from monitoring_pipeline.alerting.delivery.channel import Channel
from monitoring_pipeline.alerting.delivery.fallback import EARLY_AFTER, EARLY_ATTEMPTS, URGENT, fallback_of
from monitoring_pipeline.alerting.delivery.selftest import selftests_due
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store import outbox as box
from monitoring_pipeline.store import sending
from monitoring_pipeline.store.channels import channels_by_name
from monitoring_pipeline.store.outbox import Draft, NotificationState
from monitoring_pipeline.store.sending import Attempt, Claimed, Outcome

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.delivery.outbox import Outbox

__all__ = ["Worker"]

log = structlog.get_logger(__name__)
_POLL_S = 0.5
_STORE_RETRY_S = 1.0
_CLOSING_S = 1.0
_AT_ONCE = 64
_EARLY_S = 1.0
_SELFTEST_S = 60.0
_JUMP_S = 5.0


class Worker:
    """What a loop holds and what it has yet to write down. `counts` are attempts: sent, failed."""

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
        """Looks at once. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nobody to wake
            self._loop.call_soon_threadsafe(self._wake.set)

    async def serve(self, stop: asyncio.Event) -> None:
        """Claims and sends until `stop`, then finishes what is under way."""
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
        """Claims and sends until nothing is due, or until a moment of the monotonic clock."""
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
        drafts = []
        for outcome in batch:
            claimed, channel = outcome.claimed, self.outbox.plan.channels.get(outcome.claimed.channel)
            if outcome.state is NotificationState.DEAD and claimed.id in ours and channel and channel.enabled:
                drafts += self.outbox.fallback(connection, claimed, outcome.detail, now, early=False)
        return drafts

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
            reason = error or states[claimed.channel].error
            drafts += self._outbox.fallback(connection, claimed, reason, now, early=True)
        return drafts
