"""Compares the values of a metric with limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from monitoring_pipeline.alerting.rules.condition import (
    Aggregation,
    Answer,
    Facts,
    Observation,
    Placed,
    Query,
    Series,
    Subject,
)
from monitoring_pipeline.alerting.rules.threshold import Bounds, Limits, Operator, figure, with_unit
from monitoring_pipeline.clock import Duration, format_duration
from monitoring_pipeline.records import Severity

__all__ = ["Matches", "MetricCondition", "Summary", "window_of"]

Summary = Literal["last", "avg", "max", "min", "count", "sum", "p50", "p95", "p99", "rate"]
"""The aggregations of metrics."""
_SHOWN = 5


def window_of(aggregation: Aggregation, given: timedelta | None) -> timedelta:
    """The window: five minutes by default, an hour for the last value."""
    if given is not None:
        return given
    return timedelta(hours=1) if aggregation is Aggregation.LAST else timedelta(minutes=5)


class Matches(BaseModel):
    """So many of the newest values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_least: int = Field(ge=1, description="So many values must violate the threshold ...")
    of_last: int = Field(ge=1, le=1000, description="... of this many newest ones.")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.at_least > self.of_last:
            raise ValueError(f"`at_least` ({self.at_least}) must not exceed `of_last` ({self.of_last})")
        return self


class MetricCondition(Placed):
    """Holds while the last value of a metric, or an aggregate of a window, is beyond a threshold."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: metric, metric: response_time_ms, aggregation: p95, threshold: {warning: 300, critical: 800}}",
        "{kind: metric, metric: disk_used_percent, tags: {mount: /}, threshold: 90, clear: 85}",
        '{kind: metric, metric: rows, operator: "<", threshold: 1000, matches: {at_least: 3, of_last: 5}}',
    )  # fmt: skip

    kind: Literal["metric"]
    metric: str = Field(min_length=1, description="Name of the metric.")
    tags: Mapping[str, str] = Field(default_factory=dict, description="Only samples whose tags have these values.")
    aggregation: Summary = Field("last", description="How the values of the window become one number.")
    window: Duration | None = Field(
        None, gt=timedelta(0), description="How far it looks back; 5m by default, 1h for the last value."
    )
    operator: Operator = Field(">", description="How the value is compared with the threshold.")
    threshold: Bounds = Field(description="The limit: a number, or one per severity.")
    clear: Bounds | None = Field(
        None, description="The limit once it fires, so that values around the threshold are one alert."
    )
    matches: Matches | None = Field(None, description="Instead of an aggregate: how many of the newest values violate.")
    min_values: int = Field(1, ge=1, description="With fewer values in the window the answer is unknown.")

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.matches is not None and self.aggregation != "last":
            raise ValueError("`matches` looks at single values: leave `aggregation` out")
        _ = self.limits
        return self

    @cached_property
    def limits(self) -> Limits:
        """Operator, threshold and clear, checked."""
        return Limits.of(self.operator, self.threshold, self.clear)

    @cached_property
    def aggregate(self) -> Aggregation:
        """What the query asks for."""
        return Aggregation(self.aggregation)

    @cached_property
    def span(self) -> timedelta:
        """How far it looks back."""
        return window_of(self.aggregate, self.window)

    @cached_property
    def label(self) -> str:
        """What is measured: `p95(response_time_ms, 5m)`."""
        name = "".join((f"{self.source}/" if self.source else "", f"{self.check}/" if self.check else "", self.metric))
        if self.tags:
            name += "{" + ", ".join(f"{key}={value}" for key, value in self.tags.items()) + "}"
        if self.aggregate is Aggregation.LAST:
            return name
        return f"{self.aggregation}({name}, {format_duration(self.span)})"

    @cached_property
    def details(self) -> Mapping[str, Any]:
        """What stays the same from one observation to the next."""
        return {"metric": self.metric, "check": self.check, **self.limits.as_details}

    def queries(self, subject: Subject) -> Sequence[Query]:
        newest = self.matches.of_last if self.matches is not None else 0
        return (
            Query(
                Series.SAMPLES, *self.place(subject), self.metric, self.aggregate, self.span, newest,
                tuple(sorted(self.tags.items())),
            ),
        )  # fmt: skip

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        answer = answers[0]
        if self.matches is not None:
            return self._of_newest(answer, self.matches, held)
        value, unit = answer.value, _unit(self.aggregate, answer.unit)
        if value is None or (answer.count < self.min_values and self.aggregate is not Aggregation.COUNT):
            few = f"only {answer.count} of {self.min_values} values" if answer.count else "no value"
            return Observation(self.limits.unknown(), f"{self.label} is unknown: {few}", None, unit, self.details)
        judged = self.limits.judge(value, held, unit)
        text = f"{self.label} ({with_unit(value, unit)}) {judged.relation}"
        return Observation(judged.truths, text, value, unit, self.details)

    def _of_newest(self, answer: Answer, matches: Matches, held: Severity | None) -> Observation:
        values = answer.newest
        judged = self.limits.judge_newest(values, matches.at_least, matches.of_last, held, answer.unit)
        few = f", {matches.of_last} are looked at" if len(values) < matches.of_last else ""
        shown = f" ({', '.join(map(figure, values[:_SHOWN]))}{', ...' if len(values) > _SHOWN else ''})"
        text = f"{self.label} {judged.relation} in {judged.beyond} of the last {len(values)} values"
        value = values[0] if values else None
        return Observation(judged.truths, text + (shown if values else "") + few, value, answer.unit, self.details)

    def metrics(self) -> frozenset[str] | None:
        return frozenset({self.metric})


def _unit(aggregation: Aggregation, unit: str) -> str:
    if aggregation is Aggregation.COUNT:
        return ""
    return f"{unit}/s" if aggregation is Aggregation.RATE else unit
