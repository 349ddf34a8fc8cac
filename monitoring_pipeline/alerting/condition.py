"""The contract of a rule's condition: what it asks of the data, and what it makes of the answers.

A kind is one pydantic model in `conditions/`: its fields are its YAML. All conditions' queries are
answered together, set-wise (`observe.py`); a condition itself sees numbers and decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from monitoring_pipeline.kinds import Kinds, find_kinds
from monitoring_pipeline.records import Severity, Source, Status

__all__ = [
    "Aggregation",
    "Answer",
    "AnyCondition",
    "Condition",
    "Facts",
    "Observation",
    "Query",
    "Series",
    "Subject",
    "Truth",
    "condition_kinds",
]

Truth = bool | None
"""Three-valued: None is unknown."""


class Aggregation(StrEnum):
    """How the values of a window become one number. `rate` is the increase per second, resets allowed for."""

    LAST = "last"
    AVG = "avg"
    MAX = "max"
    MIN = "min"
    COUNT = "count"
    SUM = "sum"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    RATE = "rate"


class Series(StrEnum):
    """Where values come from: samples of a metric, or statuses of results as their rank (0 healthy ... 3 critical)."""

    SAMPLES = "samples"
    RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Subject:
    """What one instance of a rule is about: a source, or with `per: check` one check of it."""

    source: Source
    check: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """Values of one series in the window `(at - window, at]`; `at` is given when it is asked.

    An empty `check` takes the values of all checks of the source. Of results, those that were not
    executed (skipped) and manual ones count like any other. `newest` asks for that many of the newest
    values besides the aggregate. `tags` narrows samples to those whose tags have these values.
    """

    series: Series
    source: str
    check: str
    metric: str
    aggregation: Aggregation
    window: timedelta
    newest: int = 0
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found. `value` is None without values (but 0 for count), `newest` has the newest first."""

    value: float | None
    count: int = 0
    newest: tuple[float, ...] = ()
    last_at: datetime | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a condition found: for each severity it knows whether it holds, and the words for it.

    `truths` of a condition without levels of its own has the one key None, for the rule's severity.
    Where a worse severity holds, so do the lesser ones.
    """

    truths: Mapping[Severity | None, Truth]
    text: str
    value: float | None = None
    unit: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


class Facts(Protocol):
    """How things stand at the moment of the evaluation."""

    def status(self, source: str, check: str = "") -> Status:
        """The status of a source, or of one of its checks."""

    def since(self, source: str, check: str = "") -> datetime | None:
        """Since when that is its status."""

    def reason(self, source: str, check: str = "") -> str:
        """Why that is its status."""

    def score(self, source: str) -> float | None:
        """The health score of a source, 0-100."""


class Condition(BaseModel):
    """When a rule holds. `held` is the severity at which its alert stands, for thresholds that clear apart."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    examples: ClassVar[tuple[str, ...]] = ()
    """YAML of conditions of this kind, for the documentation."""

    kind: str

    def queries(self, subject: Subject) -> Sequence[Query]:
        """What it needs to know, always the same number in the same order."""
        return ()

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        """What it makes of the answers to its queries. Must not raise; what it cannot tell is unknown."""
        raise NotImplementedError

    @property
    def needs_clock(self) -> bool:
        """Whether it may change without anything new being recorded (a window that moves on, absence)."""
        return True

    def watches(self, subject: Subject) -> frozenset[str]:
        """The sources whose results and status matter to it. Compositions name those of all their parts."""
        return frozenset({subject.source.id})

    def metrics(self) -> frozenset[str] | None:
        """The metrics whose samples matter to it; empty for none, None for any."""
        return frozenset()


def condition_kinds() -> Kinds[Condition]:
    """Every kind of condition, third-party ones (entry points `monitoring_pipeline.conditions`) included."""
    return find_kinds("monitoring_pipeline.alerting.conditions", Condition, "monitoring_pipeline.conditions")


class _ByKind:
    """Builds the union of all kinds when it is first needed, so that a kind may hold conditions itself.

    Models with such a field set `defer_build=True`.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {name: handler.generate_schema(kind) for name, kind in condition_kinds().by_name.items()}
        return core_schema.tagged_union_schema(choices, discriminator="kind")


if TYPE_CHECKING:
    AnyCondition = Condition
else:
    AnyCondition = Annotated[Any, _ByKind]
    """A condition of any kind, as a field of the YAML."""
