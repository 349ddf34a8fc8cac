"""A timeline: sources fail and recover at moments, people act, and messages arrive at a real receiver.

    async with Timeline(url, folder, CONFIG) as story:
        await story.at(0).fails("orders")
        story.expect(0, "pager", "firing", "orders")

The clock is injected and moves only when the story says so; stores, rules, stages, outbox and HTTP are real.
`restart()` throws away everything that is not in the store.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection

from monitoring_pipeline.alerting.delivery.outbox import Outbox
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.checks.record import record
from monitoring_pipeline.records import Alert, AlertState, Result, Status
from monitoring_pipeline.store import alerts as stored
from tests.alerting.delivery.channels.receiver import Received, Receiver

__all__ = ["START", "Heard", "Timeline"]

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Heard:
    """One message that arrived: when (seconds since the start), where, and what it said."""

    at: float
    channel: str
    kind: str
    sources: tuple[str, ...]
    body: Any
    key: str


class Timeline:
    """One story. `config` may use {hook}, the receiver's URL; the last part of a path names the channel."""

    def __init__(self, url: str, folder: Path, config: str, *, step_s: float = 5.0, restless: bool = False) -> None:
        """`restless` restarts before everything that happens, again before that is sent, and now and then between."""
        self._url, self._folder, self._text, self._step_s, self._restless = url, folder, config, step_s, restless
        self.now = START
        self.heard: list[Heard] = []
        self._stack = AsyncExitStack()
        self._turns = itertools.count(1)

    async def __aenter__(self) -> Self:
        self.receiver = await self._stack.enter_async_context(Receiver())
        path = self._folder / "monitoring.yaml"
        head = f'stores: {{directory: "{self._folder}/.busta", operational: "{self._url}"}}\n'
        path.write_text(head + self._text.replace("{hook}", self.receiver.url))
        self.path = path
        self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()
        await self._stack.aclose()

    def _open(self) -> None:
        self.monitoring = Monitoring.open(self.path, lambda: self.now)
        self.monitoring.register()
        self.alerting = self.monitoring.alerting()

    def _close(self) -> None:
        self.alerting.close()
        self.monitoring.close()

    def restart(self) -> None:
        """The process dies and another one begins."""
        self._close()
        self._open()

    # -- what happens --------------------------------------------------------------------------------

    async def until(self, seconds: float) -> Timeline:
        """Lets time pass, with all that falls due meanwhile."""
        target = START + timedelta(seconds=seconds)
        while self.now < target:
            self.now = min(target, self.now + timedelta(seconds=self._step_s))
            await self._turn(lambda connection: ((), ()), restless=self._restless and next(self._turns) % 10 == 0)
        return self

    async def finds(self, status: Status, sources: Sequence[str], message: str = "") -> None:
        """Checks of these sources find this, all in one batch."""

        def results(connection: Connection) -> tuple[Any, Any]:
            outcome = record(
                connection, [self._result(source, status, message) for source in sources], runner=None,
                schedules={}, spec=self.monitoring.config.execution.breaker, now=self.now,
            )  # fmt: skip
            return outcome.touched, outcome.changed

        await self._turn(results, restless=self._restless)

    async def fails(self, *sources: str, message: str = "refused") -> None:
        await self.finds(Status.CRITICAL, sources, message)

    async def recovers(self, *sources: str) -> None:
        await self.finds(Status.HEALTHY, sources)

    async def settle(self) -> None:
        """Draws conclusions and delivers, without anything new."""
        await self._turn(lambda connection: ((), ()), restless=self._restless)

    def _result(self, source: str, status: Status, message: str) -> Result:
        check = next(bound.check.id for bound in self.monitoring.config.checks if bound.source.id == source)
        return Result(source, check, "test", self.now, self.now, self.now, status, message, manual=True)

    async def _turn(self, happens: Callable[[Connection], tuple[Any, Any]], *, restless: bool) -> None:
        if restless:
            self.restart()
        with self.monitoring.store.write() as connection:
            touched, changed = happens(connection)
            self.alerting.judge(connection, touched, changed, self.now)
        if restless:
            self.restart()
        await self.deliver()

    async def deliver(self) -> None:
        """Sends what is due now."""
        before = len(self.receiver.requests)
        await self.outbox.drain(5.0)
        self.heard += [self._heard(request) for request in self.receiver.requests[before:]]

    @property
    def outbox(self) -> Outbox:
        return self.alerting.outbox

    def _heard(self, request: Received) -> Heard:
        body = request.json()
        sources = tuple(alert["source"] for alert in body["alerts"])
        at = (self.now - START).total_seconds()
        key = request.headers["idempotency-key"]
        return Heard(at, request.path.rsplit("/", 1)[-1], body["kind"], sources, body, key)

    # -- what is so ----------------------------------------------------------------------------------

    def said(self, channel: str | None = None) -> list[tuple[float, str, tuple[str, ...]]]:
        """(when, kind, sources) of what arrived, at one channel or at all."""
        return [(each.at, each.kind, each.sources) for each in self.heard if channel in (None, each.channel)]

    def alerts(self, **filters: Any) -> list[Alert]:
        """Alerts, the newest first."""
        with self.monitoring.store.read() as connection:
            return stored.find_alerts(connection, **filters)

    def alert(self, source: str) -> Alert:
        """The newest alert about a source."""
        return self.alerts(sources=[source])[0]

    def states(self) -> dict[str, AlertState]:
        """The state of every source's newest alert."""
        return {alert.source: alert.state for alert in reversed(self.alerts())}

    def verdicts(self, source: str) -> list[str]:
        """What stages decided about a source's newest alert, in order, repeats left out."""
        with self.monitoring.store.read() as connection:
            found = stored.decisions_of(connection, [self.alert(source).id])
        return [word for word, _ in itertools.groupby(decision.verdict for decision in found)]

    def keys(self) -> Iterator[str]:
        """The idempotency keys that arrived."""
        return (each.key for each in self.heard)
