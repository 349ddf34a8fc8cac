"""Conditions: what must hold for a result to be healthy, in a small grammar of its own.

    response_time_ms < 300            rows between 1000 and 5000
    json.items[0].age_days <= 2       body contains "ok" and not (status in [500, 503])
    headers.content-type not contains "html"      length(json.items) > 0      json.error not exists

Results are three-valued (Kleene): a missing value, or a comparison of things that have no order, is
unknown, never false. `grammar.py` holds the grammar.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from monitoring_pipeline.checks.grammar import WORDS, Node, Parser
from monitoring_pipeline.errors import ConditionError

__all__ = ["Condition", "LevelledCondition", "Threshold", "Verdict"]

_OPPOSITE = {
    ">": "<=", "<": ">=", ">=": "<", "<=": ">", "==": "!=", "!=": "==",
    "contains": "not contains", "not contains": "contains",
}  # fmt: skip


class Verdict(NamedTuple):
    """Whether a condition holds (None: unknown), and its text with the values filled in."""

    holds: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One parsed condition. Equality and hash are those of its text."""

    text: str
    _root: Node = field(repr=False, compare=False)

    @staticmethod
    def parse(text: str) -> Condition:
        """Parses a condition; raises ConditionError with the column of what is wrong."""
        return _parsed(text)

    @property
    def names(self) -> tuple[str, ...]:
        """The names whose values it needs, sorted."""
        return tuple(sorted(set(self._root.names())))

    def evaluate(self, values: Mapping[str, Any]) -> Verdict:
        """Whether it holds for these values, and its text with them filled in."""
        return Verdict(self._root.holds(values), self._root.filled(values))

    def holds(self, values: Mapping[str, Any]) -> bool | None:
        """Whether it holds, without the price of the text."""
        return self._root.holds(values)

    def __reduce__(self) -> tuple[Callable[[str], Condition], tuple[str]]:
        return Condition.parse, (self.text,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.text)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "examples": ["response_time_ms < 300", "status == 200"]}


@lru_cache(maxsize=65536)
def _parsed(text: str) -> Condition:
    return Condition(text.strip(), Parser(text).whole())


def _validated(value: Any) -> Condition:
    if isinstance(value, Condition):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("condition", "a condition is a text such as: response_time_ms < 300")
    try:
        return Condition.parse(value)
    except ConditionError as error:
        raise PydanticCustomError("condition", "{reason}", {"reason": str(error), "column": error.column}) from None


class LevelledCondition(BaseModel):
    """A condition per level: failing `critical` makes the result critical, failing `warning` a warning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    warning: Condition | None = None
    critical: Condition | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_text_is_critical(cls, value: Any) -> Any:
        return {"critical": value} if isinstance(value, (str, Condition)) else value

    @model_validator(mode="after")
    def _has_a_level(self) -> LevelledCondition:
        if self.warning is None and self.critical is None:
            raise ValueError("give a condition for `warning`, for `critical`, or both")
        return self


class Threshold(BaseModel):
    """Limits of one metric: the result is bad when `metric OPERATOR limit`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operator: Literal[
        ">", "<", "==", "!=", ">=", "<=", "contains", "not contains",
        "greater_than", "less_than", "equals", "not_equals", "greater_than_or_equals", "less_than_or_equals",
        "not_contains",
    ] = ">"  # fmt: skip
    warning: int | float | str | bool | None = None
    critical: int | float | str | bool | None = None

    @model_validator(mode="after")
    def _has_a_level(self) -> Threshold:
        if self.warning is None and self.critical is None:
            raise ValueError("give a limit for `warning`, for `critical`, or both")
        return self

    def conditions(self, metric: str, level: Literal["warning", "critical"]) -> list[Condition]:
        """The condition that must hold at this level: none, or the opposite of the limit."""
        limit = getattr(self, level)
        if limit is None:
            return []
        opposite = _OPPOSITE[WORDS.get(self.operator, self.operator)]
        return [Condition.parse(f"{metric} {opposite} {json.dumps(limit)}")]
