"""The configuration, read and checked: what every surface is built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.analysis.spec import AnalysisSpec, ObjectiveSpec
from monitoring_pipeline.checks.check import BoundCheck
from monitoring_pipeline.checks.spec import ExecutionSpec
from monitoring_pipeline.collection.spec import CollectorSpec
from monitoring_pipeline.config.fields import ApiSpec
from monitoring_pipeline.config.problems import mask
from monitoring_pipeline.config.texts import Texts
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.records import Component, Source
from monitoring_pipeline.reports.spec import ReportSpec
from monitoring_pipeline.store.spec import RetentionSpec, StoresSpec

__all__ = ["Config"]


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """One configuration, without errors.

    `sources` are the enabled ones and `checks` all checks of these, disabled ones included.
    `stores` holds absolute paths and the URL of the operational store. `fingerprint` changes
    whenever something that matters changes. `alerting` says when to alert and who is told; suites, collectors,
    objectives and reports are by name, without those about disabled sources. `texts` are those of its files.
    `secrets` are values that no text may show.
    """

    path: Path
    name: str
    components: tuple[Component, ...]
    sources: tuple[Source, ...]
    checks: tuple[BoundCheck, ...]
    stores: StoresSpec
    retention: RetentionSpec
    execution: ExecutionSpec
    api: ApiSpec
    fingerprint: str
    alerting: Plan = field(default_factory=Plan)
    analysis: AnalysisSpec = field(default_factory=AnalysisSpec)
    suites: Mapping[str, SuiteSpec] = field(default_factory=dict)
    collectors: Mapping[str, CollectorSpec] = field(default_factory=dict)
    objectives: Mapping[str, ObjectiveSpec] = field(default_factory=dict)
    reports: Mapping[str, ReportSpec] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    texts: Texts = field(default_factory=Texts, compare=False)

    def __repr__(self) -> str:
        return f"Config({str(self.path)!r}, {len(self.sources)} sources, {len(self.checks)} checks)"

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file it was read from, absolute."""
        return tuple(Path(name) for name in self.texts.files)

    @property
    def published(self) -> Path:
        """The warehouse's copy that readers may hold open as long as they like."""
        return self.stores.directory / "published" / "warehouse.duckdb"

    def redact(self, text: str) -> str:
        """The text with every secret of four or more characters replaced by ***."""
        return mask(text, self.secrets)

    def checks_of(self, sources: Iterable[str]) -> tuple[BoundCheck, ...]:
        """The checks of these sources, in the configuration's order."""
        wanted = frozenset(sources)
        return tuple(check for check in self.checks if check.source.id in wanted)
