"""The grammar of conditions: a tokenizer, a recursive descent parser, and nodes that judge values.

    expression := conjunction ("or" conjunction)*
    conjunction := term ("and" term)*
    term := "not" term | operand [comparison]
    comparison := ("<" | "<=" | ">" | ">=" | "==" | "!=") operand
                | "between" operand "and" operand
                | ["not"] "contains" operand | ["not"] "in" operand | ["not"] "exists"
    operand := number | text | "true" | "false" | "null" | list | path | "length" "(" path ")" | "(" expression ")"

Words may replace signs: greater_than, less_than, equals, not_equals, greater_than_or_equals,
less_than_or_equals, not_contains.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from monitoring_pipeline.errors import ConditionError

__all__ = ["WORDS", "Node", "Parser"]

_MAX_TEXT = 2000
_MAX_DEPTH = 40
_SHOWN = 80
_MISSING: Any = object()

WORDS = {
    "greater_than": ">",
    "less_than": "<",
    "equals": "==",
    "not_equals": "!=",
    "greater_than_or_equals": ">=",
    "less_than_or_equals": "<=",
    "greater": ">",
    "less": "<",
    "greater_or_equals": ">=",
    "less_or_equals": "<=",
    "not_contains": "not contains",
}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_KEYWORDS = {"and", "or", "not", "between", "contains", "in", "exists", "true", "false", "null"}
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<path>[A-Za-z_][\w-]*(?:\.[A-Za-z_0-9][\w-]*|\[-?\d+\]|\["(?:[^"\\]|\\.)*"\])*)
    | (?P<sign><=|>=|==|!=|<|>|=|\(|\)|\[|\]|,)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"\.([\w-]+)|\[(-?\d+)\]|\[(\"(?:[^\"\\]|\\.)*\")\]")


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class Node(ABC):
    """One piece of a parsed condition."""

    @abstractmethod
    def value(self, values: Mapping[str, Any]) -> Any:
        """What it comes to for these values; `_MISSING` or None where that cannot be told."""

    @abstractmethod
    def filled(self, values: Mapping[str, Any]) -> str:
        """Its text with the values filled in."""

    def names(self) -> Iterator[str]:
        yield from ()

    def holds(self, values: Mapping[str, Any]) -> bool | None:
        found = self.value(values)
        return found if isinstance(found, bool) else None


@dataclass(frozen=True, slots=True)
class _Literal(Node):
    constant: Any

    def value(self, values: Mapping[str, Any]) -> Any:
        return self.constant

    def filled(self, values: Mapping[str, Any]) -> str:
        return json.dumps(self.constant, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _List(Node):
    items: tuple[Node, ...]

    def value(self, values: Mapping[str, Any]) -> Any:
        found = [item.value(values) for item in self.items]
        return _MISSING if any(item is _MISSING for item in found) else found

    def filled(self, values: Mapping[str, Any]) -> str:
        return "[" + ", ".join(item.filled(values) for item in self.items) + "]"

    def names(self) -> Iterator[str]:
        for item in self.items:
            yield from item.names()


@dataclass(frozen=True, slots=True)
class _Path(Node):
    text: str
    name: str
    steps: tuple[str | int, ...]

    def value(self, values: Mapping[str, Any]) -> Any:
        found = values.get(self.name, _MISSING)
        for step in self.steps:
            found = _descend(found, step)
        return found

    def filled(self, values: Mapping[str, Any]) -> str:
        return f"{self.text} ({_shown(self.value(values))})"

    def names(self) -> Iterator[str]:
        yield self.name


@dataclass(frozen=True, slots=True)
class _Length(Node):
    path: _Path

    def value(self, values: Mapping[str, Any]) -> Any:
        found = self.path.value(values)
        return len(found) if isinstance(found, (str, Sequence, Mapping)) else _MISSING

    def filled(self, values: Mapping[str, Any]) -> str:
        return f"length({self.path.text}) ({_shown(self.value(values))})"

    def names(self) -> Iterator[str]:
        yield self.path.name


@dataclass(frozen=True, slots=True)
class _Compare(Node):
    left: Node
    operator: str
    right: Node

    def value(self, values: Mapping[str, Any]) -> Any:
        return _compare(self.left.value(values), self.operator, self.right.value(values))

    def filled(self, values: Mapping[str, Any]) -> str:
        return f"{self.left.filled(values)} {self.operator} {self.right.filled(values)}"

    def names(self) -> Iterator[str]:
        yield from self.left.names()
        yield from self.right.names()


@dataclass(frozen=True, slots=True)
class _Between(Node):
    middle: Node
    low: Node
    high: Node

    def value(self, values: Mapping[str, Any]) -> Any:
        middle = self.middle.value(values)
        return _all((_compare(middle, ">=", self.low.value(values)), _compare(middle, "<=", self.high.value(values))))

    def filled(self, values: Mapping[str, Any]) -> str:
        return f"{self.middle.filled(values)} between {self.low.filled(values)} and {self.high.filled(values)}"

    def names(self) -> Iterator[str]:
        for node in (self.middle, self.low, self.high):
            yield from node.names()


@dataclass(frozen=True, slots=True)
class _Exists(Node):
    path: Node

    def value(self, values: Mapping[str, Any]) -> Any:
        return self.path.value(values) is not _MISSING

    def filled(self, values: Mapping[str, Any]) -> str:
        return f"{self.path.filled(values)} exists"

    def names(self) -> Iterator[str]:
        yield from self.path.names()


@dataclass(frozen=True, slots=True)
class _Not(Node):
    inner: Node

    def value(self, values: Mapping[str, Any]) -> Any:
        held = self.inner.holds(values)
        return None if held is None else not held

    def filled(self, values: Mapping[str, Any]) -> str:
        return f"not ({self.inner.filled(values)})"

    def names(self) -> Iterator[str]:
        yield from self.inner.names()


@dataclass(frozen=True, slots=True)
class _Join(Node):
    word: Literal["and", "or"]
    parts: tuple[Node, ...]

    def value(self, values: Mapping[str, Any]) -> Any:
        held = [part.holds(values) for part in self.parts]
        return _all(held) if self.word == "and" else _any(held)

    def filled(self, values: Mapping[str, Any]) -> str:
        return f" {self.word} ".join(
            f"({part.filled(values)})" if isinstance(part, _Join) else part.filled(values) for part in self.parts
        )

    def names(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.names()


def _all(held: Sequence[bool | None]) -> bool | None:
    return False if False in held else None if None in held else True


def _any(held: Sequence[bool | None]) -> bool | None:
    return True if True in held else None if None in held else False


def _descend(found: Any, step: str | int) -> Any:
    if isinstance(found, Mapping):
        return found.get(step, found.get(str(step), _MISSING))
    if isinstance(found, Sequence) and not isinstance(found, str):
        index = int(step) if isinstance(step, int) or step.isdigit() else None
        if index is not None and -len(found) <= index < len(found):
            return found[index]
    return _MISSING


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None


def _alike(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Both sides as things that can be ordered, or None. Numbers in text (headers) count as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left, right
    a, b = _number(left), _number(right)
    if a is None or b is None or math.isnan(a) or math.isnan(b):
        return None
    return a, b


def _equal(left: Any, right: Any) -> bool:
    pair = _alike(left, right)
    if pair is not None:
        return bool(pair[0] == pair[1])
    return type(left) is type(right) and bool(left == right)


def _compare(left: Any, operator: str, right: Any) -> bool | None:
    if left is _MISSING or right is _MISSING:
        return None
    if operator in ("==", "!="):
        return _equal(left, right) is (operator == "==")
    if operator in ("contains", "in"):
        return _contains(left, right) if operator == "contains" else _contains(right, left)
    if operator.startswith("not "):
        held = _compare(left, operator[4:], right)
        return None if held is None else not held
    pair = _alike(left, right)
    return None if pair is None else _ORDER[operator](*pair)


def _contains(whole: Any, part: Any) -> bool | None:
    if isinstance(whole, str):
        if isinstance(part, str):
            return part in whole
        return None if isinstance(part, (Mapping, list)) or part is None else json.dumps(part) in whole
    if isinstance(whole, Mapping):
        return part in whole if isinstance(part, str) else None
    if isinstance(whole, Sequence):
        return any(_equal(item, part) for item in whole)
    return None


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "missing"
    if isinstance(value, float):
        return f"{value:.6g}"
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class Parser:
    """Recursive descent over the tokens of one condition."""

    def __init__(self, text: str) -> None:
        if len(text) > _MAX_TEXT:
            raise ConditionError(f"a condition has at most {_MAX_TEXT} characters", text=text[:40] + "…", column=1)
        self.text = text
        self.tokens = self._tokens()
        self.at = 0
        self.depth = 0

    def _tokens(self) -> list[_Token]:
        tokens, place, end = [], 0, len(self.text.rstrip())
        while place < end:
            match = _TOKEN.match(self.text, place)
            if match is None or match.lastgroup is None:
                place += len(self.text[place:]) - len(self.text[place:].lstrip())
                raise self.error(f"{self.text[place]!r} does not belong in a condition", place + 1)
            kind, found = match.lastgroup, match.group(match.lastgroup)
            column = match.start(match.lastgroup) + 1
            if kind == "path" and found.lower() in _KEYWORDS:
                kind, found = "word", found.lower()
            elif kind == "path" and found in WORDS:
                kind, found = "sign", WORDS[found]
            elif found == "=":
                raise self.error("equality is written ==", column)
            tokens.append(_Token(kind, found, column))
            place = match.end()
        tokens.append(_Token("end", "", end + 1))
        return tokens

    def error(self, message: str, column: int) -> ConditionError:
        return ConditionError(message, text=self.text, column=column)

    def peek(self, *texts: str) -> bool:
        token = self.tokens[self.at]
        return token.kind in ("word", "sign") and token.text in texts

    def take(self) -> _Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def accept(self, text: str) -> bool:
        if self.peek(text):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        token = self.tokens[self.at]
        if not self.accept(text):
            found = f"not {token.text!r}" if token.text else "but the condition ends"
            raise self.error(f"expected {text!r} here, {found}", token.column)

    def whole(self) -> Node:
        node = self.joined("or")
        token = self.tokens[self.at]
        if token.kind != "end":
            raise self.error(f"{token.text!r} is left over; join conditions with and / or", token.column)
        return node

    def joined(self, word: Literal["and", "or"]) -> Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.error("the condition is nested too deeply", self.tokens[self.at].column)
        parse = self.term if word == "and" else lambda: self.joined("and")
        parts = [parse()]
        while self.accept(word):
            parts.append(parse())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else _Join(word, tuple(parts))

    def term(self) -> Node:
        negations = 0
        while self.accept("not"):
            negations += 1
        node = self.comparison()
        return _Not(node) if negations % 2 else node

    def comparison(self) -> Node:
        column = self.tokens[self.at].column
        left = self.operand()
        negated = self.accept("not")
        token = self.tokens[self.at]
        if self.accept("exists"):
            if not isinstance(left, _Path):
                raise self.error("only a name can exist", column)
            return _Not(_Exists(left)) if negated else _Exists(left)
        if self.peek("contains", "in"):
            self.at += 1
            return _Compare(left, f"not {token.text}" if negated else token.text, self.operand())
        if negated:
            raise self.error("after `not` comes contains, in or exists", token.column)
        if self.accept("between"):
            low = self.operand()
            self.expect("and")
            return _Between(left, low, self.operand())
        if token.kind == "sign" and token.text in (*_ORDER, "==", "!=", "not contains"):
            self.at += 1
            return _Compare(left, token.text, self.operand())
        if isinstance(left, (_Literal, _List, _Length)) and not isinstance(getattr(left, "constant", None), bool):
            raise self.error("expected a comparison (<, <=, >, >=, ==, !=, between, contains, in)", token.column)
        return left

    def operand(self) -> Node:
        token = self.take()
        if token.kind == "number":
            number = float(token.text)
            return _Literal(int(number) if re.fullmatch(r"[+-]?\d{1,15}", token.text) else number)
        if token.kind == "text":
            return _Literal(_unquoted(token.text))
        if token.kind == "word" and token.text in ("true", "false", "null"):
            return _Literal({"true": True, "false": False, "null": None}[token.text])
        if token.kind == "path":
            if token.text == "length" and self.accept("("):
                return self.length()
            return _path(token.text)
        if token.kind == "sign" and token.text == "(":
            node = self.joined("or")
            self.expect(")")
            return node
        if token.kind == "sign" and token.text == "[":
            return self.list()
        found = f"not {token.text!r}" if token.text else "but the condition ends"
        raise self.error(f"expected a value or a name here, {found}", token.column)

    def length(self) -> Node:
        token = self.take()
        if token.kind != "path":
            raise self.error("length() takes a name", token.column)
        self.expect(")")
        path = _path(token.text)
        return _Length(path)

    def list(self) -> Node:
        items: list[Node] = []
        while not self.accept("]"):
            if items:
                self.expect(",")
            token = self.tokens[self.at]
            if self.peek("[", "("):
                raise self.error("a list holds values and names", token.column)
            items.append(self.operand())
        return _List(tuple(items))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text[1:-1])


def _path(text: str) -> _Path:
    name = re.match(r"[\w-]+", text)
    assert name is not None  # noqa: S101 - the tokenizer let nothing else through
    steps: list[str | int] = []
    for key, index, quoted in _STEP.findall(text[name.end() :]):
        steps.append(key or (int(index) if index else _unquoted(quoted)))
    return _Path(text, name.group(), tuple(steps))
