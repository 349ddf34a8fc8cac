"""Sources as the user wrote them -> sources as they are: rows, templates, defaults and placeholders.

For a source: defaults.source < its templates in order < the source itself. For a check:
defaults.check < defaults.kinds.KIND < the templates' check < the source's check of the same id.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitoring_pipeline.checks.check import Check
from monitoring_pipeline.config.documents import Document, Entry
from monitoring_pipeline.config.fields import DefaultsFields, SourceEntry, SourceFields, TemplateFields
from monitoring_pipeline.config.nodes import Fields, Items, Mark, Node, Place, Scalar, core_value, merge, without
from monitoring_pipeline.config.problems import Problems, at, choices, hint, quoted
from monitoring_pipeline.config.reading import read_text
from monitoring_pipeline.config.validation import allowed_keys, as_fields, as_items, field_names

__all__ = ["Expanded", "Expansion"]

_PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_-]*)\}")
_NOT_OF_SOURCE = ("use", "with", "for_each", "checks")
_EMPTY = Fields({}, {}, Place(""))


@dataclass(frozen=True, slots=True)
class Expanded:
    """One source: its own keys, and its checks with kind and id, everything merged and filled in."""

    source: Fields
    checks: list[Fields]


@dataclass(slots=True)
class _Names:
    """The values of placeholders, and the names that texts asked for, with a value or without."""

    values: dict[str, Node]
    used: set[str] = field(default_factory=set)


class Expansion:
    """Expands the entries of one document."""

    def __init__(self, document: Document, kinds: Mapping[str, type[Check]], problems: Problems) -> None:
        self.document = document
        self.kinds = kinds
        self.problems = problems
        self.defaults = self._defaults()
        self.templates = {
            name: allowed_keys(node, field_names(TemplateFields), problems) for name, node in document.templates.items()
        }
        self._kind_defaults: dict[str | None, Fields] = {}

    def sources(self) -> Iterator[Expanded]:
        """Every source of every entry, in order."""
        for entry in self.document.entries:
            fields = allowed_keys(entry.fields, field_names(SourceEntry), self.problems)
            rows = self._rows(fields.values.get("for_each"), entry)
            used: set[str] = set()
            for row in rows:
                yield self._source(fields, row, used)
            if rows:
                self._warn_unused(fields, used)

    def _defaults(self) -> dict[str, Fields]:
        section = as_fields(self.document.head.values.get("defaults"), "defaults", self.problems) or _EMPTY
        section = allowed_keys(section, field_names(DefaultsFields), self.problems)
        names = field_names(DefaultsFields)
        parts = {name: as_fields(section.values.get(name), name, self.problems) or _EMPTY for name in names}
        common = [name for name in field_names(Check) if name not in ("kind", "id")]
        of_source = [name for name in field_names(SourceFields) if name != "id"]
        parts["source"] = allowed_keys(parts["source"], of_source, self.problems)
        parts["check"] = allowed_keys(parts["check"], common, self.problems)
        kinds = {}
        for kind, node in parts["kinds"].values.items():
            if kind not in self.kinds:
                self.problems.add(parts["kinds"].keys[kind], self.unknown_kind(repr(kind), kind))
                continue
            names = [name for name in field_names(self.kinds[kind]) if name not in ("kind", "id")]
            fields = as_fields(node, "defaults of a kind", self.problems) or _EMPTY
            kinds[kind] = allowed_keys(fields, names, self.problems)
        parts["kinds"] = Fields(dict(kinds), parts["kinds"].keys, parts["kinds"].mark)
        return parts

    def unknown_kind(self, shown: str, name: str) -> str:
        """What to say about a kind that does not exist."""
        return f"{shown} is not a check kind{hint(name, self.kinds)}; known kinds: {choices(self.kinds)}"

    def _rows(self, node: Node | None, entry: Entry) -> list[Fields]:
        if node is None:
            return [_EMPTY]
        if isinstance(node, Fields):
            table = allowed_keys(node, ["csv"], self.problems).values.get("csv")
            if isinstance(table, Scalar) and isinstance(table.value, str):
                return _csv_rows(entry.folder / table.value, table.mark, self.problems)
            self.problems.add(node.mark, "for_each takes a list of rows, or {csv: FILE}")
            return []
        items = as_items(node, "for_each", self.problems)
        rows = [as_fields(item, "a row of for_each", self.problems) for item in items]
        return [row for row in rows if row is not None]

    def _source(self, entry: Fields, row: Fields, used: set[str]) -> Expanded:
        own = without(entry, _NOT_OF_SOURCE)
        names = _Names(dict(row.values), used)
        templates = self._used_templates(entry, names)
        names.values = self._placeholders(entry, row, templates, names)
        merged: Fields = self.defaults["source"]
        for template in templates:
            merged = merge(merged, without(template, _NOT_OF_SOURCE))
        source = self._filled(merge(merged, own), names)
        layers = [*templates, entry]
        checks = [[self._filled(check, names) for check in self._own_checks(layer)] for layer in layers]
        return Expanded(source, self._checks(checks))

    def _placeholders(self, entry: Fields, row: Fields, templates: list[Fields], names: _Names) -> dict[str, Node]:
        """Templates' own values < the row < the source's `with`; texts of `with` may use the row."""
        values: dict[str, Node] = {}
        for template in templates:
            values |= (as_fields(template.values.get("with"), "with", self.problems) or _EMPTY).values
        values |= row.values
        if "id" in entry.values:
            values["id"] = names.values["id"] = _fill(entry.values["id"], names, self.problems)
        given = as_fields(entry.values.get("with"), "with", self.problems) or _EMPTY
        return values | {name: _fill(node, names, self.problems) for name, node in given.values.items() if name != "id"}

    def _used_templates(self, entry: Fields, names: _Names) -> list[Fields]:
        use = entry.values.get("use")
        nodes = [use] if isinstance(use, Scalar) else as_items(use, "use", self.problems)
        found = []
        for node in nodes:
            name = _fill(node, names, self.problems)
            wanted = name.value if isinstance(name, Scalar) else None
            if isinstance(wanted, str) and wanted in self.templates:
                found.append(self.templates[wanted])
            else:
                known = choices(self.templates)
                typo = hint(wanted, self.templates) if isinstance(wanted, str) else ""
                self.problems.add(node.mark, f"{quoted(name)} is not a template{typo}; known templates: {known}")
        return found

    def _own_checks(self, layer: Fields) -> list[Fields]:
        nodes = as_items(layer.values.get("checks"), "checks", self.problems)
        found = []
        for node in nodes:
            if isinstance(node, Fields):
                found.append(node)
            else:
                self.problems.add(node.mark, "a check is a mapping with `kind:`")
        return found

    def _filled(self, fields: Fields, names: _Names) -> Fields:
        filled = _fill(fields, names, self.problems) if names.values else fields
        assert isinstance(filled, Fields)  # noqa: S101 - a mapping is filled into a mapping
        return filled

    def _checks(self, layers: list[list[Fields]]) -> list[Fields]:
        """One list out of the templates' and the source's; only explicit ids meet each other."""
        merged: list[Fields] = []
        place: dict[str, int] = {}
        for layer in layers:
            here: dict[str, Mark] = {}
            for check in layer:
                name = _text(check, "id")
                if name is not None and name in here:
                    first = at(here[name])
                    message = f"the check {name!r} exists already at {first}; give it another id"
                    self.problems.add(check.values["id"].mark, message)
                elif name is not None and name in place:
                    merged[place[name]] = merge(merged[place[name]], check)
                else:
                    if name is not None:
                        place[name] = len(merged)
                    merged.append(check)
                if name is not None:
                    here.setdefault(name, check.values["id"].mark)
        return [self._with_defaults(check) for check in _numbered(merged)]

    def _with_defaults(self, check: Fields) -> Fields:
        kind = _text(check, "kind")
        if kind not in self._kind_defaults:
            below = self.defaults["kinds"].values.get(kind or "")
            base = self.defaults["check"]
            self._kind_defaults[kind] = merge(base, below) if isinstance(below, Fields) else base
        return merge(self._kind_defaults[kind], check)

    def _warn_unused(self, entry: Fields, used: set[str]) -> None:
        given = as_fields(entry.values.get("with"), "with", self.problems) or _EMPTY
        for name in given.values:
            if name not in used:
                self.problems.warn(
                    given.keys[name], f"nothing uses the placeholder {{{name}}}{hint(name, used - given.values.keys())}"
                )


def _text(fields: Fields, key: str) -> str | None:
    node = fields.values.get(key)
    return node.text if isinstance(node, Scalar) and node.text else None


def _numbered(checks: list[Fields]) -> list[Fields]:
    """Checks without an id get their kind as id; the second of a kind is called kind-2."""
    taken = {_text(check, "id") for check in checks}
    named = []
    for check in checks:
        kind = _text(check, "kind")
        if _text(check, "id") is not None or kind is None:
            named.append(check)
            continue
        name, number = kind, 2
        while name in taken:
            name, number = f"{kind}-{number}", number + 1
        taken.add(name)
        mark = check.values["kind"].mark
        values = {**check.values, "id": Scalar(name, name, name, mark)}
        named.append(Fields(values, {**check.keys, "id": mark}, check.mark))
    return named


def _fill(node: Node, names: _Names, problems: Problems) -> Node:
    """The node with its placeholders filled in; a part without any is shared, not copied."""
    if isinstance(node, Scalar):
        return _fill_text(node, names, problems) if "{" in node.text else node
    if isinstance(node, Items):
        items = [_fill(item, names, problems) for item in node.items]
        return node if all(a is b for a, b in zip(items, node.items, strict=True)) else Items(items, node.mark)
    changed = {}
    for key, value in node.values.items():
        filled = _fill(value, names, problems)
        if filled is not value:
            changed[key] = filled
    return Fields({**node.values, **changed}, node.keys, node.mark) if changed else node


def _fill_text(node: Scalar, names: _Names, problems: Problems) -> Node:
    asked = _PLACEHOLDER.findall(node.text)
    names.used.update(asked)
    alone = _PLACEHOLDER.fullmatch(node.text)
    if alone is not None and alone.group(1) in names.values:
        given = names.values[alone.group(1)]
        if isinstance(given, Scalar):
            return Scalar(given.value, given.text, given.shown, node.mark, given.plain, given)
        return given
    texts: dict[str, Scalar] = {}
    for name in asked:
        found = names.values.get(name)
        if isinstance(found, Scalar):
            texts[name] = found
        elif found is not None:
            problems.add(node.mark, f"the placeholder {{{name}}} is {quoted(found)} and cannot stand inside a text")
    if not texts:
        return node
    text = _PLACEHOLDER.sub(lambda match: texts[match[1]].text if match[1] in texts else match[0], node.text)
    shown = _PLACEHOLDER.sub(lambda match: texts[match[1]].shown if match[1] in texts else match[0], node.shown)
    return Scalar(core_value(text) if node.plain else text, text, shown, node.mark, node.plain)


def _csv_rows(path: Path, mark: Mark, problems: Problems) -> list[Fields]:
    """The rows of a CSV file with a header; cells are read like unquoted YAML."""
    if not problems.texts.has(path):
        problems.add(mark, f"there is no file {str(path)!r}")
        return []
    text = read_text(path, shown=str(path), problems=problems)
    reader = csv.reader(io.StringIO(text or "", newline=""), strict=True)
    rows: list[Fields] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        for cells in reader:
            place = Place(str(path), reader.line_num - 1, 0)
            if not cells:
                continue
            if len(cells) != len(header):
                problems.add(place, f"the row has {len(cells)} cells, the header {len(header)}", path="")
                continue
            values: dict[str, Node] = {
                name: Scalar(core_value(cell), cell, cell, place, plain=True)
                for name, cell in zip(header, map(str.strip, cells), strict=True)
            }
            rows.append(Fields(values, dict.fromkeys(header, place), place))
    except csv.Error as error:
        problems.add(Place(str(path), max(reader.line_num - 1, 0)), f"not CSV: {error}", path="")
    return rows
