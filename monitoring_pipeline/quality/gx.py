"""Great Expectations, kept behind one function: data frame and expectations in, verdicts out.

Only a process made for it imports this library: that takes seconds, and it changes warnings, logging and the
environment of the process.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.quality.expectation import ExpectationSpec

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ROWS_BY_SQL", "Verdict", "validate", "warm_up"]

ROWS_BY_SQL = "unexpected_rows_expectation"
_PARSED = ("min_value", "max_value", "value_set", "value")
_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one expectation: met or not, or an error; `result` is in the library's own words.

    `harmless` tells that the error's words hold no values of the data.
    """

    met: bool | None
    error: str = ""
    harmless: bool = False
    result: Mapping[str, Any] = field(default_factory=dict)


def warm_up() -> None:
    """Imports the library and readies it. Raises ImportError when it is not installed."""
    _context()


@cache
def _context() -> Any:
    # Nothing of what is examined here may be told to anybody.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def validate(frame: DataFrame, expectations: Sequence[ExpectationSpec]) -> list[Verdict]:
    """The verdicts, in the order of the expectations. Raises nothing that an expectation is to blame for."""
    verdicts: dict[int, Verdict] = {}
    sound: dict[int, ExpectationSpec] = {}
    for number, spec in enumerate(expectations):
        try:
            _built(spec, frame, number)
            sound[number] = spec
        except Exception as error:
            verdicts[number] = Verdict(None, _first_line(error), harmless=True)
    if sound:
        verdicts |= _validated(frame, sound)
    return [verdicts[number] for number in range(len(expectations))]


def _built(spec: ExpectationSpec, frame: DataFrame, number: int) -> Any:
    type_, given = _on_frames(spec)
    # Made by its class and not by a configuration, which would turn moments into texts.
    arguments = {name: _fitting(name, value, spec, frame) for name, value in given.items()}
    if "row_condition" in arguments:
        arguments.setdefault("condition_parser", "pandas")
    return _implementation(type_)(**arguments, meta={"number": number})


def _implementation(type_: str) -> Any:
    """The class of an expectation: the library's, or somebody's own."""
    if ":" in type_:
        module, _, name = type_.partition(":")
        return getattr(importlib.import_module(module), name)
    from great_expectations.expectations.registry import get_expectation_impl

    return get_expectation_impl(type_)


def _on_frames(spec: ExpectationSpec) -> tuple[str, Mapping[str, Any]]:
    """LIKE patterns exist for databases only; as regular expressions they do on frames too."""
    if "_like_pattern" not in spec.type:
        return spec.type, spec.arguments
    given = dict(spec.arguments)
    escape = given.pop("escape", None)
    if "like_pattern" in given:
        given["regex"] = like_as_regex(given.pop("like_pattern"), escape)
    if "like_pattern_list" in given:
        given["regex_list"] = [like_as_regex(each, escape) for each in given.pop("like_pattern_list")]
    return spec.type.replace("_like_pattern", "_regex"), given


def like_as_regex(pattern: str, escape: str | None = None) -> str:
    """A LIKE pattern of SQL as a regular expression that matches the same whole texts."""
    parts, letters = [], iter(pattern)
    for letter in letters:
        if letter == escape:
            parts.append(re.escape(next(letters, "")))
        else:
            parts.append({"%": ".*", "_": "."}.get(letter, re.escape(letter)))
    return rf"(?s)\A{''.join(parts)}\Z"


def _fitting(name: str, value: Any, spec: ExpectationSpec, frame: DataFrame) -> Any:
    """Dates and times in the form of the column: a text beside moments is an error, and so is a zone too many."""
    column = spec.columns[0] if spec.columns else ""
    if name not in _PARSED or column not in frame or frame[column].dtype.kind != "M":
        return value
    if isinstance(value, (list, tuple)):
        return [_moment(part, frame[column].dtype) for part in value]
    return _moment(value, frame[column].dtype)


def _moment(value: Any, dtype: Any) -> Any:
    if not isinstance(value, (str, date, datetime)):
        return value
    from pandas import Timestamp

    moment, zone = Timestamp(value), getattr(dtype, "tz", None)
    if zone is not None:
        return moment.tz_localize("UTC") if moment.tzinfo is None else moment
    return moment if moment.tzinfo is None else moment.tz_convert("UTC").tz_localize(None)


def _validated(frame: DataFrame, specs: Mapping[int, ExpectationSpec]) -> dict[int, Verdict]:
    try:
        return _validated_together(frame, specs)
    except Exception as error:
        if len(specs) == 1:
            return {number: Verdict(None, _first_line(error)) for number in specs}
    # Some expectations raise where they should answer; they must not take the others with them.
    return {number: _validated(frame, {number: spec})[number] for number, spec in specs.items()}


def _validated_together(frame: DataFrame, specs: Mapping[int, ExpectationSpec]) -> dict[int, Verdict]:
    from great_expectations import ExpectationSuite

    source = _context().data_sources.add_or_update_pandas("busta")
    batch = (
        source.add_dataframe_asset("frame")
        .add_batch_definition_whole_dataframe("whole")
        .get_batch(batch_parameters={"dataframe": frame})
    )
    # Built anew each time: a validation that breaks off leaves moments as texts behind.
    suite = ExpectationSuite(name="suite", expectations=[_built(spec, frame, n) for n, spec in specs.items()])
    answer = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": _EXAMPLES})
    verdicts = {each.expectation_config.meta["number"]: _verdict(each) for each in answer.results}
    return {number: verdicts.get(number, Verdict(None, "no answer")) for number in specs}


def _verdict(answer: Any) -> Verdict:
    error = _exception_of(answer.exception_info or {})
    if error or answer.success is None:
        return Verdict(None, error or "no answer", result=answer.result or {})
    return Verdict(bool(answer.success), result=answer.result or {})


def _exception_of(info: Mapping[str, Any]) -> str:
    """The message of what was raised, from either shape: flat, or one such per metric."""
    each = [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, Mapping)]
    for part in each:
        if part.get("raised_exception"):
            return _first_line(part.get("exception_message") or "it raised an exception")
    return ""


def _first_line(error: object) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    text = " ".join(lines[:3]) if lines else type(error).__name__
    return text if len(text) <= 300 else text[:299] + "…"
