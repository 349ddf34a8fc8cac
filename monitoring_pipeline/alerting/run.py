"""The front door: judges what was recorded, in the same transaction, and tells people, beside it.

    alerting = Alerting(store, plan, ...)
    alerting.load()                                   # once per process
    alerting.judge(connection, touched, changed, now) # rules -> transitions -> stages -> notifications
    await alerting.work(stop)                         # notifications -> channels

The health-check run, `busta sources check` and Dagster's alert job all come through here. Any number of
processes may: what is true is in the store, under one writer at a time; a process only caches history.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from monitoring_pipeline.alerting import pipeline
from monitoring_pipeline.alerting.delivery.channel import SeriesOf
from monitoring_pipeline.alerting.delivery.outbox import Drained, Outbox
from monitoring_pipeline.alerting.people import escalation
from monitoring_pipeline.alerting.rules.defaults import OWN_SOURCES
from monitoring_pipeline.alerting.rules.evaluate import Evaluator, Instance
from monitoring_pipeline.alerting.rules.observe import Windows
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.clock import Clock
from monitoring_pipeline.reach.spec import NetworksSpec
from monitoring_pipeline.records import Sample, Source
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import outbox as letters
from monitoring_pipeline.store import states
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.results import insert_samples

__all__ = ["OWN_SOURCES", "Alerting", "Facts", "Surroundings", "report"]

log = structlog.get_logger(__name__)
_SWEEP = timedelta(seconds=5)
_SWEEP_SHARE = 0.02
_GIVEN_UP = timedelta(hours=1)
_LOOKED = "alerting.looked"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What alerting needs besides its plan. `fingerprint` is that of the configuration."""

    store: OperationalStore
    clock: Clock
    sources: Sequence[Source]
    checks: Mapping[str, Sequence[str]]
    published: Path
    world: World
    networks: NetworksSpec = field(default_factory=NetworksSpec)
    redact: Callable[[str], str] = str
    series: SeriesOf | None = None
    fingerprint: str = ""


class Alerting:
    """Rules, alerts and notifications of one process; a `checks.judge.Judge`."""

    def __init__(self, plan: Plan, around: Surroundings) -> None:
        self._plan, self._around = plan, around
        self._windows: Windows | None = None
        self._evaluator = Evaluator((), (), {})
        self._looked = False
        self._next_sweep: datetime | None = None
        self._partial = False
        self._counted: datetime | None = None
        self.outbox = Outbox(
            around.store, plan, around.clock, around.networks, redact=around.redact, series=around.series,
            installation=around.world.installation,
        )  # fmt: skip

    def _make_evaluator(self, only: Collection[str] | None) -> Evaluator:
        around = self._around
        known = {source.id for source in around.sources}
        own = [source for source in OWN_SOURCES if source.id not in known and (only is None or source.id in only)]
        sources = [source for source in around.sources if only is None or source.id in only]
        return Evaluator(self._plan.rules if self._plan.spec.enabled else (), sources, around.checks, own)

    # -- judging, in the thread that writes ----------------------------------------------------------

    def load(self, sources: Collection[str] | None = None) -> None:
        """Reads the history that rules look back on; of some sources, or of all."""
        around = self._around
        self.close()
        self._partial = sources is not None
        self._evaluator = self._make_evaluator(sources)
        self._windows = Windows.open(around.store, around.published, self._evaluator.queries, around.clock())
        self._looked = False

    def close(self) -> None:
        """Gives the history back."""
        if self._windows is not None:
            self._windows.close()
        self._windows = None

    def is_due(self, connection: Connection, now: datetime) -> bool:
        """Whether a clock ran out: an alert's, a group's, an escalation's, or that of the next sweep."""
        if self._next_sweep is None or now >= self._next_sweep or now < self._next_sweep - 10 * _SWEEP:
            return True
        moments = (
            stored.next_due(connection), pipeline.next_due(connection, now), escalation.next_due(connection)
        )  # fmt: skip
        return any(moment is not None and moment <= now for moment in moments)

    def judge(
        self, connection: Connection, touched: Collection[tuple[str, str]], changed: Collection[str], now: datetime
    ) -> bool:
        """Evaluates what was touched or is due, and takes what follows through the stages.

        Answers whether notifications were written. Nothing here reaches beyond the store. What breaks takes only
        itself back: results are recorded all the same, and everything is looked at again.
        """
        try:
            with connection.begin_nested():
                return self._conclude(connection, touched, changed, now)
        except OperationalError:
            raise  # the store itself: nothing was recorded, all of it is tried again
        except Exception:
            log.exception("results were recorded, but what follows from them could not be judged")
            states.set_meta(connection, _LOOKED, "")
            self._looked = False
            return False

    def _conclude(
        self, connection: Connection, touched: Collection[tuple[str, str]], changed: Collection[str], now: datetime
    ) -> bool:
        if self._windows is None:
            self.load()
        assert self._windows is not None  # noqa: S101 - just loaded
        self._count_undelivered(connection, now)
        self._windows.advance(connection)
        self._evaluator.meet(touched)
        began = time.perf_counter()
        chosen = self._evaluator.about({source for source, _ in touched}, changed)
        sweep = self._next_sweep is None or not now < self._next_sweep
        if not self._looked:
            chosen = {**self._first_look(connection, now), **chosen}
        elif sweep:
            chosen = {**self._evaluator.clocked(), **chosen}
        self._evaluator.evaluate(connection, self._windows, chosen, now)
        self._looked = True
        if sweep:
            cost = timedelta(seconds=time.perf_counter() - began)
            self._next_sweep = now + max(_SWEEP, cost / _SWEEP_SHARE)
        written = pipeline.process(connection, self._around.world, now)
        return written + escalation.step(connection, self._around.world, now) > 0

    def _count_undelivered(self, connection: Connection, now: datetime) -> None:
        """Once a minute, how many messages of the last hour were given up: a number that rules can be about."""
        if self._partial or (self._counted is not None and now.replace(second=0, microsecond=0) <= self._counted):
            return
        self._counted = now.replace(second=0, microsecond=0)
        count = float(len(letters.dead_letters(connection, now - _GIVEN_UP)))
        insert_samples(connection, [Sample(OWN_SOURCES[0].id, "dead_letters", now, count, "", "alerting")])

    def _first_look(self, connection: Connection, now: datetime) -> Mapping[str, Instance]:
        """What to evaluate first: everything where the configuration is another one than at the last look.

        Otherwise what the processes before us recorded was judged with it, and time alone has moved on.
        """
        if self._partial:
            return self._evaluator.everything()
        seen, ours = states.get_meta(connection, _LOOKED), self._around.fingerprint
        if ours and seen == ours:
            return self._evaluator.clocked()
        self._evaluator.close_orphans(connection, now)
        states.set_meta(connection, _LOOKED, ours)
        return self._evaluator.everything()

    def tick(self) -> bool:
        """Judges what is due in a transaction of its own; for processes that record nothing."""
        with self._around.store.write() as connection:
            return self.judge(connection, (), (), self._around.clock())

    def repair_escalations(self) -> list[str]:
        """Gives open escalations that lost it their next step again; a sentence for each."""
        with self._around.store.write() as connection:
            return escalation.audit_escalations(connection, self._around.world, self._around.clock())

    # -- telling, in the event loop ------------------------------------------------------------------

    def nudge(self) -> None:
        """Notifications were written: do not wait for the next look."""
        self.outbox.nudge()

    async def work(self, stop: asyncio.Event) -> None:
        """Delivers notifications until `stop`, then finishes what is under way."""
        await self.outbox.run(stop)

    async def settle(self, timeout_s: float) -> Drained:
        """Judges and delivers until nothing is due any more; what a job does that was launched for it."""
        await asyncio.to_thread(self.tick)
        return await self.outbox.drain(timeout_s)


Facts = Callable[[Connection], Sequence[Sample]]
"""Writes rows of its own into a transaction, and answers with the samples that follow from them."""


def report(store: OperationalStore, alerting: Alerting, sources: Collection[str], facts: Facts, clock: Clock) -> None:
    """Records what was found about some sources by others than checks, and judges it, in one transaction.

    The samples that `facts` answers with are recorded here.
    """
    alerting.load(set(sources))
    try:
        with store.write() as connection:
            samples = facts(connection)
            insert_samples(connection, samples)
            alerting.judge(connection, {(sample.source, sample.check) for sample in samples}, (), clock())
    finally:
        alerting.close()
