"""The door: makes a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import Component, Source
from monitoring_pipeline.reports.periodic.document import Report, Scope, Section
from monitoring_pipeline.reports.periodic.period import Period
from monitoring_pipeline.reports.periodic.section import Failing, Material, SectionMaker, Standings
from monitoring_pipeline.reports.periodic.sections import (
    alerts,
    availability,
    collection,
    events,
    outlook,
    promises,
    quality,
    response,
    watching,
)
from monitoring_pipeline.store.operational import OperationalStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


__all__ = ["Parts", "report"]

log = structlog.get_logger(__name__)
SECTIONS: Mapping[str, SectionMaker] = {
    "availability": availability,
    "promises": promises,
    "alerts": alerts,
    "response": response,
    "quality": quality,
    "events": events,
    "outlook": outlook,
    "collection": collection,
    "watching": watching,
}
"""The sections of every report, in their order."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an installation that reports are made of.

    `history` opens history since a moment; `section` says what `standings` and `reliability` tell.
    """

    name: str
    store: OperationalStore
    sources: Sequence[Source]
    components: Sequence[Component]
    history: Callable[[datetime, Sequence[str]], AbstractContextManager[DuckDBPyConnection]]
    standings: Standings
    reliability: Failing


def report(
    parts: Parts, period: Period, now: datetime, *, source: str | None = None, component: str | None = None
) -> Report:
    """The report about a source, a component, or everything when neither is given. Raises NotFound."""
    subject, sources = _about(parts, source, component)
    tables = ("results", "samples", "gaps", "status_changes", "events", "quality_runs", "collections")
    with parts.history(period.before().start, tables) as history:
        material = Material(
            parts.store, history, sources, not (source or component), period, now, parts.standings, parts.reliability
        )
        sections = {name: _made(name, maker, material) for name, maker in SECTIONS.items()}
    scope: Scope = "source" if source else "component" if component else "system"
    return Report(parts.name, subject, scope, period, now, sections)


def _about(parts: Parts, source: str | None, component: str | None) -> tuple[str, Sequence[Source]]:
    if source is not None:
        found = [each for each in parts.sources if each.id == source]
        if not found:
            raise NotFound("source", source, (each.id for each in parts.sources))
        return found[0].name or source, found
    if component is not None:
        if component not in {each.id for each in parts.components}:
            raise NotFound("component", component, (each.id for each in parts.components))
        return component, [each for each in parts.sources if each.component == component]
    return parts.name, parts.sources


def _made(name: str, maker: SectionMaker, material: Material) -> Section:
    try:
        return maker.section(material)
    except Exception as error:
        log.exception("a section of a report cannot be made", section=name)
        return Section(maker.TITLE, absent=f"This part could not be made: {type(error).__name__}: {error}")
