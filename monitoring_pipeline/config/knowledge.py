"""Builds what is asked about sources beside their checks: suites, collectors, objectives, reports."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from monitoring_pipeline.analysis.spec import AnalysisSpec, ObjectiveSpec
from monitoring_pipeline.collection.spec import CollectorSpec
from monitoring_pipeline.config.alerting import declared
from monitoring_pipeline.config.anchoring import anchored
from monitoring_pipeline.config.documents import NAMED, Document
from monitoring_pipeline.config.nodes import Fields, Scalar, plain
from monitoring_pipeline.config.problems import Problems, choices, hint, quoted
from monitoring_pipeline.config.validation import as_fields, validate
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.records import Source
from monitoring_pipeline.reports.spec import ReportSpec

__all__ = ["Knowledge", "check_names", "check_reports", "knowledge_sections", "parts_of_suites", "read_knowledge"]

SpecT = TypeVar("SpecT", bound=BaseModel)
_COMPONENTS = {"suites": "quality", "objectives": "sla"}
_SECTIONS = ("suites", "collectors", "objectives", "reports")


@dataclass(slots=True)
class Knowledge:
    """The parts by name, without those about disabled sources."""

    analysis: AnalysisSpec = field(default_factory=AnalysisSpec)
    suites: dict[str, SuiteSpec] = field(default_factory=dict)
    collectors: dict[str, CollectorSpec] = field(default_factory=dict)
    objectives: dict[str, ObjectiveSpec] = field(default_factory=dict)
    reports: dict[str, ReportSpec] = field(default_factory=dict)

    def collectors_by_source(self) -> dict[str, list[str]]:
        """The names of collectors, by the source they collect from."""
        found: dict[str, list[str]] = {}
        for name, spec in self.collectors.items():
            found.setdefault(spec.source, []).append(name)
        return found

    def suites_by_source(self) -> dict[str, list[str]]:
        """The names of suites, by the source they collect from."""
        found: dict[str, list[str]] = {}
        for name, spec in self.suites.items():
            found.setdefault(spec.source, []).append(name)
        return found


@dataclass(frozen=True, slots=True)
class _Sources:
    """Ids of the sources there are, those with mistakes of their own included, and of the disabled ones among them."""

    known: Collection[str]
    disabled: Collection[str]


def read_knowledge(
    document: Document, folder: Path, problems: Problems, *, sources: Collection[str], disabled: Collection[str]
) -> Knowledge:
    """All of it; problems are added. Relative paths count from `folder`."""
    head = as_fields(document.head.values.get("analysis"), "analysis", problems)
    analysis = validate(AnalysisSpec, head, problems) if head is not None else None
    analysis = anchored(analysis, folder) if analysis is not None else None
    there = _Sources(sources, disabled)
    return Knowledge(
        analysis or AnalysisSpec(),
        dict(_named(document, "suites", SuiteSpec, folder, there, problems)),
        dict(_named(document, "collectors", CollectorSpec, folder, there, problems)),
        dict(_named(document, "objectives", ObjectiveSpec, folder, there, problems)),
        dict(_named(document, "reports", ReportSpec, folder, there, problems)),
    )


def _named(
    document: Document, section: str, model: type[SpecT], folder: Path, sources: _Sources, problems: Problems
) -> Iterator[tuple[str, SpecT]]:
    for name, fields in declared(document, section, problems):
        spec = validate(model, fields, problems)
        if _is_about_enabled(fields, sources, problems) and spec is not None:
            yield name, anchored(spec, folder)


def _is_about_enabled(fields: Fields, sources: _Sources, problems: Problems) -> bool:
    """Whether the part is to be kept. A source that does not exist is a problem."""
    node = fields.values.get("source")
    if not isinstance(node, Scalar) or node.value is None:
        return True
    if any(sign in node.text for sign in "*?["):  # a pattern, where the part takes one
        return True
    if node.text not in sources.known:
        problems.add(node.mark, f"{quoted(node)} is not a source{hint(node.text, sources.known)}")
    return node.text not in sources.disabled


def parts_of_suites(suites: Mapping[str, SuiteSpec]) -> list[BaseModel]:
    """The suites and the tables they look at."""
    return [*suites.values(), *(suite.table for suite in suites.values() if suite.table is not None)]


def check_reports(document: Document, components: Collection[str], problems: Problems) -> None:
    """The component that a report is about must exist."""
    for node in document.named["reports"].values.values():
        wanted = node.values.get("component") if isinstance(node, Fields) else None
        if isinstance(wanted, Scalar) and wanted.value is not None and wanted.text not in components:
            message = f"{quoted(wanted)} is not a component{hint(wanted.text, components)}"
            problems.add(wanted.mark, f"{message}; known components: {choices(components)}")


def check_names(document: Document, sources: Iterable[Source], problems: Problems) -> None:
    """In Dagster a source is the asset COMPONENT/SOURCE, a suite `quality/SUITE`, an objective `sla/OBJECTIVE`: two
    that are called the same there would keep the whole code location from loading."""
    taken = {(source.component, source.id) for source in sources}
    for section, component in _COMPONENTS.items():
        named = document.named[section]
        for name in named.values:
            if (component, name) in taken:
                both = f"this {NAMED[section]} and the source {name!r} of the component {component!r}"
                problems.add(
                    named.keys[name], f"{both} are one asset in Dagster, {component}/{name}; rename one of them"
                )


def knowledge_sections(document: Document) -> dict[str, Any]:
    """The sections as plain values, for the fingerprint."""
    return {section: plain(document.named[section]) for section in _SECTIONS}
