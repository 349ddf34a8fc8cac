"""`DataSourceValidator`: how an existing quality framework reports its own metrics.

    from monitoring_pipeline.quality import DataSourceValidator, Finding, Measurement

    class Nightly:                                   # any class with this one method; nothing to inherit
        def __init__(self, job: str) -> None: ...
        def validate(self, source: str) -> Measurement:
            return Measurement(scores={"completeness": 99.2}, metrics={"late_rows": 12})

    # monitoring.yaml
    suites:
      nightly: {source: orders-db, validator: "acme.quality:Nightly", arguments: {job: orders}}

It is called in the process of the suite, at its times, and ended when the suite's time is over. Whatever it raises
makes the quality unknown.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.outcome import COVER, Examination, Finding
from monitoring_pipeline.quality.profile import plain

__all__ = ["DataSourceValidator", "Measurement", "examined", "load"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a validator found.

    `scores` are 0-100 by dimension; where findings speak of a dimension, these decide. `metrics` are numbers of any
    other kind and become samples of the source. `rows` is how many rows there were.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    rows: int | None = None


@runtime_checkable
class DataSourceValidator(Protocol):
    """Looks at the data of a source in a way of its own."""

    def validate(self, source: str) -> Measurement:
        """The quality of a source's data right now. May take as long as its suite's `timeout` allows."""


def load(path: str, arguments: Mapping[str, Any]) -> DataSourceValidator:
    """The validator `package.module:Class`, made with these arguments. Raises CheckError when there is none."""
    module, _, name = path.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)(**arguments)
    except Exception as error:
        raise CheckError(f"the validator {path} cannot be made: {type(error).__name__}: {error}") from None
    if not isinstance(made, DataSourceValidator):
        raise CheckError(f"the validator {path} has no method `validate`")
    return made


def examined(found: Examination, told: object, masked: frozenset[str] = frozenset()) -> Examination:
    """What was found with what a validator told added, masked columns covered. Raises CheckError for nonsense."""
    if not isinstance(told, Measurement):
        raise CheckError(f"the validator answered {type(told).__name__}, not a Measurement")
    _verify(told)
    return replace(
        found, findings=(*found.findings, *(_covered(finding, masked) for finding in told.findings)),
        scores={Dimension(name): float(score) for name, score in told.scores.items()},
        metrics={name: float(value) for name, value in told.metrics.items()},
        rows=found.rows if told.rows is None else told.rows,
    )  # fmt: skip


def _verify(told: Measurement) -> None:
    for name, score in told.scores.items():
        if name not in list(Dimension):
            raise CheckError(f"{name!r} is no dimension of quality (known: {', '.join(Dimension)})")
        if not 0 <= score <= 100:
            raise CheckError(f"the score {score} of {name} does not lie between 0 and 100")
    wrong = [name for name, value in told.metrics.items() if not math.isfinite(value)]
    if wrong:
        raise CheckError(f"the metric {wrong[0]!r} is not a finite number")


def _covered(finding: Finding, masked: frozenset[str]) -> Finding:
    hidden = {name.casefold() for name in masked}
    rows = tuple(
        {name: COVER if name.casefold() in hidden else plain(value) for name, value in row.items()}
        for row in finding.rows
    )
    return replace(finding, rows=rows)
