"""Reads monitoring.yaml and the files it includes, and gathers their sections into one document."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitoring_pipeline.config.fields import HeadFields, IncludedFields
from monitoring_pipeline.config.nodes import Fields, Node, Place, Scalar
from monitoring_pipeline.config.problems import Problems, at, choices
from monitoring_pipeline.config.reading import read_yaml
from monitoring_pipeline.config.validation import allowed_keys, as_fields, as_items, field_names

__all__ = ["NAMED", "Document", "Entry", "read_document"]

NAMED = {
    "components": "component",
    "channels": "channel",
    "people": "person",
    "teams": "team",
    "rotas": "rota",
    "escalations": "escalation",
    "suites": "suite",
    "collectors": "collector",
    "objectives": "objective",
    "reports": "report",
}
"""Sections that are mappings from names that are unique over all files, and what one entry is called."""
_LISTED = {"rules": "a rule is a mapping that begins with `id:`", "maintenance": "a maintenance window is a mapping"}
_NOT_INCLUDED = frozenset(field_names(HeadFields)) - frozenset(field_names(IncludedFields))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `sources`, and the folder that its relative files count from."""

    fields: Fields
    folder: Path


@dataclass(slots=True)
class Document:
    """The sections of all files. `head` is the main file's mapping, `given` names the sections that any file has."""

    head: Fields
    templates: dict[str, Fields] = field(default_factory=dict)
    named: dict[str, Fields] = field(default_factory=lambda: {name: Fields({}, {}, Place("")) for name in NAMED})
    entries: list[Entry] = field(default_factory=list)
    listed: dict[str, list[Fields]] = field(default_factory=lambda: {name: [] for name in _LISTED})
    given: set[str] = field(default_factory=set)


def read_document(path: Path, *, environ: Mapping[str, str], problems: Problems) -> Document:
    """The whole configuration as nodes. A file that cannot be read adds its problem and is left out."""
    document = Document(Fields({}, {}, Place(str(path))))
    _Files(document, environ, problems).read(path, str(path), ())
    return document


@dataclass(slots=True)
class _Files:
    document: Document
    environ: Mapping[str, str]
    problems: Problems
    seen: set[Path] = field(default_factory=set)

    def read(self, path: Path, shown: str, above: tuple[Path, ...]) -> None:
        self.seen.add(path.resolve())
        self.problems.files.append(shown)
        before = bool(self.problems)
        root = read_yaml(path, shown=shown, environ=self.environ, problems=self.problems)
        if root is None or (isinstance(root, Scalar) and root.value is None):
            if not above and bool(self.problems) == before:
                self.problems.add(Place(shown), "the file is empty; it starts with `version: 1` and `sources:`")
            return
        self.problems.roots.append(root)
        fields = as_fields(root, "the file", self.problems)
        if fields is None:
            return
        fields = self._known(fields, included=bool(above))
        if not above:
            self.document.head = fields
        self._take(fields, path)
        for node in as_items(fields.values.get("include"), "include", self.problems):
            self._include(node, path, (*above, path.resolve()))

    def _known(self, fields: Fields, *, included: bool) -> Fields:
        """Without unknown keys, which are problems; stores and the like have their place in the main file."""
        if not included:
            return allowed_keys(fields, field_names(HeadFields), self.problems)
        for key in _NOT_INCLUDED & fields.values.keys():
            self.problems.add(
                fields.keys[key],
                f"{key!r} belongs into the main file; an included one may hold {choices(field_names(IncludedFields))}",
            )
        rest = Fields({k: v for k, v in fields.values.items() if k not in _NOT_INCLUDED}, fields.keys, fields.mark)
        return allowed_keys(rest, field_names(IncludedFields), self.problems)

    def _take(self, fields: Fields, path: Path) -> None:
        templates = as_fields(fields.values.get("templates"), "templates", self.problems)
        for name, node in templates.values.items() if templates else ():
            template = as_fields(node, "a template", self.problems)
            if name in self.document.templates:
                mark, first = templates.keys[name] if templates else node.mark, self.document.templates[name].mark
                self.problems.add(mark, f"the template {name!r} exists already at {at(first)}")
            elif template is not None:
                self.document.templates[name] = template
        self.document.given.update(name for name, node in fields.values.items() if not _is_null(node))
        for section in NAMED:
            self._take_named(section, as_fields(fields.values.get(section), section, self.problems))
        for section, form in _LISTED.items():
            for node in as_items(fields.values.get(section), section, self.problems):
                if isinstance(node, Fields):
                    self.document.listed[section].append(node)
                else:
                    self.problems.add(node.mark, form)
        for node in as_items(fields.values.get("sources"), "sources", self.problems):
            if isinstance(node, Fields):
                self.document.entries.append(Entry(node, path.parent))
            else:
                self.problems.add(node.mark, "a source is a mapping that begins with `id:`")

    def _take_named(self, section: str, fields: Fields | None) -> None:
        known = self.document.named[section]
        for name, node in fields.values.items() if fields else ():
            mark = fields.keys[name] if fields else node.mark
            if name in known.values:
                self.problems.add(mark, f"the {NAMED[section]} {name!r} exists already at {at(known.keys[name])}")
            else:
                known.values[name], known.keys[name] = node, mark

    def _include(self, node: Node, path: Path, above: tuple[Path, ...]) -> None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            self.problems.add(node.mark, "an include is a path or a pattern, like sources/*.yaml")
            return
        pattern = node.value
        found = self.problems.texts.matching(str(path.parent / pattern))
        if not found and not glob.has_magic(pattern):
            self.problems.add(node.mark, f"there is no file {str(path.parent / pattern)!r}")
        for name in found:
            if name.resolve() in above:
                chain = " -> ".join(part.name for part in (*above[above.index(name.resolve()) :], name))
                self.problems.add(node.mark, f"{node.shown!r} includes a file that includes this one: {chain}")
            elif name.resolve() not in self.seen:
                self.read(name, str(name), above)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None
