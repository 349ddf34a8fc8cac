"""Renders texts of the user's own (Jinja2): they read the values they are given, and cannot run away.

A template can do what a text needs: loops, conditions, macros, filters. It reaches no attribute that is
not plain data, no file and no other template; and it has a budget of steps and characters, so that one
that would never end, or fill the memory, ends as `TemplateFailed`. What is counted does not depend on
how fast the machine is.
"""

from __future__ import annotations

import operator as operators
import re
from collections.abc import Collection, Mapping
from datetime import date, time, timedelta
from functools import lru_cache
from types import TracebackType
from typing import Any, cast

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, meta, nodes
from jinja2.runtime import Context, LoopContext, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler
from jinja2.visitor import NodeTransformer

from monitoring_pipeline.alerting.delivery.bounds import (
    ENTRIES,
    FILTERS,
    OUTPUT,
    Budget,
    Given,
    Row,
    TooMuch,
    charged,
    finalized,
    measured,
    percent,
    short_range,
    spending,
    take,
)
from monitoring_pipeline.alerting.delivery.channel import Undelivered

__all__ = ["TemplateFailed", "check", "render"]

_OF_TEXTS = (
    "capitalize casefold count endswith find index isalnum isalpha isdigit islower isnumeric isspace isupper lower"
    " lstrip partition removeprefix removesuffix rfind rpartition rsplit rstrip split splitlines startswith strip"
    " swapcase title upper"
)
_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(_OF_TEXTS.split()),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    date: frozenset({"date", "isoformat", "isoweekday", "strftime", "time", "timestamp", "weekday"}),
    time: frozenset({"isoformat", "strftime"}),
    timedelta: frozenset({"total_seconds"}),
}
_TEMPLATE = 64 * 1024
_BITS = 1_024
_OWN_CALLABLES = (LoopContext, TemplateReference, Cycler)
_GLOBALS = ("cycler", "dict", "joiner", "namespace")
_WIDE_TIME = re.compile(r"%[^A-Za-z%]*\d{2,}")


class TemplateFailed(Undelivered):
    """A template that cannot be rendered; trying again does not help. `line` counts from 1, None when unknown."""

    def __init__(self, name: str, reason: str, line: int | None = None) -> None:
        self.line = line
        where = "" if line is None else f", line {line}"
        super().__init__(f"the template {name!r} cannot be rendered{where}: {reason}", permanent=True)


def render(
    template: str, values: Mapping[str, Any], *, name: str = "template", html: bool = False, limit: int = OUTPUT
) -> str:
    """The text of a template, at most `limit` characters; with `html` values are escaped.

    Values are texts, numbers, times, and lists and mappings of them. Raises TemplateFailed.
    """
    token = spending.set(Budget())
    try:
        return _collect(_compiled(template, html), values, limit)
    except TemplateSyntaxError as error:
        raise TemplateFailed(name, str(error.message), error.lineno) from None
    except Exception as error:
        raise TemplateFailed(name, _reason(error), _line(error.__traceback__)) from None
    finally:
        spending.reset(token)


def check(template: str, known: Collection[str], *, html: bool = False) -> None:
    """Raises ValueError, which begins with the line, when a template is no template or uses unknown names."""
    try:
        _compiled(template, html)
        tree = _environment(html).parse(template)
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.message}") from None
    except TooMuch as error:
        raise ValueError(f"line 1: {error}") from None
    unknown = meta.find_undeclared_variables(tree) - set(known) - set(_environment(html).globals) - {"self"}
    for name in tree.find_all(nodes.Name):
        if name.name in unknown:
            raise ValueError(f"line {name.lineno}: {name.name!r} is not known here; known: {', '.join(sorted(known))}")


def _collect(template: Template, values: Mapping[str, Any], limit: int) -> str:
    parts, length = [], 0
    for part in template.generate(_frozen(values)):
        parts.append(part)
        length += len(part)
        if length > limit:
            raise TooMuch(f"the text is longer than {limit:,} characters")
    return "".join(parts)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Given({str(key): _frozen(entry) for key, entry in value.items()})
    if isinstance(value, list | tuple):
        return Row(_frozen(entry) for entry in value)
    return value


@lru_cache(maxsize=256)
def _compiled(template: str, html: bool) -> Template:
    if len(template) > _TEMPLATE:
        raise TooMuch(f"a template has at most {_TEMPLATE:,} characters")
    environment = _environment(html)
    try:
        return environment.from_string(_Bounding().visit(environment.parse(template)))
    except RecursionError:
        raise TooMuch("it is nested too deeply") from None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it calls itself without an end"
    text = " ".join(str(error).split())
    return text[:300] if text else type(error).__name__


def _line(trace: TracebackType | None) -> int | None:
    found = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


class _Sandbox(ImmutableSandboxedEnvironment):
    """Only data can be read, only what is listed can be called, and all that can grow is measured."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if not super().is_safe_attribute(obj, attr, value):
            return False
        if not callable(value) or isinstance(obj, _OWN_CALLABLES):
            return True
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS.items())

    def wrap_str_format(self, value: Any) -> None:
        """`str.format` is not offered: its widths can be computed. The filter `format` is."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            return percent(left, right)
        if operator in ("*", "**") and not _is_small(operator, left, right):
            raise TooMuch(f"{operator} makes too large a value; texts and lists cannot be multiplied")
        if operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
            most = OUTPUT if isinstance(left, str) else ENTRIES
            if len(left) + len(right) > most:
                raise TooMuch(f"a value is longer than {most:,}")
            return charged(operators.add(left, right))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063
        take(steps=1)
        for value in (*args, *kwargs.values()):
            measured(value)
        if getattr(__obj, "__name__", "") == "strftime" and any(_WIDE_TIME.search(str(form)) for form in args):
            raise TooMuch("a time's format has a width")
        return charged(super().call(__context, __obj, *args, **kwargs))


def _is_small(operator: str, left: Any, right: Any) -> bool:
    """Whether a product or a power of two numbers stays a number of a sane size."""
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return isinstance(left, timedelta) or isinstance(right, timedelta)
    if isinstance(left, float) or isinstance(right, float):
        return True
    bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
    return bits <= _BITS


class _Bounding(NodeTransformer):
    """Puts the counting into a template's tree, and refuses what reaches for other templates."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        if node.recursive:
            raise TemplateSyntaxError("recursive loops are not offered; use a macro", node.lineno)
        self.generic_visit(node)
        node.iter = _through("looped ", node.iter, [nodes.Const(_characters(node))])
        return node

    def visit_Macro(self, node: nodes.Macro | nodes.CallBlock | nodes.Block) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        spent = nodes.ExprStmt(_through("spent ", nodes.Const(_characters(node)), []), lineno=node.lineno)
        node.body.insert(0, spent)
        return node

    visit_CallBlock = visit_Block = visit_Macro  # noqa: N815

    def visit_Assign(self, node: nodes.Assign) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.node = _through("kept ", node.node, [])
        return node

    def visit_With(self, node: nodes.With) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.values = [_through("kept ", value, []) for value in node.values]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through("concatenated ", nodes.List(node.nodes, lineno=node.lineno), [])

    def visit_Include(self, node: nodes.Stmt) -> nodes.Node:  # noqa: N802
        raise TemplateSyntaxError("a template cannot use other templates", node.lineno)

    visit_Extends = visit_Import = visit_FromImport = visit_Include  # noqa: N815


def _through(name: str, value: nodes.Node, args: list[nodes.Expr]) -> nodes.Filter:
    """The value put through one of our filters; the space in its name keeps it out of templates."""
    return nodes.Filter(cast(nodes.Expr, value), name, args, [], None, None, lineno=value.lineno)


def _characters(node: nodes.Node) -> int:
    return sum(len(data.data) for data in node.find_all(nodes.TemplateData))


@lru_cache(maxsize=2)
def _environment(html: bool) -> Environment:
    environment = _Sandbox(
        undefined=StrictUndefined, autoescape=html, trim_blocks=True, lstrip_blocks=True, finalize=finalized,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.globals = {name: environment.globals[name] for name in _GLOBALS} | {"range": short_range}
    environment.filters = dict(FILTERS)
    return environment
