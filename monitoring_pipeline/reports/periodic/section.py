"""The contract of a section: a function of what a report has to go by. Each in `sections/` answers one question.

    TITLE = "What alerted?"

    def section(material: Material) -> Section: ...

A section reads what it needs from `material` and says plainly when there is nothing. It raises nothing that it can
foresee; what it raises all the same costs this section and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from monitoring_pipeline.records import Source
from monitoring_pipeline.reports.periodic.document import Section
from monitoring_pipeline.reports.periodic.period import Period
from monitoring_pipeline.store.operational import OperationalStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.analysis.sla.standing import Standing
    from monitoring_pipeline.reports.sla import ReliabilityView

__all__ = ["Failing", "Material", "SectionMaker", "Standings"]

Standings = Callable[["datetime", "Sequence[str] | None"], "Sequence[Standing]"]
"""Tells how promises stood at a moment: those about some sources, or all."""

Failing = Callable[["datetime", "datetime", "Sequence[str] | None"], "ReliabilityView"]
"""Tells how often sources failed between two moments: some, or all."""


@dataclass(frozen=True)
class Material:
    """What a report goes by. `sources` are those it is about."""

    store: OperationalStore
    history: DuckDBPyConnection
    sources: Sequence[Source]
    is_all: bool
    period: Period
    now: datetime
    standings: Standings
    reliability: Failing

    @property
    def start(self) -> datetime:
        """The begin of the period."""
        return self.period.start

    @property
    def until(self) -> datetime:
        """The end of the period; while it goes on the end of this minute, as executions are counted by minutes."""
        return min(self.period.end, self.now.replace(second=0, microsecond=0) + timedelta(minutes=1))

    @cached_property
    def failing(self) -> ReliabilityView:
        """How often the sources failed so far in this period."""
        return self.reliability(self.start, min(self.until, self.now), self.chosen)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of the sources."""
        return tuple(source.id for source in self.sources)

    @cached_property
    def chosen(self) -> tuple[str, ...] | None:
        """The ids for a query; None for all there are."""
        return None if self.is_all else self.ids

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Names of the sources by id."""
        return {source.id: source.name or source.id for source in self.sources}


class SectionMaker(Protocol):
    """A module of `sections/`."""

    TITLE: str

    def section(self, material: Material) -> Section:
        """The answer."""
