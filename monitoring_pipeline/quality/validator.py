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
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.outcome import COVER, Examination, Finding
from monitoring_pipeline.quality.profile import plain
from monitoring_pipeline.records import Severity

__all__ = ["DataSourceValidator", "Measurement", "examined", "load"]

# Samples that follow from a run itself; rules would not know which one is meant.
_LONGEST_NAME = 150
_OURS = re.compile(r"quality(_status|\..*)?|expectations_(failed|unknown)|schema_changes")


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
        if not 0 <= _number(f"the score of {name}", score) <= 100:
            raise CheckError(f"the score {score} of {name} does not lie between 0 and 100")
    for name, value in told.metrics.items():
        if not 0 < len(name) <= _LONGEST_NAME:
            raise CheckError(f"the name of a metric has 1 to {_LONGEST_NAME} characters, not {len(name)}")
        if not math.isfinite(_number(f"the metric {name!r}", value)):
            raise CheckError(f"the metric {name!r} is not a finite number")
        if _OURS.fullmatch(name):
            raise CheckError(f"the metric {name!r} is computed here; report yours under another name")
    if told.rows is not None and not 0 <= _number("the number of rows", told.rows) < math.inf:
        raise CheckError(f"the number of rows cannot be {told.rows}")
    for finding in told.findings:
        _verify_finding(finding)


def _number(what: str, value: object) -> float:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise CheckError(f"{what} is no number but {value!r:.100}")
    return float(value)


def _verify_finding(finding: object) -> None:
    """A share or a weight beyond what they may be would make scores beyond what these may be."""
    if not isinstance(finding, Finding):
        raise CheckError(f"a finding is a {type(finding).__name__}, not a Finding")
    if finding.met not in (True, False, None):
        raise CheckError(f"{finding.name!r} is met: {finding.met!r}; it takes True, False or None")
    if finding.share is not None and not 0 <= finding.share <= 1:
        raise CheckError(f"the share {finding.share} of {finding.name!r} does not lie between 0 and 1")
    if not 0 <= finding.weight < math.inf:
        raise CheckError(f"the weight {finding.weight} of {finding.name!r} is neither 0 nor a positive number")
    for value, known in ((finding.dimension, Dimension), (finding.severity, Severity)):
        if value not in list(known):
            raise CheckError(f"{value!r} of {finding.name!r} is not one of: {', '.join(known)}")


def _covered(finding: Finding, masked: frozenset[str]) -> Finding:
    hidden = {name.casefold() for name in masked}
    rows = tuple(
        {str(name): COVER if str(name).casefold() in hidden else plain(value) for name, value in row.items()}
        for row in finding.rows
    )
    return replace(
        finding, rows=rows, dimension=Dimension(finding.dimension), severity=Severity(finding.severity),
        met=None if finding.met is None else bool(finding.met),
    )  # fmt: skip
