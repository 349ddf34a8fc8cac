"""The configuration as a tree of nodes: plain values that remember where they were written.

Merging and filling in keep each value's place, so that an error found at the very end still points
at the line the user typed. Reading text into nodes is `reading.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

__all__ = ["Fields", "Items", "Mark", "Node", "Place", "Scalar", "core_value", "merge", "paths_of", "plain", "without"]


class Mark(Protocol):
    """A place in a file; line and column count from 0, as the YAML parser's own marks do."""

    @property
    def name(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A mark of our own, for what no YAML node stands for (a whole file, a row of a CSV file)."""

    name: str
    line: int = 0
    column: int = 0


@dataclass(slots=True, eq=False)
class Scalar:
    """One value. `text` is what was written with `${...}` filled in, `shown` what was written.

    `plain` says that it was written without quotes, so it may be a number; `origin` is the node a
    placeholder took its value from.
    """

    value: Any
    text: str
    shown: str
    mark: Mark
    plain: bool = False
    origin: Scalar | None = None


@dataclass(slots=True, eq=False)
class Items:
    """A list."""

    items: list[Node]
    mark: Mark


@dataclass(slots=True, eq=False)
class Fields:
    """A mapping; `keys` holds the place of each key."""

    values: dict[str, Node]
    keys: dict[str, Mark]
    mark: Mark


Node: TypeAlias = Scalar | Items | Fields

_WORDS: dict[str, Any] = {"": None, "~": None}
_WORDS |= dict.fromkeys(("null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True)
_WORDS |= dict.fromkeys(("false", "False", "FALSE"), False)
_WORDS |= {sign + form: float(sign + "inf") for sign in ("", "+", "-") for form in (".inf", ".Inf", ".INF")}
_WORDS |= {form: float("nan") for form in (".nan", ".NaN", ".NAN")}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NUMERIC_STARTS = frozenset("+-.0123456789")
_MAX_DIGITS = 300


def core_value(text: str) -> Any:
    """The value of an unquoted scalar in YAML 1.2's core schema.

    No yes/no/on/off, no base 60 and no dates; octal is only `0o17`.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC_STARTS or len(text) > _MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def plain(node: Node) -> Any:
    """The node as plain dicts, lists and values."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Fields):
        return {key: plain(value) for key, value in node.values.items()}
    return [plain(item) for item in node.items]


def merge(base: Fields | None, over: Fields) -> Fields:
    """`over` laid over `base`: mappings merge, everything else replaces, `null` takes away."""
    if base is None:
        return over
    values, keys = dict(base.values), dict(base.keys)
    for key, node in over.values.items():
        below = values.get(key)
        if isinstance(below, Fields) and isinstance(node, Fields):
            values[key] = merge(below, node)
        elif below is not None and isinstance(node, Scalar) and node.value is None:
            del values[key], keys[key]
            continue
        else:
            values[key] = node
        keys[key] = over.keys[key]
    return Fields(values, keys, over.mark)


def without(fields: Fields, names: Iterable[str]) -> Fields:
    """The mapping without some of its keys."""
    dropped = frozenset(names)
    values = {key: node for key, node in fields.values.items() if key not in dropped}
    return Fields(values, {key: fields.keys[key] for key in values}, fields.mark)


def paths_of(root: Node) -> dict[int, str]:
    """The dotted path of every key and value below `root`, by the identity of its mark."""
    found: dict[int, str] = {}
    for mark, path in _walk(root, "", set()):
        found.setdefault(id(mark), path)
    return found


def _walk(node: Node, path: str, seen: set[int]) -> Iterator[tuple[Mark, str]]:
    yield node.mark, path
    if isinstance(node, Scalar) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, Items):
        for index, item in enumerate(node.items):
            yield from _walk(item, f"{path}[{index}]", seen)
        return
    for key, value in node.values.items():
        below = f"{path}.{key}" if path else key
        yield node.keys[key], below
        yield from _walk(value, below, seen)
