"""The contract of a rule's condition: what it asks of the data, and what it makes of the answers.

A kind is one pydantic model in `conditions/`: its fields are its YAML. All conditions' queries are
answered together, set-wise (`observe.py`); a condition itself sees numbers and decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from monitoring_pipeline.clock import from_us_or_none
from monitoring_pipeline.kinds import Kinds, find_kinds
from monitoring_pipeline.records import Severity, Source, Status

__all__ = [
    "Aggregation",
    "Answer",
    "AnyCondition",
    "Condition",
    "Facts",
    "Observation",
    "Placed",
    "Query",
    "Series",
    "Subject",
    "Truth",
    "condition_kinds",
]

Truth = bool | None
"""Three-valued: None is unknown."""


class Aggregation(StrEnum):
    """How the values of a window become one number.

    `rate` is the increase per second, resets of the counter allowed for. The last three are about results
    and leave out unknown ones, which say nothing of the source: how often the status `changes`, how many
    `failures` in a row came last, and which share of them `failed` (0-1); critical is what counts as failed.
    Where a query covers several checks, each is looked at by itself: rates are added up, and of changes and
    failures in a row the check with the most decides. `peak` is the newest value of the check that is farthest
    from zero: of numbers that are recorded only when they matter.
    """

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
    PEAK = "peak"
    CHANGES = "changes"
    FAILURES = "failures"
    FAILED = "failed"


class Series(StrEnum):
    """Where values come from: samples of a metric, or statuses of results as their rank (0 healthy ... 3 critical)."""

    SAMPLES = "samples"
    RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Subject:
    """What one instance of a rule is about: a source, or with `per: check` one check of it."""

    source: Source
    check: str = ""


class Query(NamedTuple):
    """Values of one series in the window `(at - window, at]`; `at` is given when it is asked.

    An empty `check` takes the values of all checks of the source. Of results, manual ones count like any
    other and those that were not executed (skipped) are left out; their moment is when they finished, and
    their `metric` is empty. `newest` asks for that many of the newest values besides the aggregate. `tags`
    narrows samples to those whose tags have these values.
    """

    series: Series
    source: str
    check: str
    metric: str
    aggregation: Aggregation
    window: timedelta
    newest: int = 0
    tags: tuple[tuple[str, str], ...] = ()


class Answer(NamedTuple):
    """What a query found. `value` is None without values (but 0 for count), `newest` has the newest first.

    `count` is the number of values (of known results where unknown ones are left out). Values of one moment
    are taken in the order in which they were recorded. Where they come in several units, `unit` is the last
    one by the alphabet. `last_us` of a peak is its own moment.
    """

    value: float | None
    count: int = 0  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    newest: tuple[float, ...] = ()
    last_us: int | None = None
    unit: str = ""

    @property
    def last_at(self) -> datetime | None:
        """The moment of the newest value; `last_us` has it in microseconds, which costs nothing."""
        return from_us_or_none(self.last_us)


class Observation(NamedTuple):
    """What a condition found: for each severity it knows whether it holds, and the words for it.

    `truths` of a condition without levels of its own has the one key None, for the rule's severity.
    Where a worse severity holds, so do the lesser ones. `details` say what stays the same from one
    observation to the next: metric, check, limits.
    """

    truths: Mapping[Severity | None, Truth]
    text: str
    value: float | None = None
    unit: str = ""
    details: Mapping[str, object] = MappingProxyType({})


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

    def named_sources(self) -> frozenset[str]:
        """The sources that the YAML of it names, for checking that they exist."""
        return frozenset()

    def metrics(self) -> frozenset[str] | None:
        """The metrics whose samples matter to it; empty for none, None for any."""
        return frozenset()


class Placed(Condition):
    """A condition about one place: the rule's subject, or a check or a source that it names itself."""

    source: str = Field("", description="Another source to look at than the rule's own.")
    check: str = Field("", description="The check to look at; by default the rule's own, or all of the source.")

    def place(self, subject: Subject) -> tuple[str, str]:
        """The ids of the source and of the check; an empty check means all of them."""
        if self.source:
            return self.source, self.check
        return subject.source.id, self.check or subject.check

    def watches(self, subject: Subject) -> frozenset[str]:
        return frozenset({self.source or subject.source.id})

    def named_sources(self) -> frozenset[str]:
        return frozenset({self.source} if self.source else ())


def condition_kinds() -> Kinds[Condition]:
    """Every kind of condition, third-party ones (entry points `monitoring_pipeline.conditions`) included."""
    return find_kinds("monitoring_pipeline.alerting.rules.conditions", Condition, "monitoring_pipeline.conditions")


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
