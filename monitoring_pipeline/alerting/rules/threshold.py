"""Limits of a number: one, or one per severity, each with a limit of its own at which it clears."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Discriminator, Field, Tag

from monitoring_pipeline.alerting.rules.condition import Truth
from monitoring_pipeline.checks.grammar import WORDS
from monitoring_pipeline.records import Severity

__all__ = ["Bounds", "Judged", "Limits", "Operator", "figure", "with_unit"]

Number = Annotated[float, Field(allow_inf_nan=False)]
Bounds = Annotated[
    Annotated[Number, Tag("number")] | Annotated[Mapping[Severity, Number], Tag("severities")],
    Discriminator(lambda value: "severities" if isinstance(value, Mapping) else "number"),
]
"""One number, or a number per severity."""

Operator = Annotated[
    Literal[">", ">=", "<", "<=", "==", "!="],
    BeforeValidator(lambda value: WORDS.get(value, value) if isinstance(value, str) else value),
]
"""How a value is compared with a limit; words such as greater_than will do."""

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}


def figure(value: float) -> str:
    """A number as people read it: five digits, more only in front of the point."""
    if -99_999 < value < 99_999:
        return f"{value:.5g}"
    return f"{value:.0f}" if abs(value) < 1e15 else f"{value:.5g}"


def with_unit(value: float, unit: str) -> str:
    """`812 ms`."""
    return f"{figure(value)} {unit}" if unit else figure(value)


class Level(NamedTuple):
    """One severity (None: the rule's) with its limit, and the one that counts while an alert stands there."""

    severity: Severity | None
    rank: int
    limit: float
    clear: float | None

    def bound(self, held: Severity | None) -> float:
        """The limit that counts now."""
        if self.clear is None or held is None or held.rank < self.rank:
            return self.limit
        return self.clear


class Judged(NamedTuple):
    """What limits make of a value, and the relation that is true of it: `> 300 ms`, or `<= 300 ms`.

    Of several values the relation is the wanted one, and `beyond` counts those of which it is true.
    """

    truths: dict[Severity | None, Truth]
    holds: bool
    relation: str
    beyond: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """An operator with its levels, worst first."""

    operator: str
    levels: tuple[Level, ...]
    _relations: dict[tuple[bool, float, str], str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, sign: str, threshold: Bounds, clear: Bounds | None = None) -> Limits:
        """Raises ValueError with what is wrong with them."""
        if clear is not None and sign in ("==", "!="):
            raise ValueError(f"`clear` needs an order between values, which {sign} has not: leave it out")
        if isinstance(threshold, Mapping):
            levels = _levels(threshold, clear)
        elif isinstance(clear, Mapping):
            raise ValueError("`clear` is given per severity, `threshold` is not: give one number for each")  # noqa: TRY004
        else:
            levels = (Level(None, 0, threshold, clear),)
        _check_order(sign, levels)
        return cls(sign, levels)

    def unknown(self) -> dict[Severity | None, Truth]:
        """The answer where there is no value."""
        return dict.fromkeys(level.severity for level in self.levels)

    def judge(self, value: float, held: Severity | None, unit: str = "") -> Judged:
        """Which severities hold for a value. Where a worse one does, so do the lesser ones."""
        compare = _COMPARE[self.operator]
        truths: dict[Severity | None, Truth] = {}
        shown, holds = self.levels[-1].bound(held), False
        for level in self.levels:
            if not holds:
                bound = level.bound(held)
                if compare(value, bound):
                    shown, holds = bound, True
            truths[level.severity] = holds
        return Judged(truths, holds, self._relation(holds, shown, unit))

    def judge_newest(
        self, values: Sequence[float], at_least: int, of_last: int, held: Severity | None, unit: str = ""
    ) -> Judged:
        """The same of the newest values: so many of so many violate. Values that are missing may be anything."""
        compare, missing = _COMPARE[self.operator], of_last - len(values)
        truths: dict[Severity | None, Truth] = {}
        truth: Truth = False
        bound, beyond = 0.0, 0
        for level in self.levels:
            if truth is not True:
                bound = level.bound(held)
                beyond = sum(compare(value, bound) for value in values)
                if beyond >= at_least:
                    truth = True
                elif beyond + missing >= at_least:
                    truth = None
            truths[level.severity] = truth
        return Judged(truths, truth is True, f"{self.operator} {with_unit(bound, unit)}", beyond)

    def _relation(self, holds: bool, bound: float, unit: str) -> str:
        # The same few over and over, for thousands of rules at a time.
        found = self._relations.get((holds, bound, unit))
        if found is None:
            sign = self.operator if holds else _OPPOSITE[self.operator]
            found = self._relations[(holds, bound, unit)] = f"{sign} {with_unit(bound, unit)}"
        return found

    @property
    def as_details(self) -> dict[str, Any]:
        """Operator and limits, for those who show them."""
        limits = {level.severity.value if level.severity else "": level.limit for level in self.levels}
        return {"operator": self.operator, "threshold": limits.get("", limits)}


def _levels(threshold: Mapping[Severity, float], clear: Bounds | None) -> tuple[Level, ...]:
    if not threshold:
        raise ValueError("`threshold` names no severity: give a number, or one per severity such as {critical: 500}")
    if clear is not None and not isinstance(clear, Mapping):
        if len(threshold) > 1:
            raise ValueError("`threshold` is given per severity: give `clear` per severity too")
        clear = dict.fromkeys(threshold, clear)
    clears = clear or {}
    strange = [severity.value for severity in clears if severity not in threshold]
    if strange:
        raise ValueError(f"`clear` names {strange[0]}, which `threshold` does not")
    worst_first = sorted(threshold, key=lambda severity: -severity.rank)
    return tuple(Level(severity, severity.rank, threshold[severity], clears.get(severity)) for severity in worst_first)


def _check_order(sign: str, levels: Sequence[Level]) -> None:
    if sign in ("==", "!="):
        return
    downwards = sign in ("<", "<=")
    beyond, inside = ("below", "at or above") if downwards else ("above", "at or below")
    for level in levels:
        if level.clear is not None and (level.clear < level.limit if downwards else level.clear > level.limit):
            raise ValueError(
                f"`clear` ({figure(level.clear)}) must be {inside} `threshold` ({figure(level.limit)}): "
                f"it ends where the value is no longer {sign} `clear`"
            )
    for worse, lesser in pairwise(levels):
        if worse.limit > lesser.limit if downwards else worse.limit < lesser.limit:
            raise ValueError(
                f"with {sign} the limit of {worse.severity} ({figure(worse.limit)}) must not be "
                f"{'above' if beyond == 'below' else 'below'} that of {lesser.severity} ({figure(lesser.limit)})"
            )
