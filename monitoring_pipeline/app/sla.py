"""`monitoring.sla`: how promises stand, what burns, what people corrected, and how reliable things are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitoring_pipeline.analysis.sla.days import Computed
    from monitoring_pipeline.analysis.sla.room import Room
    from monitoring_pipeline.analysis.sla.standing import Standing
    from monitoring_pipeline.app.monitoring import Monitoring
    from monitoring_pipeline.records import LedgerEntry, Reclassified, Sample
    from monitoring_pipeline.reports.sla import ReliabilityView
    from monitoring_pipeline.store.ledger import Break

__all__ = ["Sla"]


class Sla:
    """The doors of one installation's promises."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    def room(self) -> Room:
        """What the room of promises needs, with announcements as of now."""
        from monitoring_pipeline.alerting.people.absences import Absences
        from monitoring_pipeline.analysis.sla.room import Room

        config, store = self._monitoring.config, self._monitoring.store
        assert config.stores.warehouse is not None  # noqa: S101 - the configuration resolved it
        away = Absences(store, config.alerting.maintenance)
        return Room(
            store, config.stores.warehouse, config.published, config.sources, config.objectives, away, config.retention
        )  # fmt: skip

    def refresh(self) -> Computed:
        """Computes the days that are missing or out of date; see `analysis.sla.days`."""
        from monitoring_pipeline.analysis.sla.days import refresh

        return refresh(self.room(), self._monitoring.clock())

    def recompute(self, first: date, last: date) -> Computed:
        """Computes days again, whatever is kept of them."""
        from monitoring_pipeline.analysis.sla.days import recompute

        return recompute(self.room(), first, last, self._monitoring.clock())

    def standings(
        self,
        *,
        at: datetime | None = None,
        until: datetime | None = None,
        objectives: Collection[str] | None = None,
        sources: Collection[str] | None = None,
        daily: bool = True,
    ) -> list[Standing]:
        """How promises stand, or stood at `until`, in the period that holds a moment, by default now; see
        `analysis.sla.standing`."""
        from monitoring_pipeline.analysis.sla.standing import standings

        now = self._monitoring.clock()
        return standings(self.room(), now, at=at, until=until, objectives=objectives, sources=sources, daily=daily)

    def report_burn_rates(self) -> int:
        """Reports the burn rates of budgets that burn, and judges the rules about them; how many samples."""
        if not self._monitoring.config.objectives:
            return 0
        from monitoring_pipeline.analysis.sla.burning import burn_samples, note_burning

        burning = burn_samples(self.room(), self._monitoring.clock())

        def facts(connection: Connection) -> Sequence[Sample]:
            note_burning(connection, burning)
            return burning.samples

        if burning.samples:
            self._monitoring.record({sample.source for sample in burning.samples}, facts)
        return len(burning.samples)

    def reliability(self, start: datetime, end: datetime, sources: Collection[str] | None = None) -> ReliabilityView:
        """How often all sources or some failed and how long that lasted, per source, component and in all."""
        from monitoring_pipeline.reports.sla import reliability_view

        return reliability_view(self.room(), start, end, self._monitoring.clock(), sources)

    # -- the ledger ----------------------------------------------------------------------------------

    def correct(
        self, connection: Connection, source: str, start: datetime, end: datetime, as_: Reclassified, **about: Any
    ) -> LedgerEntry:
        """Adds a correction in the caller's transaction. Raises NotFound, Refusal; see `analysis.sla.correcting`."""
        from monitoring_pipeline.analysis.objective import promises
        from monitoring_pipeline.analysis.sla.correcting import correct
        from monitoring_pipeline.errors import NotFound

        config = self._monitoring.config
        known = [each.id for each in config.sources]
        if source not in known:
            raise NotFound("source", source, known)
        promised = promises(config.objectives, config.sources)
        now, room = self._monitoring.clock(), self.room()
        frozen = partial(room.frozen, now=now)
        return correct(connection, promised, source, start, end, as_, now=now, frozen=frozen, **about)

    def entries(self) -> list[LedgerEntry]:
        """The whole ledger, in the order it was written."""
        from monitoring_pipeline.store import ledger

        with self._monitoring.store.read() as connection:
            return ledger.entries(connection)

    def verify(self) -> tuple[int, Break | None]:
        """How many entries the ledger has, and where its chain is broken, if it is."""
        from monitoring_pipeline.store import ledger

        with self._monitoring.store.read() as connection:
            try:
                found = ledger.entries(connection)
            except ledger.Unreadable as error:
                return ledger.count(connection), ledger.Break(error.number, "it holds what no entry can hold")
            return len(found), ledger.check_chain(found) or ledger.missing(connection, found)
