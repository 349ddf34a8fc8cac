"""Builds the plan of alerting out of the document: rules, channels, people and who is told.

What its parts say about each other and about sources is checked in `naming.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from monitoring_pipeline.alerting.delivery.channel import Channel, channel_kinds
from monitoring_pipeline.alerting.rules.defaults import burn_rules, default_rules, quality_rules
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.spec import (
    AlertingSpec,
    EscalationSpec,
    MaintenanceSpec,
    PersonSpec,
    Plan,
    RotaSpec,
    TeamSpec,
)
from monitoring_pipeline.config.anchoring import anchored
from monitoring_pipeline.config.choosing import kind_of
from monitoring_pipeline.config.documents import NAMED, Document
from monitoring_pipeline.config.fields import Id
from monitoring_pipeline.config.nodes import Fields, Node, Place, Scalar, plain
from monitoring_pipeline.config.problems import Problems, at, quoted
from monitoring_pipeline.config.targets import texts_in
from monitoring_pipeline.config.validation import as_fields, validate

__all__ = ["AlertingParts", "Written", "declared", "read_alerting", "sections_of"]

SpecT = TypeVar("SpecT", bound=BaseModel)
_SELECTED = ("source", "component", "tag")
_SECTIONS = ("channels", "people", "teams", "rotas", "escalations")


@dataclass(frozen=True, slots=True)
class Written(Generic[SpecT]):
    """A part that passed validation, and where it was written."""

    spec: SpecT
    fields: Fields


@dataclass(slots=True)
class AlertingParts:
    """Everything the document says about alerting. `known` are the written names of each section, mistakes included."""

    spec: Written[AlertingSpec]
    rules: list[Written[Rule]] = field(default_factory=list)
    channels: dict[str, Written[Channel]] = field(default_factory=dict)
    people: dict[str, Written[PersonSpec]] = field(default_factory=dict)
    teams: dict[str, Written[TeamSpec]] = field(default_factory=dict)
    rotas: dict[str, Written[RotaSpec]] = field(default_factory=dict)
    escalations: dict[str, Written[EscalationSpec]] = field(default_factory=dict)
    maintenance: list[Written[MaintenanceSpec]] = field(default_factory=list)
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    built_in: tuple[Rule, ...] = ()

    def plan(self) -> Plan:
        """The plan, built-in rules last."""
        return Plan(
            spec=self.spec.spec,
            rules=(*(rule.spec for rule in self.rules), *self.built_in),
            channels=_specs(self.channels),
            people=_specs(self.people),
            teams=_specs(self.teams),
            rotas=_specs(self.rotas),
            escalations=_specs(self.escalations),
            maintenance=tuple(each.spec for each in self.maintenance),
        )


def _specs(parts: Mapping[str, Written[SpecT]]) -> dict[str, SpecT]:
    return {name: part.spec for name, part in parts.items()}


def read_alerting(document: Document, folder: Path, problems: Problems) -> AlertingParts:
    """The parts of the plan; problems are added. Relative paths count from `folder`."""
    head = as_fields(document.head.values.get("alerting"), "alerting", problems) or Fields({}, {}, Place(""))
    parts = AlertingParts(Written(validate(AlertingSpec, head, problems) or AlertingSpec(), head))
    parts.known = {section: frozenset(document.named[section].values) for section in _SECTIONS}
    parts.rules = list(_rules(document.listed["rules"], problems))
    parts.channels = dict(_channels(document, folder, problems))
    parts.people = dict(_named(document, "people", PersonSpec, folder, problems))
    parts.teams = dict(_named(document, "teams", TeamSpec, folder, problems))
    parts.rotas = dict(_named(document, "rotas", RotaSpec, folder, problems))
    parts.escalations = dict(_named(document, "escalations", EscalationSpec, folder, problems))
    for fields in document.listed["maintenance"]:
        window = validate(MaintenanceSpec, fields, problems)
        if window is not None:
            parts.maintenance.append(_placed(window, fields, folder, problems))
    parts.built_in = tuple(_built_in(parts, document))
    return parts


def _built_in(parts: AlertingParts, document: Document) -> Iterator[Rule]:
    """Built-in rules: unless there are rules of one's own, or as asked for. A rule of the same id goes before."""
    wanted = parts.spec.spec.defaults
    own = {rule.spec.id for rule in parts.rules}
    if wanted or (wanted is None and "rules" not in document.given):
        built_in = (*default_rules(), *burn_rules(_objectives(document)), *quality_rules(_with_suites(document)))
        yield from (rule for rule in built_in if rule.id not in own)


def _with_suites(document: Document) -> set[str]:
    """The sources that have quality suites."""
    nodes = document.named["suites"].values.values()
    named = (node.values.get("source") for node in nodes if isinstance(node, Fields))
    return {node.text for node in named if isinstance(node, Scalar) and node.text}


def _objectives(document: Document) -> dict[str, dict[str, list[str]]]:
    """The objectives by name, as far as they are written well, with what selects their sources."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, node in document.named["objectives"].values.items():
        if isinstance(node, Fields) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
            texts = {key: [text.text for text in texts_in(node.values.get(key))] for key in _SELECTED}
            found[name] = {key: words for key, words in texts.items() if words}
    return found


def _rules(nodes: Iterable[Fields], problems: Problems) -> Iterator[Written[Rule]]:
    first: dict[str, Node] = {}
    for fields in nodes:
        rule = validate(Rule, fields, problems)
        name = fields.values.get("id")
        if not isinstance(name, Scalar):
            continue
        if name.text in first:
            place = at(first[name.text].mark)
            message = f"the rule {quoted(name)} exists already at {place}; ids are unique over all files"
            problems.add(name.mark, message)
        elif rule is not None:
            yield Written(rule, fields)
        first.setdefault(name.text, name)


def _channels(document: Document, folder: Path, problems: Problems) -> Iterator[tuple[str, Written[Channel]]]:
    kinds = channel_kinds()
    for name, fields in declared(document, "channels", problems):
        model = kind_of(fields, kinds, "a channel kind", problems)
        channel = validate(model, fields, problems) if model is not None else None
        if channel is not None:
            yield name, Written(anchored(channel, folder), fields)


def _named(
    document: Document, section: str, model: type[SpecT], folder: Path, problems: Problems
) -> Iterator[tuple[str, Written[SpecT]]]:
    for name, fields in declared(document, section, problems):
        spec = validate(model, fields, problems)
        if spec is not None:
            yield name, _placed(spec, fields, folder, problems)


def _placed(spec: SpecT, fields: Fields, folder: Path, problems: Problems) -> Written[SpecT]:
    """The part with absolute paths; a calendar file that cannot be read is a warning, for it may come later."""
    written = Written(anchored(spec, folder), fields)
    calendar = getattr(written.spec, "calendar", None)
    if isinstance(calendar, Path):
        from monitoring_pipeline.alerting.people import calendars

        fault = calendars.fault(calendar)
        if fault is not None:
            problems.warn(fields.values["calendar"].mark, fault)
    return written


class _Name(BaseModel):
    id: Id


def declared(document: Document, section: str, problems: Problems) -> Iterator[tuple[str, Fields]]:
    """The entries of a section by name; names that are none are problems."""
    known = document.named[section]
    article = "an" if NAMED[section][0] in "aeiou" else "a"
    for name, node in known.values.items():
        fields = as_fields(node, f"{article} {NAMED[section]}", problems)
        if fields is None and isinstance(node, Scalar) and node.value is None:
            fields = Fields({}, {}, node.mark)
        mark = known.keys[name]
        named = Fields({"id": Scalar(name, name, name, mark)}, {"id": mark}, mark)
        if validate(_Name, named, problems) and fields is not None:
            yield name, fields


def sections_of(document: Document) -> dict[str, Any]:
    """The sections of alerting as plain values, for the fingerprint."""
    named = {section: plain(document.named[section]) for section in _SECTIONS}
    listed = {section: [plain(node) for node in nodes] for section, nodes in document.listed.items()}
    return {**named, **listed, "given": "rules" in document.given}
