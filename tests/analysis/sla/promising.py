"""An installation with a past: statuses, gaps, results and samples at moments, and what that makes of its promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from monitoring_pipeline.analysis.objective import ObjectiveSpec
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.analysis.sla.standing import Standing, standings
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import LedgerEntry, Reclassified, Source
from monitoring_pipeline.store import ledger
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from tests.store import rows

__all__ = ["START", "Past", "at", "hours", "past"]

START = datetime(2026, 5, 1, tzinfo=UTC)
"""The begin of a month."""


def at(hours: float) -> datetime:
    """So many hours after the begin of the month."""
    return START + timedelta(hours=hours)


class Past:
    """Stores, and what is written into them; moments are hours since `START`."""

    def __init__(self, store: OperationalStore, folder: Path, objectives: Mapping[str, Any], sources: Sequence[Source]
                 ) -> None:  # fmt: skip
        self.store, self.folder, self.sources = store, folder, sources
        self.away: list[tuple[str, float, float]] = []
        self.promise(objectives)

    def promise(self, objectives: Mapping[str, Any]) -> None:
        """Other objectives from now on."""
        self.objectives = {name: ObjectiveSpec.model_validate(spec) for name, spec in objectives.items()}

    @property
    def room(self) -> Room:
        """Read anew, as every process does."""
        return Room(
            self.store, self.folder / "warehouse.duckdb", self.folder / "published.duckdb", self.sources,
            self.objectives, self._away,
        )  # fmt: skip

    def _away(self, source: Source, start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
        return [(at(begin), at(until)) for name, begin, until in self.away if name == source.id]

    # -- what happened -------------------------------------------------------------------------------

    def status(self, source: str, *moves: tuple[float, str]) -> None:
        """A source took statuses at moments."""
        before = "unknown"
        written = []
        for hour, after in moves:
            written.append(rows.change(source, at(hour), before, after))
            before = after
        rows.write(self.store, "status_changes", written)

    def gap(self, source: str, begin: float, end: float, slots: int, reason: str = "not_running") -> None:
        """Nobody executed slots of a check from `begin` to `end`, both included."""
        rows.write(self.store, "gaps", [rows.gap(source, at(begin), at(end), slots) | {"reason": reason}])

    def result(self, source: str, hour: float, status: str = "healthy", ms: float | None = 50.0, **more: Any) -> None:
        """One result."""
        rows.write(self.store, "results", [rows.result(source, at(hour), status, response_time_ms=ms, **more)])

    def sample(self, source: str, metric: str, *values: tuple[float, float], check: str = "web") -> None:
        """Samples of a metric."""
        rows.write(self.store, "samples", [
            rows.sample(source, at(hour), value) | {"metric": metric, "check_id": check} for hour, value in values
        ])  # fmt: skip

    def quality_run(self, source: str, hour: float, score: float | None, **more: Any) -> None:
        """A quality suite was run; without a score it could not be carried out."""
        moment = to_us(at(hour))
        rows.write(self.store, "quality_runs", [{
            "source": source, "suite": "suite", "started": moment, "at": moment, "score": score,
            "status": "unknown" if score is None else "healthy", "rows": None, "expectations": 0, "failed": 0,
            "errors": int(score is None), "message": "", "dimensions": "{}", "profile": "{}", "findings": "[]", **more,
        }])  # fmt: skip

    def correct(self, source: str, begin: float, end: float, as_: str, **more: Any) -> LedgerEntry:
        """Somebody wrote into the ledger."""
        given = {"author": "eva", "now": at(24 * 60), "reason": "because", **more}
        with self.store.write() as connection:
            return ledger.append(
                connection, source=source, start=at(begin), end=at(end), as_=Reclassified(as_), **given
            )  # fmt: skip

    def publish(self, hour: float) -> None:
        """Hot rows are loaded and published."""
        now = at(hour)
        load_hot(self.store, self.room.warehouse, now)
        publish(self.store, self.room.warehouse, self.room.published, now)

    # -- what is so ----------------------------------------------------------------------------------

    def standings(self, hour: float, **about: Any) -> list[Standing]:
        """How promises stand at a moment."""
        return standings(self.room, at(hour), **about)

    def standing(self, hour: float, objective: str = "up", **about: Any) -> Standing:
        """The one standing of an objective."""
        (found,) = self.standings(hour, objectives=[objective], **about)
        return found


def hours(standing: Standing, *, measured: bool = False) -> tuple[float, float, float, float]:
    """Good, bad, unknown and excluded hours."""
    account = standing.pair.measured if measured else standing.account
    return tuple(value / 3.6e9 for value in (account.good, account.bad, account.unknown, account.excluded))  # type: ignore[return-value]


@contextmanager
def past(url: str, folder: Path, objectives: Mapping[str, Any], *sources: str | Source) -> Iterator[Past]:
    """An installation with these objectives and sources."""
    known = [each if isinstance(each, Source) else Source(each, component="data") for each in sources]
    store = OperationalStore.open(url, START)
    try:
        yield Past(store, folder, objectives, known)
    finally:
        store.close()
