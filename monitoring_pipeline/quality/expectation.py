"""The YAML of one expectation: its type, what Great Expectations wants to know, and what we make of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from monitoring_pipeline.errors import nearest
from monitoring_pipeline.quality.catalogue import NOT_HERE, Arguments, catalogue
from monitoring_pipeline.quality.dimension import Dimension, dimension_of

__all__ = ["ExpectationSpec"]

_PREFIXES = ("expect_column_", "expect_table_", "expect_")
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_COLUMNS = ("column", "column_A", "column_B")


def _known(type_: str) -> Arguments | None:
    return catalogue().get(type_)


def _argument_is_known(name: str, info: ValidationInfo) -> str:
    known = _known(info.data.get("type", ""))
    if known is None or name in known.allowed:
        return name
    hint = nearest(name, known.allowed)
    allowed = ", ".join(sorted(known.allowed)) or "none"
    words = (
        f"unknown argument {name!r} of {info.data['type']}{f'; did you mean {hint!r}?' if hint else ''} "
        f"(allowed: {allowed})"
    )
    raise PydanticCustomError("unknown_argument", "{words}", {"words": words})


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


class ExpectationSpec(BaseModel):
    """What should be true of a table or a column: any expectation of Great Expectations with its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[Annotated[str, AfterValidator(_argument_is_known)], Any]

    type: str = Field(
        description="An expectation of Great Expectations, such as `expect_column_values_to_not_be_null`, or "
        "`package.module:Class` of your own; its arguments (`column`, `min_value`, ...) stand beside it."
    )
    name: str = Field("", description="What it is called; by default made of its columns and its type.")
    description: str = Field("", description="A sentence for people: why it matters.")
    dimension: Dimension | None = Field(None, description="The dimension it counts for; by default its type decides.")
    severity: Literal["info", "warning", "critical"] = Field(
        "critical", description="How bad it is when it is not met."
    )
    weight: float = Field(1.0, ge=0, le=1000, description="How much it counts within its dimension.")

    @field_validator("type")
    @classmethod
    def _type_can_be_judged(cls, type_: str) -> str:
        if type_ in NOT_HERE:
            raise ValueError(f"{type_} cannot be part of a suite: {NOT_HERE[type_]}")
        if type_ not in catalogue() and not _CLASS.fullmatch(type_):
            hint = nearest(type_, catalogue())
            raise ValueError(
                f"{type_!r} is not an expectation of Great Expectations{f'; did you mean {hint!r}?' if hint else ''} "
                "(one of your own is written package.module:Class)"
            )
        return type_

    @model_validator(mode="after")
    def _nothing_is_missing(self) -> ExpectationSpec:
        known = _known(self.type)
        missing = sorted(known.required - self.arguments.keys()) if known else []
        if missing:
            raise ValueError(f"{self.type} needs {', '.join(map(repr, missing))}")
        return self

    @model_validator(mode="after")
    def _arguments_make_sense(self) -> ExpectationSpec:
        """What would only be unknown later. Arguments of one's own expectations may mean anything."""
        if _known(self.type) is None:
            return self
        mostly, low, high = (self.arguments.get(name) for name in ("mostly", "min_value", "max_value"))
        if isinstance(mostly, (int, float)) and not 0 <= mostly <= 1:
            raise ValueError(f"mostly is a share from 0 to 1, not {mostly}")
        if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
            raise ValueError(f"min_value ({low}) lies above max_value ({high})")
        for pattern in (self.arguments.get("regex"), *_listed(self.arguments.get("regex_list"))):
            try:
                re.compile(str(pattern))
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return self

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What Great Expectations is given."""
        return self.__pydantic_extra__ or {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that its arguments name."""
        named: list[Any] = [self.arguments[name] for name in _COLUMNS if name in self.arguments]
        several = self.arguments.get("column_list")
        if not self.of_shape and isinstance(several, (list, tuple)):
            named += several
        return tuple(dict.fromkeys(name for name in named if isinstance(name, str)))

    @property
    def of_shape(self) -> bool:
        """Whether it is about which columns there are, not about their values."""
        return self.type.startswith("expect_table_column") or self.type == "expect_column_to_exist"

    @property
    def of_count(self) -> bool:
        """Whether it is about the number of rows and nothing else."""
        return self.type.startswith("expect_table_row_count") and "row_condition" not in self.arguments

    @property
    def words(self) -> str:
        """Its type in words: `values to not be null`."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.type.rpartition(":")[2]).lower()
        for prefix in _PREFIXES:
            words = words.removeprefix(prefix)
        return words.removesuffix("_expectation").replace("_", " ")

    @property
    def title(self) -> str:
        """What it is called: its own name, or `order_id values to not be null`."""
        return self.name or " ".join((", ".join(self.columns), self.words)).strip()

    @property
    def about(self) -> Dimension:
        """The dimension it counts for."""
        return self.dimension or dimension_of(self.type)
