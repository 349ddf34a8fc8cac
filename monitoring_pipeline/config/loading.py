"""The front door: a file becomes a Config, or a ConfigError with everything that is wrong with it."""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr

from monitoring_pipeline import __version__
from monitoring_pipeline.alerting.delivery.channel import channel_kinds
from monitoring_pipeline.alerting.rules.condition import condition_kinds
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.checks.check import BoundCheck, Check, check_kinds
from monitoring_pipeline.checks.spec import ExecutionSpec
from monitoring_pipeline.config.alerting import declared, read_alerting, sections_of
from monitoring_pipeline.config.anchoring import absolute, anchored, anchored_url
from monitoring_pipeline.config.choosing import kind_of
from monitoring_pipeline.config.config import Config
from monitoring_pipeline.config.documents import Document, read_document
from monitoring_pipeline.config.expansion import Expanded, Expansion
from monitoring_pipeline.config.extras import missing_extra, missing_extras
from monitoring_pipeline.config.fields import ApiSpec, ComponentFields, HeadFields, IncludedFields, SourceFields
from monitoring_pipeline.config.knowledge import (
    Knowledge,
    check_names,
    check_reports,
    knowledge_sections,
    parts_of_suites,
    read_knowledge,
)
from monitoring_pipeline.config.nodes import Fields, Place, Scalar, plain
from monitoring_pipeline.config.problems import Problems, at, hint, quoted
from monitoring_pipeline.config.reading import read_yaml
from monitoring_pipeline.config.references import Built, BuiltCheck, check_cron, check_references
from monitoring_pipeline.config.secrets import secrets_in_models, secrets_in_nodes
from monitoring_pipeline.config.subjects import Census, check_subjects
from monitoring_pipeline.config.targets import check_targets
from monitoring_pipeline.config.texts import Texts
from monitoring_pipeline.config.validation import as_fields, field_names, keep_keys, validate
from monitoring_pipeline.kinds import Kinds
from monitoring_pipeline.quality.table import table_kinds
from monitoring_pipeline.records import Component, Source
from monitoring_pipeline.store.spec import RetentionSpec, StoresSpec

__all__ = ["load_config", "load_document"]

ModelT = TypeVar("ModelT", bound=BaseModel)


def load_config(path: Path, *, environ: Mapping[str, str] | None = None, texts: Texts | None = None) -> Config:
    """Reads a configuration with everything it includes.

    Raises ConfigError with all problems at once. `environ` are the variables that `${VAR}` may
    use; the process's own by default. With `texts` that were kept, the files are not read.
    """
    with _no_collector():
        return _Loading(path, os.environ if environ is None else environ, texts or Texts()).config()


def load_document(path: Path, model: type[ModelT]) -> ModelT:
    """Reads another YAML file, such as tests of rules, with the same care.

    Raises ConfigError with all problems at once.
    """
    problems = Problems(Texts())
    problems.files.append(str(path))
    root = read_yaml(path, shown=str(path), environ={}, problems=problems)
    fields = as_fields(root, "the file", problems)
    if fields is None and not problems:
        problems.add(Place(str(path)), "the file is empty")
    found = validate(model, fields, problems) if fields is not None else None
    problems.raise_if_any()
    assert found is not None  # noqa: S101 - else there were problems
    return found


@contextmanager
def _no_collector() -> Iterator[None]:
    """Loading only allocates; letting the collector walk all of it again and again costs a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Head(BaseModel):
    """What of the main file is built in one go."""

    version: Any = 1
    name: str = ""


class _Loading:
    def __init__(self, path: Path, environ: Mapping[str, str], texts: Texts) -> None:
        self.path = path
        self.problems = Problems(texts)
        self.kinds: Kinds[Check] = check_kinds()
        self.document: Document = read_document(path, environ=environ, problems=self.problems)
        self.expanded: list[Expanded] = []
        self.unread: set[str] = set()
        self.ids: dict[str, Fields] = {}

    def config(self) -> Config:
        head = self._head()
        stores = self._section("stores", StoresSpec)
        retention = self._section("retention", RetentionSpec)
        execution = self._section("execution", ExecutionSpec)
        api = self._section("api", ApiSpec)
        components = self._declared()
        alerting = read_alerting(self.document, self.path.absolute().parent, self.problems)
        self.expanded = list(Expansion(self.document, self.kinds.by_name, self.problems).sources())
        built, sources = self._sources(components)
        check_references(built, self.problems, unread=self.unread)
        check_targets(self.document, self.problems)
        disabled = {source.id for source in built if not source.enabled}
        knowledge = read_knowledge(
            self.document,
            self.path.absolute().parent,
            self.problems,
            sources={*sources, *self.unread},
            disabled=disabled,
        )
        if not self.unread:
            named = {*components, *(source.component for source in sources.values())}
            check_reports(self.document, named, self.problems)
        check_names(self.document, (sources[each.id] for each in built if each.enabled), self.problems)
        census = Census(
            sources,
            {source.id: [check.check for check in source.checks] for source in built},
            self.unread,
            knowledge.collectors_by_source(),
            knowledge.suites_by_source(),
        )
        owners = {each.id: node for each in built if isinstance(node := each.fields.values.get("owner"), Scalar)}
        check_subjects(alerting, self.document, census, owners, self.problems)
        self.problems.raise_if_any()
        assert head and stores and retention and execution and api  # noqa: S101 - else there were problems
        enabled = [source for source in built if source.enabled]
        checks = tuple(BoundCheck(sources[source.id], check.check) for source in enabled for check in source.checks)
        plan = alerting.plan()
        return Config(
            path=self.path.absolute(),
            name=head.name or self.path.stem,
            components=self._components(components, [sources[source.id] for source in enabled]),
            sources=tuple(sources[source.id] for source in enabled),
            checks=checks,
            stores=_resolved(stores, self.path.absolute().parent),
            retention=retention,
            execution=execution,
            api=api,
            alerting=plan,
            analysis=knowledge.analysis,
            suites=knowledge.suites,
            collectors=knowledge.collectors,
            objectives=knowledge.objectives,
            reports=knowledge.reports,
            fingerprint=self._fingerprint(),
            secrets=self._secrets([stores, *plan.channels.values(), *parts_of_suites(knowledge.suites)], checks),
            warnings=self._warnings(checks, plan, knowledge),
            texts=self.problems.texts,
        )

    def _head(self) -> _Head | None:
        version = self.document.head.values.get("version")
        if isinstance(version, Scalar) and version.value not in (1, "1"):
            self.problems.add(version.mark, f"version {quoted(version)} is not supported; allowed: 1")
        return validate(_Head, keep_keys(self.document.head, _Head.model_fields), self.problems)

    def _section(self, name: str, model: type[Any]) -> Any:
        fields = as_fields(self.document.head.values.get(name), name, self.problems)
        return model() if fields is None else validate(model, fields, self.problems)

    def _declared(self) -> dict[str, ComponentFields]:
        entries = declared(self.document, "components", self.problems)
        return {name: validate(ComponentFields, f, self.problems) or ComponentFields() for name, f in entries}

    def _sources(self, declared: Mapping[str, ComponentFields]) -> tuple[list[Built], dict[str, Source]]:
        built: list[Built] = []
        sources: dict[str, Source] = {}
        for expanded in self.expanded:
            fields = validate(SourceFields, expanded.source, self.problems)
            name = expanded.source.values.get("id")
            written = name.text if isinstance(name, Scalar) else ""
            if isinstance(name, Scalar) and not self._is_new(written, name, expanded.source):
                continue
            checks = [check for each in expanded.checks for check in self._check(each, written)]
            if fields is None:
                self.unread.add(written)
                continue
            known = [n.text for each in expanded.checks if isinstance(n := each.values.get("id"), Scalar)]
            built.append(Built(fields.id, fields.depends_on, fields.enabled, expanded.source, checks, known))
            sources[fields.id] = _source(fields)
            self._warn_near_miss(fields.component, declared, expanded.source)
        disabled = {source.id for source in built if not source.enabled}
        if disabled:
            sources = {name: _without_lineage(source, disabled) for name, source in sources.items()}
        return built, sources

    def _is_new(self, name: str, node: Scalar, fields: Fields) -> bool:
        if name not in self.ids:
            self.ids[name] = fields
            return True
        first = self.ids[name].values["id"]
        place = first.origin.mark if isinstance(first, Scalar) and first.origin else first.mark
        mark = node.origin.mark if node.origin else node.mark
        message = f"the source {node.shown!r} exists already at {at(place)}; ids are unique over all files"
        self.problems.add(mark, message)
        return False

    def _check(self, fields: Fields, source: str) -> Iterator[BuiltCheck]:
        name = fields.values.get("id")
        tail = f"; no template has a check {quoted(name)} to change" if isinstance(name, Scalar) else ""
        model = kind_of(fields, self.kinds, "a check kind", self.problems, missing=tail)
        if model is None:
            return
        check_cron(fields, self.problems)
        check = validate(model, fields, self.problems)
        if check is not None:
            yield BuiltCheck(f"{source}/{check.id}", anchored(check, self.path.absolute().parent), fields)

    def _warn_near_miss(self, component: str, declared: Mapping[str, ComponentFields], fields: Fields) -> None:
        if component in declared or not declared or component == "default":
            return
        typo = hint(component, declared)
        if typo:
            mark = fields.values.get("component", fields).mark
            self.problems.warn(mark, f"the component {component!r} is not declared and is created{typo}")

    def _components(self, declared: Mapping[str, ComponentFields], sources: list[Source]) -> tuple[Component, ...]:
        names = dict.fromkeys([*declared, *(source.component for source in sources)])
        specs = {name: declared.get(name, ComponentFields()) for name in names}
        return tuple(Component(name, s.description, s.owner, s.aggregation) for name, s in specs.items())

    def _fingerprint(self) -> str:
        head = {name: plain(node) for name, node in self.document.head.values.items() if name in _HEAD_THAT_MATTERS}
        sources = [[plain(each.source), [plain(check) for check in each.checks]] for each in self.expanded]
        components = plain(self.document.named["components"])
        folder = str(self.path.absolute().parent)
        matter = [
            __version__,
            folder,
            head,
            components,
            sources,
            sections_of(self.document),
            knowledge_sections(self.document),
        ]
        return hashlib.sha256(json.dumps(matter, sort_keys=True, default=str).encode()).hexdigest()[:32]

    def _secrets(self, specs: Iterable[BaseModel], checks: tuple[BoundCheck, ...]) -> frozenset[str]:
        found = set(self.problems.secrets)
        found.update(secrets_in_models([*specs, *(bound.check for bound in checks)]))
        found.update(secrets_in_nodes([self.document.head, *self.document.named.values()]))
        for each in self.expanded:
            found.update(secrets_in_nodes([each.source, *each.checks]))
        return frozenset(secret for secret in found if secret)

    def _warnings(self, checks: tuple[BoundCheck, ...], plan: Plan, knowledge: Knowledge) -> tuple[str, ...]:
        found: dict[str, Kinds[Any]] = {"check": self.kinds}
        found |= {"condition": condition_kinds(), "channel": channel_kinds(), "table": table_kinds()}
        broken = [
            f"the {what} kind {name!r} could not be loaded: {why}"
            for what, kinds in found.items()
            for name, why in kinds.broken.items()
        ]
        none = [] if self.expanded else [f"{at(Place(str(self.path)))}: there are no sources: nothing is monitored"]
        used = {bound.check.kind: type(bound.check) for bound in checks if bound.check.enabled}
        channels = {channel.kind: type(channel) for channel in plan.channels.values() if channel.enabled}
        missing = [*missing_extras("check", used), *missing_extras("channel", channels)]
        if any(suite.enabled and suite.expectations for suite in knowledge.suites.values()):
            missing += missing_extra("expectations of suites need", "analysis")
        if knowledge.analysis.isolation_forest:
            missing += missing_extra("`analysis.isolation_forest` needs", "analysis")
        return (*none, *self.problems.warnings, *broken, *missing)


_ELSEWHERE = {*field_names(IncludedFields), "defaults"} - {"version"}
_HEAD_THAT_MATTERS = frozenset(field_names(HeadFields)) - _ELSEWHERE


def _source(fields: SourceFields) -> Source:
    return Source(
        id=fields.id,
        component=fields.component,
        name=fields.name or fields.id,
        description=fields.description,
        owner=fields.owner,
        criticality=fields.criticality,
        tags=fields.tags,
        depends_on=fields.depends_on,
    )


def _without_lineage(source: Source, gone: set[str]) -> Source:
    left = tuple(name for name in source.depends_on if name not in gone)
    values = {name: getattr(source, name) for name in source.__slots__}
    return source if left == source.depends_on else Source(**{**values, "depends_on": left})


def _resolved(stores: StoresSpec, folder: Path) -> StoresSpec:
    """Absolute paths, and the URL of the operational store. Relative ones count from `folder`."""
    directory = absolute(stores.directory, folder)
    url = stores.operational.get_secret_value() if stores.operational else f"sqlite:///{directory / 'operational.db'}"
    url = anchored_url(url, folder)
    warehouse = absolute(stores.warehouse, folder) if stores.warehouse else directory / "warehouse.duckdb"
    return stores.model_copy(update={"directory": directory, "operational": SecretStr(url), "warehouse": warehouse})
