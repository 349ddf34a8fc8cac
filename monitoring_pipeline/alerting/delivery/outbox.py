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
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from monitoring_pipeline.alerting.delivery.attempt import Desk, hand_over
from monitoring_pipeline.alerting.delivery.channel import Channel, Sent, SeriesOf
from monitoring_pipeline.alerting.delivery.fallback import fallback_draft
from monitoring_pipeline.alerting.delivery.selftest import test_message
from monitoring_pipeline.alerting.delivery.session import open_session
from monitoring_pipeline.alerting.delivery.worker import Worker
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.clock import Clock, to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.reach.spec import NetworksSpec
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store import outbox as box
from monitoring_pipeline.store import sending
from monitoring_pipeline.store.channels import ChannelState, channels_by_name, save_channels
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import Draft
from monitoring_pipeline.store.sending import Claimed, Lane
from monitoring_pipeline.store.told import alerts_told

__all__ = ["Drained", "Outbox"]

_PER_CHANNEL = 4
_LEASES_PER_TIMEOUT = 3
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
        self._workers: set[Worker] = set()

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

    def fallback(
        self, connection: Connection, claimed: Claimed, error: str, now: datetime, *, early: bool
    ) -> list[Draft]:
        """The notification that tells another channel what this one did not deliver, if there is one."""
        been = sending.channels_before(connection, claimed.id)
        alerts = alerts_told(connection, [claimed.id]).get(claimed.id, [])
        draft = fallback_draft(self.plan, claimed, been, error, now, early=early, alerts=alerts)
        return [] if draft is None else [draft]

    @contextlib.asynccontextmanager
    async def _working(self) -> AsyncIterator[Worker]:
        timeouts = [channel.timeout for channel in self.plan.channels.values()]
        async with open_session(self.networks, max(timeouts, default=_DEFAULT_TIMEOUT).total_seconds()) as http:
            worker = Worker(self, Desk(self.clock, http, self.redact, self.series))
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
