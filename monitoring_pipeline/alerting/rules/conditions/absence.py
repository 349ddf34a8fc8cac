"""Holds while nothing comes in any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.alerting.rules.condition import (
    Aggregation,
    Answer,
    Facts,
    Observation,
    Placed,
    Query,
    Series,
    Subject,
    Truth,
)
from monitoring_pipeline.clock import Duration, format_duration
from monitoring_pipeline.records import Severity

__all__ = ["AbsenceCondition"]

_LEAST_LOOKBACK = timedelta(hours=1)


class AbsenceCondition(Placed):
    """Holds while a source has had no sample of a metric, or no result of a check, for a while.

    Looked for is what came within twice that time, or an hour more. Where nothing is found at all, it may
    have been quiet for long or be new: it holds if the source has had its status for longer than that
    time, so must have been there, and is unknown otherwise.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: absence, metric: rows, duration: 2h}",
        "{kind: absence, duration: 15m}",
    )

    kind: Literal["absence"]
    metric: str = Field("", description="Name of the metric; results of checks by default.")
    tags: Mapping[str, str] = Field(default_factory=dict, description="Only samples whose tags have these values.")
    duration: Duration = Field(gt=timedelta(0), description="For how long nothing came.")

    @cached_property
    def lookback(self) -> timedelta:
        """How far back the last one is looked for."""
        return self.duration + max(self.duration, _LEAST_LOOKBACK)

    @cached_property
    def what(self) -> str:
        """What is missing, in words."""
        name = "/".join(part for part in (self.source, self.check, self.metric) if part)
        if self.tags:
            name += "{" + ", ".join(f"{key}={value}" for key, value in self.tags.items()) + "}"
        if self.metric:
            return f"sample of {name}"
        return f"result of {name}" if name else "result"

    @cached_property
    def details(self) -> Mapping[str, Any]:
        """What stays the same from one observation to the next."""
        return {"metric": self.metric, "check": self.check, "duration": format_duration(self.duration)}

    def queries(self, subject: Subject) -> Sequence[Query]:
        series = Series.SAMPLES if self.metric else Series.RESULTS
        tags = tuple(sorted(self.tags.items())) if self.metric else ()
        place = self.place(subject)
        return (Query(series, *place, self.metric, Aggregation.COUNT, self.lookback, tags=tags),)

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        last, limit = answers[0].last_at, format_duration(self.duration)
        if last is not None:
            age = format_duration(timedelta(seconds=round((now - last).total_seconds())))
            missing = now - last >= self.duration
            text = f"last {self.what} {age} ago, {'at least' if missing else 'less than'} {limit}"
            return Observation({None: missing}, text, (now - last).total_seconds(), "s", self.details)
        known_since = facts.since(*self.place(subject))
        truth: Truth = True if known_since is not None and now - known_since >= self.duration else None
        if truth:
            text = f"no {self.what} for at least {limit}, none in {format_duration(self.lookback)}"
        else:
            text = f"no {self.what} in {format_duration(self.lookback)}, and not known whether there should be one"
        return Observation({None: truth}, text, details=self.details)

    def metrics(self) -> frozenset[str] | None:
        return frozenset({self.metric}) if self.metric else frozenset()
