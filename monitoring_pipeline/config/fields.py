"""The YAML of everything that no room below owns: the file's head, sources, components, templates, the API.

The descriptions here are what editors and docs/configuration.md show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.spec import (
    AlertingSpec,
    EscalationSpec,
    MaintenanceSpec,
    PersonSpec,
    RotaSpec,
    TeamSpec,
)
from monitoring_pipeline.analysis.spec import AnalysisSpec, ObjectiveSpec
from monitoring_pipeline.checks.spec import ExecutionSpec
from monitoring_pipeline.collection.spec import CollectorSpec
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.records import Criticality
from monitoring_pipeline.reports.spec import ReportSpec
from monitoring_pipeline.store.spec import RetentionSpec, StoresSpec

__all__ = [
    "ApiSpec",
    "ComponentFields",
    "DefaultsFields",
    "HeadFields",
    "IncludedFields",
    "SourceEntry",
    "SourceFields",
    "TemplateFields",
]

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120)]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiSpec(_Fields):
    """Where the API and the status page listen, and how others reach them."""

    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless you say otherwise.")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")
    public_url: str | None = Field(
        None, pattern=r"^https?://", description="How browsers and jobs reach it; http://HOST:PORT by default."
    )
    dagster_url: str | None = Field(
        None, pattern=r"^https?://", description="Where Dagster's web UI is, for links to runs and assets."
    )


class ComponentFields(_Fields):
    """A group of sources that people think of as one thing."""

    description: str = Field("", description="What it is, for people.")
    owner: str = Field("", description="The team that looks after it.")
    aggregation: Literal["worst", "weighted"] = Field(
        "worst", description="How its sources make its status: the worst of them, or weighted by criticality."
    )


class SourceFields(_Fields):
    """What is known about one source, apart from its checks."""

    id: Id = Field(description="Name of the source, unique over all files: letters, digits, `_`, `.` and `-`.")
    name: str = Field("", description="Name for people; the id by default.")
    component: Id = Field("default", description="The component it belongs to; created when not declared.")
    description: str = Field("", description="What it is, for people.")
    owner: str = Field("", description="The team that looks after it.")
    criticality: Criticality = Field(Criticality.MEDIUM, description="How much it matters in health scores.")
    tags: tuple[str, ...] = Field((), description="Words to select sources by.")
    depends_on: tuple[str, ...] = Field((), description="Ids of the sources that it needs: its lineage.")
    enabled: bool = Field(True, description="Whether it is monitored at all.")


class TemplateFields(_Fields):
    """A reusable part of sources: any key of a source but `id`, with `{placeholders}` in its texts."""

    name: str | None = Field(None, description="See `sources`.")
    component: str | None = Field(None, description="See `sources`.")
    description: str | None = Field(None, description="See `sources`.")
    owner: str | None = Field(None, description="See `sources`.")
    criticality: str | None = Field(None, description="See `sources`.")
    tags: tuple[str, ...] | None = Field(None, description="See `sources`.")
    depends_on: tuple[str, ...] | None = Field(None, description="See `sources`.")
    enabled: bool | None = Field(None, description="See `sources`.")
    with_: Mapping[str, Any] | None = Field(None, alias="with", description="Placeholders a source may leave out.")
    checks: tuple[Any, ...] | None = Field(None, description="Checks of every source that uses it.")


class SourceEntry(SourceFields):
    """One entry of `sources`: a source, or with `for_each` one source per row."""

    use: str | tuple[str, ...] | None = Field(None, description="The template, or the list of templates, it builds on.")
    with_: Mapping[str, Any] | None = Field(None, alias="with", description="Values of the templates' placeholders.")
    for_each: tuple[Mapping[str, Any], ...] | Mapping[str, Any] | None = Field(
        None, description="Makes one source per row; rows are mappings, or `{csv: FILE}`."
    )
    checks: tuple[Any, ...] = Field((), description="Its checks; the `id` of a template's check changes that one.")


class DefaultsFields(_Fields):
    """Values that hold wherever nothing more specific is given."""

    source: Mapping[str, Any] = Field(default_factory=dict, description="For every source.")
    check: Mapping[str, Any] = Field(default_factory=dict, description="For every check, whatever its kind.")
    kinds: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict, description="For every check of one kind.")


class IncludedFields(_Fields):
    """What an included file may hold."""

    model_config = ConfigDict(defer_build=True)

    version: Literal[1] = Field(1, description="Version of the format.")
    include: tuple[str, ...] = Field((), description="Further files or patterns, counted from this file's folder.")
    templates: Mapping[str, Any] = Field(default_factory=dict, description="Reusable parts of sources, by name.")
    components: Mapping[str, Any] = Field(default_factory=dict, description="The components, by name.")
    sources: tuple[Any, ...] = Field((), description="What is monitored.")
    rules: tuple[Rule, ...] = Field((), description="When to alert; see rules.md. `[]`: never.")
    channels: Mapping[str, Any] = Field(
        default_factory=dict, description="Through what people are told, by name; see channels.md."
    )
    people: Mapping[str, PersonSpec] = Field(default_factory=dict, description="Who can be told, by name.")
    teams: Mapping[str, TeamSpec] = Field(default_factory=dict, description="The teams, by name.")
    rotas: Mapping[str, RotaSpec] = Field(default_factory=dict, description="Who is on call when, by name.")
    escalations: Mapping[str, EscalationSpec] = Field(
        default_factory=dict, description="Who is told next while nobody acknowledges, by name."
    )
    maintenance: tuple[MaintenanceSpec, ...] = Field((), description="Times in which sources may be away.")
    suites: Mapping[str, SuiteSpec] = Field(
        default_factory=dict, description="What the data of sources should look like, by name."
    )
    collectors: Mapping[str, CollectorSpec] = Field(
        default_factory=dict, description="Who collects data and reports how that went, by name."
    )
    objectives: Mapping[str, ObjectiveSpec] = Field(
        default_factory=dict, description="What was promised about sources, by name."
    )
    reports: Mapping[str, ReportSpec] = Field(
        default_factory=dict, description="What is sent when a day, week or month is over, by name."
    )


class HeadFields(IncludedFields):
    """What monitoring.yaml may hold."""

    name: str = Field("", description="Name of this installation, for people.")
    stores: StoresSpec = StoresSpec()
    retention: RetentionSpec = RetentionSpec()
    execution: ExecutionSpec = ExecutionSpec()
    api: ApiSpec = ApiSpec()
    alerting: AlertingSpec = AlertingSpec()
    analysis: AnalysisSpec = AnalysisSpec()
    defaults: DefaultsFields = DefaultsFields()
