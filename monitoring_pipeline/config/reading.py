"""Reads one YAML file into nodes: syntax, duplicate keys, anchors and `${...}`.

What the keys mean is no concern of this module.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # missing in the stubs

from monitoring_pipeline.config.interpolation import InterpolationError, interpolate
from monitoring_pipeline.config.nodes import Fields, Items, Mark, Node, Place, Scalar, core_value
from monitoring_pipeline.config.problems import Problems, at

__all__ = ["read_text", "read_yaml"]

_LARGEST_FILE = 64_000_000
_DEEPEST = 60
_PARSER_DEEPEST = 2000
_MOST_NODES = 2_000_000
_BRACKET = re.compile(r"[\[\]{}]")
_DASHES = re.compile(rf"(?:[-?:][ \t]+){{{_PARSER_DEEPEST}}}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_TEXT_TAGS = ("tag:yaml.org,2002:str",)
_PLAIN_TAGS = tuple(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null", "map", "seq"))
_RECURSIVE: Any = object()


class _Loader(CParser):
    """Composes nodes and resolves nothing: the types of plain scalars are decided after `${...}`."""

    def resolve(self, *_: Any) -> str:
        return ""

    def descend_resolver(self, parent: Any, index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


class _Named(io.BytesIO):
    """A text that gives the parser's marks a name."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text.encode())
        self.name = name


class _Refused(Exception):
    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark


def read_yaml(path: Path, *, shown: str, environ: Mapping[str, str], problems: Problems) -> Node | None:
    """The file's content as nodes; None when it is empty or cannot be read (then a problem is added)."""
    text = read_text(path, shown=shown, problems=problems)
    if text is None:
        return None
    try:
        root = _compose(text, shown)
        return _Conversion(path.parent, environ, problems).node(root, 0) if root is not None else None
    except _Refused as refused:
        problems.add(refused.mark, str(refused), path="")
        return None


def read_text(path: Path, *, shown: str, problems: Problems) -> str | None:
    """The file as text, without a byte-order mark; None when it cannot be read (then a problem is added)."""
    start, name = Place(shown), str(path.absolute())
    if problems.texts.kept:
        if name not in problems.texts.files:
            problems.add(start, "there is no such file")
        return problems.texts.files.get(name)
    try:
        with path.open("rb") as stream:
            held = stream.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        problems.add(start, "there is no such file")
        return None
    except (OSError, ValueError) as error:
        problems.add(start, f"cannot be read: {getattr(error, 'strerror', None) or error}")
        return None
    if len(held) > _LARGEST_FILE:
        problems.add(start, f"the file is larger than {_LARGEST_FILE // 1_000_000} MB; split it with `include`")
        return None
    try:
        text = problems.texts.files[name] = held.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place(shown, held[: error.start].decode("utf-8-sig"))
        problems.add(place, "the file is not UTF-8 text; save it as UTF-8")
        return None
    return text


def _place(name: str, before: str) -> Place:
    return Place(name, before.count("\n"), len(before) - before.rfind("\n") - 1)


def _compose(text: str, shown: str) -> Any:
    control = _CONTROL.search(text)
    if control is not None:
        place = _place(shown, text[: control.start()])
        raise _Refused(place, f"the character U+{ord(control.group()):04X} is not allowed in YAML")
    _refuse_depth(text, shown)
    loader = _Loader(_Named(text, shown))
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, shown) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _Refused(Place(shown), f"not YAML: {error}") from None
    finally:
        loader.dispose()


def _syntax_error(error: yaml.MarkedYAMLError, text: str, shown: str) -> _Refused:
    mark = error.problem_mark or error.context_mark
    place = Place(shown, mark.line, mark.column) if mark else Place(shown)
    lines = text.split("\n")
    line = lines[place.line] if place.line < len(lines) else ""
    message = " ".join(part for part in (error.problem, error.context) if part)
    if "\t" in line[: len(line) - len(line.lstrip())]:
        message = "a tab cannot indent YAML; use spaces"
    elif "expected a single document" in (error.context or ""):
        message = "a second document (---) starts here; a file holds one"
    elif error.context_mark is not None and error.context_mark.line != place.line:
        message += f" that began in line {error.context_mark.line + 1}"
    return _Refused(place, f"not YAML: {message}")


def _refuse_depth(text: str, shown: str) -> None:
    """The C parser recurses on the C stack: text nested deeply enough would end the process."""
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth = depth + 1 if bracket.group() in "[{" else max(0, depth - 1)
        if depth > _PARSER_DEEPEST and _is_deep(text):
            raise _Refused(_place(shown, text[: bracket.start()]), "nested too deeply")
    dashes = _DASHES.search(text)
    if dashes is not None:
        raise _Refused(_place(shown, text[: dashes.start()]), "nested too deeply")


def _is_deep(text: str) -> bool:
    """Counts the depth by events, which do not recurse: brackets in quoted texts are none."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _PARSER_DEEPEST:
                    return True
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError:
        return depth > _PARSER_DEEPEST
    return False


def _height(node: Node) -> int:
    if isinstance(node, Scalar):
        return 0
    below = node.items if isinstance(node, Items) else node.values.values()
    return 1 + max(map(_height, below), default=0)


@dataclass(slots=True)
class _Conversion:
    """Turns the parser's nodes into ours."""

    folder: Path
    environ: Mapping[str, str]
    problems: Problems
    done: dict[int, Node] = field(default_factory=dict)
    size: int = 0
    sizes: dict[int, int] = field(default_factory=dict)

    def node(self, raw: Any, depth: int) -> Node:
        """One node and all below it. An anchor used twice is converted once, and counted twice."""
        known = self.done.get(id(raw))
        if known is _RECURSIVE:
            raise _Refused(raw.start_mark, "an anchor cannot contain itself")
        if known is not None:
            self.size += self.sizes[id(raw)]
            if depth + _height(known) > _DEEPEST:
                raise _Refused(raw.start_mark, f"nested too deeply: at most {_DEEPEST} levels")
        else:
            known = self._new(raw, depth)
        if self.size > _MOST_NODES:
            raise _Refused(raw.start_mark, f"too large: more than {_MOST_NODES} values after anchors are followed")
        return known

    def _new(self, raw: Any, depth: int) -> Node:
        if depth > _DEEPEST:
            raise _Refused(raw.start_mark, f"nested too deeply: at most {_DEEPEST} levels")
        before = self.size
        self.size += 1
        if raw.tag and raw.tag not in _TEXT_TAGS and raw.tag not in _PLAIN_TAGS:
            tag = raw.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.add(raw.start_mark, f"the tag {tag} is not supported; remove it")
        if isinstance(raw, yaml.ScalarNode):
            node: Node = self._scalar(raw)
        else:
            self.done[id(raw)] = _RECURSIVE
            node = self._fields(raw, depth) if isinstance(raw, yaml.MappingNode) else self._items(raw, depth)
        self.done[id(raw)] = node
        self.sizes[id(raw)] = self.size - before
        return node

    def _items(self, raw: yaml.SequenceNode, depth: int) -> Items:
        return Items([self.node(item, depth + 1) for item in raw.value], raw.start_mark)

    def _scalar(self, raw: yaml.ScalarNode) -> Scalar:
        shown = text = raw.value
        plain = (not raw.style and raw.tag not in _TEXT_TAGS) or raw.tag in _PLAIN_TAGS
        if "${" not in text:
            return Scalar(core_value(text) if plain else text, text, shown, raw.start_mark, plain)
        try:
            filled = interpolate(text, environ=self.environ, folder=self.folder)
        except InterpolationError as error:
            self.problems.add(raw.start_mark, str(error))
            return Scalar(shown, shown, shown, raw.start_mark)
        self.problems.spellings.update(filled.values)
        self.problems.secrets.update(filled.secrets)
        # An empty variable is an empty text: null would silently take an inherited value away.
        value = core_value(filled.text) if plain and filled.text else filled.text
        return Scalar(filled.text if value is None else value, filled.text, shown, raw.start_mark, plain)

    def _fields(self, raw: yaml.MappingNode, depth: int) -> Fields:
        values: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        merged: list[Node] = []
        for key_node, value_node in raw.value:
            mark = key_node.start_mark
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.add(mark, "a key must be a text")
                continue
            key, value = key_node.value, self.node(value_node, depth + 1)
            if key == "<<" and not key_node.style:
                merged += value.items if isinstance(value, Items) else [value]
            elif key in keys:
                self.problems.add(mark, f"duplicate key {key!r}; it was given at {at(keys[key])} already")
            else:
                values[key], keys[key] = value, mark
        fields = Fields(values, keys, raw.start_mark)
        return self._with_merged(fields, merged) if merged else fields

    def _with_merged(self, fields: Fields, merged: list[Node]) -> Fields:
        values, keys = dict(fields.values), dict(fields.keys)
        for below in merged:
            if not isinstance(below, Fields):
                self.problems.add(below.mark, "<< takes a mapping, or a list of mappings")
                continue
            for key, node in below.values.items():
                if key not in values:
                    values[key], keys[key] = node, below.keys[key]
        return Fields(values, keys, fields.mark)
