"""What a template may use up, and the filters that know how large their results become.

A budget of steps and characters is taken from while a template renders. What could grow beyond it in one
go (joined, replaced, formatted texts) is measured before it is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import wraps
from itertools import islice
from typing import Any

from jinja2 import StrictUndefined, pass_context
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import Context

from monitoring_pipeline.alerting.delivery.moments import lasting, moment

__all__ = [
    "ENTRIES",
    "FILTERS",
    "OUTPUT",
    "Budget",
    "Given",
    "Row",
    "TooMuch",
    "charged",
    "finalized",
    "measured",
    "percent",
    "short_range",
    "spending",
    "take",
]

OUTPUT = 1_000_000
_STEPS = 50_000
_CHARACTERS = 4_000_000
_RANGE = 1_000
ENTRIES = 10_000
_WIDTH = 100

_WIDE = re.compile(r"%(?:\([^)]*\))?[-#0 +]*(?:\*|\d{3,}|\d*\.(?:\*|\d{3,}))")


class TooMuch(Exception):
    """What a template does is more than a text can need."""


@dataclass(slots=True)
class Budget:
    """What one rendering may still use up."""

    steps: int = _STEPS
    characters: int = _CHARACTERS

    def take(self, steps: int, characters: int) -> None:
        """Raises TooMuch when it is used up."""
        self.steps -= steps
        self.characters -= characters
        if self.steps < 0:
            raise TooMuch(f"it takes more than {_STEPS:,} steps; does a loop or a macro run away?")
        if self.characters < 0:
            raise TooMuch(f"it makes more than {_CHARACTERS:,} characters")


spending: ContextVar[Budget | None] = ContextVar("spending", default=None)
"""The budget of what renders now; while a template is compiled there is none, and only sizes are limited."""


class Given(dict[str, Any]):
    """A mapping that the caller gave; its size is known to be sane."""


class Row(tuple[Any, ...]):
    """A list that the caller gave."""

    __slots__ = ()


def take(steps: int = 0, characters: int = 0) -> None:
    """Takes from the budget of what renders now. Raises TooMuch."""
    budget = spending.get()
    if budget is not None:
        budget.take(steps, characters)


def measured(value: Any) -> Any:
    """The value, when it is of a size that can be shown. Nested lists of lists grow fast."""
    stack, entries = [value], 0
    while stack:
        entry = stack.pop()
        entries += 1
        if entries > ENTRIES:
            raise TooMuch(f"a value has more than {ENTRIES:,} entries")
        if isinstance(entry, str) and len(entry) > OUTPUT:
            raise TooMuch(f"a text is longer than {OUTPUT:,} characters")
        if isinstance(entry, dict) and not isinstance(entry, Given):
            stack += islice((part for pair in entry.items() for part in pair), ENTRIES + 1)
        elif isinstance(entry, list | tuple) and not isinstance(entry, Row):
            stack += entry[: ENTRIES + 1]
    return value


def charged(value: Any) -> Any:
    """The value, with its size taken from the budget."""
    if isinstance(value, str | list | tuple | dict):
        take(characters=len(value))
    if isinstance(value, str) and len(value) > OUTPUT:
        raise TooMuch(f"a text is longer than {OUTPUT:,} characters")
    return value


def shown(value: Any) -> str:
    """A value as a template shows it: nothing for None, times to the minute."""
    if value is None:
        return ""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return moment(value)
    if isinstance(value, timedelta):
        return lasting(value)
    return value if isinstance(value, str) else str(measured(value))


@pass_context
def finalized(_: Context, value: Any) -> Any:
    """What `{{ value }}` writes. It asks for the context so that Jinja does not fold it away at compile time."""
    return value if isinstance(value, StrictUndefined) else charged(shown(value))


@pass_context
def _looped(_: Context, items: Iterable[Any], characters: int) -> list[Any]:
    """What a loop goes over, paid in advance: `characters` are those of its body."""
    found = list(islice(items, _STEPS + 1))
    take(len(found), len(found) * characters)
    return measured(found) if len(found) <= ENTRIES else found


@pass_context
def _spent(_: Context, characters: int) -> str:
    take(1, characters)
    return ""


@pass_context
def _kept(_: Context, value: Any) -> Any:
    return measured(value)


@pass_context
def _concatenated(context: Context, parts: Sequence[Any]) -> Any:
    return _joined(context, parts, "")


@pass_context
def _joined(context: Context, items: Iterable[Any], d: str = "", attribute: str | int | None = None) -> Any:
    """Jinja's `join`, after it is known how long it becomes."""
    found = list(islice(items, ENTRIES + 1))
    if attribute is not None:
        found = [context.environment.getitem(entry, attribute) for entry in found]
    found = [entry if hasattr(entry, "__html__") else shown(entry) for entry in found]
    length = sum(len(entry) for entry in found) + len(d) * len(found)
    if len(found) > ENTRIES or length > OUTPUT:
        raise TooMuch(f"a text is longer than {OUTPUT:,} characters")
    return charged(JINJA_FILTERS["join"](context.eval_ctx, found, d))


@pass_context
def _replaced(context: Context, s: str, old: str, new: str, count: int | None = None) -> Any:
    found = str(s).count(str(old)) if old else len(s) + 1
    if len(s) + found * max(len(str(new)) - len(str(old)), 0) > OUTPUT:
        raise TooMuch(f"a text is longer than {OUTPUT:,} characters")
    return charged(JINJA_FILTERS["replace"](context.eval_ctx, s, old, new, count))


def _formatted(form: str, *args: Any, **kwargs: Any) -> Any:
    return percent(form, kwargs or args)


def percent(form: str, values: Any) -> Any:
    """`form % values` with widths below 100 and plain values."""
    if _WIDE.search(form):
        raise TooMuch("a format has a width of 100 or more")
    each = list(values.values()) if isinstance(values, Mapping) else values if isinstance(values, tuple) else [values]
    if any(isinstance(value, list | tuple | dict) for value in each):
        raise TooMuch("only texts, numbers and times can be formatted")
    longest = max((len(value) for value in each if isinstance(value, str)), default=0)
    if form.count("%") * longest > OUTPUT:
        raise TooMuch(f"a text is longer than {OUTPUT:,} characters")
    return charged(form % values)


def _indented(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> Any:
    if (len(width) if isinstance(width, str) else width) > _WIDTH:
        raise TooMuch(f"a text is indented by more than {_WIDTH}")
    if len(s) + (s.count("\n") + 1) * _WIDTH > 10 * OUTPUT:
        raise TooMuch(f"a text is longer than {OUTPUT:,} characters")
    return JINJA_FILTERS["indent"](s, width, first, blank)


def _rounded(value: float, precision: int = 0, method: str = "common") -> float:
    if abs(precision) > _WIDTH:
        raise TooMuch(f"a number is rounded to more than {_WIDTH} digits")
    rounded: float = JINJA_FILTERS["round"](value, precision, method)
    return rounded


@pass_context
def _as_json(context: Context, value: Any, indent: int | None = None) -> Any:
    if indent is not None and indent > _WIDTH // 10:
        raise TooMuch(f"a JSON text is indented by more than {_WIDTH // 10}")
    return JINJA_FILTERS["tojson"](context.eval_ctx, _plain(measured(value)), indent)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value.isoformat() if isinstance(value, date | time) else value


@pass_context
def _summed(context: Context, items: Iterable[Any], attribute: str | int | None = None, start: float = 0) -> Any:
    if not isinstance(start, int | float):
        raise TooMuch("only numbers can be summed")
    found = islice(items, ENTRIES)
    return sum((context.environment.getitem(each, attribute) if attribute else each for each in found), start)


def short_range(*args: int) -> range:
    """Python's `range`, of at most a thousand entries."""
    found = range(*args)
    if len(found) > _RANGE:
        raise TooMuch(f"a range has more than {_RANGE:,} entries")
    return found


def _charging(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, with its results paid for. Jinja's marks on it (what it is passed first) are kept."""

    @wraps(function)
    def paid(*args: Any, **kwargs: Any) -> Any:
        return charged(function(*args, **kwargs))

    return paid


_ALLOWED = (
    "abs capitalize count d default dictsort e escape filesizeformat first float forceescape groupby int items last"
    " length list lower map max min reject rejectattr reverse safe select selectattr sort striptags title trim"
    " truncate unique upper urlencode wordcount"
)
_BOUNDED: Mapping[str, Callable[..., Any]] = {
    "format": _formatted,
    "indent": _indented,
    "lasting": lasting,
    "moment": moment,
    "round": _rounded,
    "string": shown,
    "sum": _summed,
    "tojson": _as_json,
}

FILTERS: Mapping[str, Callable[..., Any]] = {
    **{name: _charging(JINJA_FILTERS[name]) for name in _ALLOWED.split()},
    **{name: _charging(function) for name, function in _BOUNDED.items()},
    "join": _joined,
    "replace": _replaced,
    "concatenated ": _concatenated,
    "kept ": _kept,
    "looped ": _looped,
    "spent ": _spent,
}
"""What templates may use. Names that end in a space cannot be written there: the sandbox puts them in."""
