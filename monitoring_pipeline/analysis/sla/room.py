"""What the doors of this room need: stores, sources, objectives, and what people announced and wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring_pipeline.analysis.objective import ObjectiveKind, ObjectiveSpec, Promise, promises
from monitoring_pipeline.analysis.sla.evidence import VIEWS, Away, Surroundings
from monitoring_pipeline.analysis.sla.facts import blind_since
from monitoring_pipeline.records import CheckState, LedgerEntry, Source
from monitoring_pipeline.store import history, ledger, states
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.spec import RetentionSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Room"]

_KEPT = {
    "status_changes": "changes", "gaps": "changes", "results": "results", "samples": "samples",
    "quality_runs": "quality",
}  # fmt: skip


@dataclass(frozen=True)
class Room:
    """One installation, as far as its promises are concerned."""

    store: OperationalStore
    warehouse: Path
    published: Path
    sources: Sequence[Source]
    objectives: Mapping[str, ObjectiveSpec]
    away: Away
    retention: RetentionSpec = field(default_factory=RetentionSpec)

    def frozen(self, kind: ObjectiveKind, now: datetime) -> datetime:
        """Before when days of a kind of objective stay as they are: what they were computed from is expiring."""
        kept: list[timedelta] = [getattr(self.retention, _KEPT[view]) for view in VIEWS[kind]]
        return now - min(kept)

    @cached_property
    def promises(self) -> list[Promise]:
        """Everything that was promised."""
        return promises(self.objectives, self.sources)

    def history(
        self, now: datetime, views: Collection[str], since: datetime | None = None
    ) -> AbstractContextManager[DuckDBPyConnection]:
        """History with these views, of samples only those that promises are about.

        All of it by default, as statuses need it: they hold from long before.
        """
        metrics = {promise.spec.sampled for promise in self.promises if "samples" in VIEWS[promise.spec.kind]}
        return history.connect(
            self.store, self.published, now=now, since=since, tables=tuple(sorted(views)), metrics=metrics
        )  # fmt: skip

    def surroundings(self, now: datetime) -> Surroundings:
        """What does not lie in history, as of now."""
        with self.store.read() as connection:
            entries = ledger.entries(connection)
            checks = states.check_states(connection)
        return Surroundings(
            sources={source.id: source for source in self.sources},
            ledger=_by_source(entries),
            intervals={key: int(state.interval_s * 1e6) for key, state in checks.items() if state.interval_s},
            blind={source: blind for source, own in _of_sources(checks.values()) if (blind := blind_since(own, now))},
            away=self.away,
        )


def _by_source(entries: Iterable[LedgerEntry]) -> dict[str, list[LedgerEntry]]:
    found: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        found[entry.source].append(entry)
    return found


def _of_sources(checks: Iterable[CheckState]) -> Iterable[tuple[str, list[CheckState]]]:
    found: dict[str, list[CheckState]] = defaultdict(list)
    for state in checks:
        found[state.source].append(state)
    return found.items()
