"""The YAML of `objectives`: what was promised about which sources, over which time, and what does not count.

A promise about one source, one component or all that was selected has a budget of its own: `promises` makes
them out of the objectives and the sources there are.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from monitoring_pipeline.analysis.sla.corrections import Terms
from monitoring_pipeline.analysis.sla.periods import CalendarUnit
from monitoring_pipeline.clock import Duration, format_duration, parse_duration
from monitoring_pipeline.deadlines import Zone
from monitoring_pipeline.records import Source

__all__ = ["ObjectiveKind", "ObjectiveSpec", "Promise", "Scope", "promises"]

ObjectiveKind = Literal["uptime", "quality", "freshness", "response_time", "success_rate"]
Scope = Literal["source", "component", "all"]

_EVENTS = ("response_time", "success_rate")
_METRICS = {"quality": "quality", "freshness": "age_s"}
_HOLDS = {"quality": timedelta(hours=36), "freshness": timedelta(hours=1)}
_SHORTEST, _LONGEST = timedelta(hours=1), timedelta(days=400)


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _percent(value: Any) -> Any:
    if isinstance(value, str) and value.strip().endswith("%"):
        return value.strip()[:-1].strip()
    try:
        share = float(value)
    except (TypeError, ValueError):
        return value
    if 0 < share <= 1:
        raise ValueError(f"{value} is {value} percent; for a share of {value} write {100 * share:.10g}%")
    return value


def _window(value: Any) -> Any:
    if isinstance(value, (CalendarUnit, timedelta)):
        return value
    if value in set(CalendarUnit):
        return CalendarUnit(value)
    try:
        window = parse_duration(value)
    except ValueError:
        units = ", ".join(CalendarUnit)
        raise ValueError(f"a window is one of {units}, or a rolling one such as 30d") from None
    if not _SHORTEST <= window <= _LONGEST:
        raise ValueError(
            f"a rolling window lasts {format_duration(_SHORTEST)} to {format_duration(_LONGEST)}"
        )  # fmt: skip
    return window


Patterns = Annotated[
    tuple[str, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Percent = Annotated[
    float,
    BeforeValidator(_percent),
    Field(gt=0, lt=100),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"}, {"type": "number"}]}),
]
WindowField = Annotated[
    CalendarUnit | timedelta,
    BeforeValidator(_window),
    PlainSerializer(lambda value: format_duration(value) if isinstance(value, timedelta) else value.value),
    WithJsonSchema({"type": "string", "examples": ["month", "quarter", "30d"]}),
]


class ObjectiveSpec(BaseModel):
    """One promise about sources, with its error budget."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Field("", description="What was promised to whom, for people.")
    kind: ObjectiveKind = Field(
        "uptime",
        description="What must be good: the time in which a source is up (uptime), its quality score reaches the "
        "threshold (quality) or its data is young enough (freshness); or the share of checks that answer fast "
        "enough (response_time) or succeed (success_rate).",
    )
    source: Patterns = Field((), description="Ids of sources; `*` and `?` stand for anything.")
    component: Patterns = Field((), description="Components, for all of their sources.")
    tag: Patterns = Field((), description="Tags, for all sources that have one of them.")
    per: Scope = Field("source", description="What has a budget of its own: each source, each component, or all.")
    redundant: bool = Field(
        False, description="Whether sources stand in for each other: time is bad only when all of them are."
    )
    target: Percent = Field(description="The share that must be good, such as 99.9%.")
    threshold: str | float | None = Field(
        None, description="quality: the least score (95). freshness: the age from which data is too old (2h). "
        "response_time: the time from which an answer is too slow (300ms).",
    )  # fmt: skip
    metric: str | None = Field(
        None, min_length=1, description="The sample judged; `quality` for quality, `age_s` for freshness by default."
    )
    holds: Duration | None = Field(
        None, gt=timedelta(0),
        description="How long a sample says something when no newer one comes, unknown afterwards; by default 36h "
        "for quality, 1h for freshness.",
    )  # fmt: skip
    check: Patterns = Field((), description="response_time, success_rate: checks that count; all by default.")
    percentile: Percent | None = Field(
        None,
        description="response_time: judge this percentile of the answers in each `slice` instead of each answer; then "
        "time is measured, and the target is the share of slices.",
    )
    slice: Duration = Field(
        timedelta(minutes=5), ge=timedelta(minutes=1), le=timedelta(days=1),
        description="The stretch of time of which `percentile` is taken.",
    )  # fmt: skip
    window: WindowField = Field(
        CalendarUnit.MONTH, description="day, week, month, quarter or year; or a rolling window such as 30d."
    )
    timezone: Zone = Field("UTC", description="The time zone in which days and months begin.")
    warning: Literal["up", "down"] = Field("up", description="What a warning counts as.")
    unknown: Literal["excluded", "bad"] = Field(
        "excluded", description="What unknown time counts as in the budget. It is never good."
    )
    exclude_maintenance: bool = Field(False, description="Whether maintenance that was announced does not count.")
    exclude_upstream: bool = Field(
        False, description="Whether time does not count that the ledger puts down to something upstream."
    )

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        if not (self.source or self.component or self.tag):
            raise ValueError("say which sources are meant: `source`, `component` or `tag`")
        if self.per == "source" and self.redundant:
            raise ValueError("`redundant` is about several sources together: add `per: component` or `per: all`")
        return self

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        _ = self.limit
        for name, kinds in (
            ("metric", _METRICS), ("holds", _HOLDS), ("check", _EVENTS), ("percentile", ("response_time",)),
        ):  # fmt: skip
            if getattr(self, name) not in (None, ()) and self.kind not in kinds:
                raise ValueError(f"`{name}` says nothing of {self.kind}; it is for {' and '.join(kinds)}")
        if self.counts_events and self.redundant:
            raise ValueError(f"{self.kind} counts checks, and checks cannot stand in for each other")
        return self

    @cached_property
    def limit(self) -> float | None:
        """The threshold as a number: a score, seconds of age, or milliseconds; None where there is none."""
        given = self.threshold
        if self.kind in ("uptime", "success_rate"):
            if given is not None:
                raise ValueError(f"{self.kind} has no `threshold`: it judges statuses")
            return None
        if given is None:
            example = {"quality": "95", "freshness": "2h", "response_time": "300ms"}[self.kind]
            raise ValueError(f"{self.kind} needs a `threshold` such as {example}")
        if self.kind == "quality":
            return _score(given)
        if not isinstance(given, str) or given.strip().replace(".", "", 1).isdigit():
            bare = given if isinstance(given, str) else f"{given:g}"
            raise ValueError(f"the threshold {bare} needs a unit, such as {bare}ms, {bare}s or {bare}h")
        seconds = parse_duration(given).total_seconds()
        if seconds <= 0:
            raise ValueError("the threshold must be longer than nothing")
        return seconds * 1000 if self.kind == "response_time" else seconds

    @property
    def counts_events(self) -> bool:
        """Whether checks are counted; otherwise time is measured."""
        return self.kind in _EVENTS and self.percentile is None

    @property
    def reads_results(self) -> bool:
        """Whether every single result is looked at: there are many."""
        return self.kind in _EVENTS

    @property
    def share(self) -> float:
        """The promised share, 0-1."""
        return self.target / 100

    @property
    def unknown_is_bad(self) -> bool:
        return self.unknown == "bad"

    @property
    def terms(self) -> Terms:
        """What was agreed not to count."""
        return Terms(self.exclude_maintenance, self.exclude_upstream)

    @property
    def sampled(self) -> str:
        """The metric whose samples are judged."""
        return self.metric or _METRICS[self.kind]

    @property
    def lasting(self) -> timedelta:
        """How long a sample holds."""
        return self.holds or _HOLDS[self.kind]

    def admits(self, source: Source) -> bool:
        """Whether the promise is about a source."""
        return (
            _fits(self.source, (source.id,))
            and _fits(self.component, (source.component,))
            and _fits(self.tag, source.tags)
        )

    def counts(self, check: str) -> bool:
        """Whether the results of a check are counted."""
        return _fits(self.check, (check,))


def _score(given: str | float) -> float:
    try:
        score = float(given)
    except ValueError:
        raise ValueError("a quality score is a number from 0 to 100") from None
    if not 0 < score <= 100:
        raise ValueError("a quality score is a number from 0 to 100")
    return score


def _fits(patterns: tuple[str, ...], texts: Iterable[str]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns for text in texts)


@dataclass(frozen=True)
class Promise:
    """An objective about one subject: a source, a component, or (`all`, with an empty subject) all it selects."""

    objective: str
    spec: ObjectiveSpec
    scope: Scope
    subject: str
    sources: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies it in tables."""
        return self.objective, self.scope, self.subject

    @cached_property
    def fingerprint(self) -> str:
        """Changes when figures that were computed before no longer mean the same."""
        what = self.spec.model_dump(mode="json", exclude={"description", "target", "window", "unknown"})
        text = json.dumps([what, self.sources], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def promises(objectives: Mapping[str, ObjectiveSpec], sources: Iterable[Source]) -> list[Promise]:
    """What all objectives promise, in their order; objectives that fit no source promise nothing."""
    known = list(sources)
    return [promise for name, spec in objectives.items() for promise in _promises(name, spec, known)]


def _promises(name: str, spec: ObjectiveSpec, sources: list[Source]) -> Iterator[Promise]:
    members: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        if spec.admits(source):
            members[{"source": source.id, "component": source.component, "all": ""}[spec.per]].append(source.id)
    for subject, ids in members.items():
        yield Promise(name, spec, spec.per, subject, tuple(ids))
