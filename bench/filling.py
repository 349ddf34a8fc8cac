"""Results without probes: slots are claimed and results recorded as the health-check run does it."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.checks.record import record
from monitoring_pipeline.checks.slots import Schedules
from monitoring_pipeline.checks.takeover import Claimed, claim_due
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Result, Sample, Status
from monitoring_pipeline.store import slots

__all__ = ["METRICS", "Recorder"]

METRICS = ("response_time_ms", "dns_ms", "connect_ms", "first_byte_ms")
"""What an HTTP check measures: so many samples each result has."""

_NOT_HEALTHY = ((0.01, Status.CRITICAL), (0.03, Status.WARNING))
_MESSAGES = {Status.CRITICAL: "status (503) == 200", Status.WARNING: "response_time_ms (2345.678) < 2000"}


class Recorder:
    """Serves slots of an installation without executing a check.

    Each check keeps its status, except for a few that change: one in a hundred is critical and two are
    warnings, and `moving` of all results find something else than before.
    """

    def __init__(self, monitoring: Monitoring, *, moving: float = 0.001, seed: int = 1) -> None:
        room = monitoring.room()
        self._store, self._spec = room.store, room.execution.breaker
        self._by_key = {bound.key: bound for bound in room.checks}
        self._schedules = Schedules(self._by_key)
        self._runner = f"bench:{os.getpid()}"
        self._random, self._moving = random.Random(seed), moving
        self._statuses = {key: self._draw() for key in self._by_key}
        self._claimed: list[Claimed] = []

    def begin(self, now: datetime, until: datetime) -> None:
        """Claims the first slots."""
        self.step([], now, until)

    def found(self) -> list[Result]:
        """A result for every slot that is claimed."""
        return [self._result(claim) for claim in self._claimed]

    def step(self, batch: Sequence[Result], now: datetime, until: datetime, limit: int = 5000) -> int:
        """One transaction, as the run commits them: records a batch, heartbeats, claims what is due up to `until`.

        Answers how many results were taken.
        """
        with self._store.write() as connection:
            done = record(connection, batch, runner=self._runner, schedules=self._schedules, spec=self._spec, now=now)
            slots.register_runner(
                connection, self._runner, now_us=to_us(now), serves_until_us=to_us(now + timedelta(minutes=1)),
                host="bench", pid=os.getpid(),
            )  # fmt: skip
            self._claimed = claim_due(connection, self._runner, self._schedules, now=now, until=until, limit=limit)
        return done.taken

    def _draw(self) -> Status:
        luck = self._random.random()
        return next((status for share, status in _NOT_HEALTHY if luck < share), Status.HEALTHY)

    def _result(self, claim: Claimed) -> Result:
        bound = self._by_key[claim.key]
        if self._random.random() < self._moving:
            self._statuses[claim.key] = self._draw()
        status = self._statuses[claim.key]
        values = [self._random.gammavariate(2, 20) for _ in METRICS]
        started = claim.slot + timedelta(milliseconds=3)
        finished = started + timedelta(milliseconds=values[0])
        source, check = bound.source.id, bound.check.id
        samples = tuple(
            Sample(source, metric, finished, value, "ms", check) for metric, value in zip(METRICS, values, strict=True)
        )
        return Result(
            source, check, bound.check.kind, claim.slot, started, finished, status, _MESSAGES.get(status, ""),
            response_time_ms=values[0], details={"status": 200, "bytes": 27}, samples=samples,
        )  # fmt: skip
