"""Holds while results follow a bad pattern: failures in a row, flapping, too few successes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

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
from monitoring_pipeline.alerting.rules.threshold import Bounds, Limits, figure
from monitoring_pipeline.clock import Duration, format_duration
from monitoring_pipeline.records import Severity

__all__ = ["PatternCondition"]


class PatternCondition(Placed):
    """Holds while a check failed so often in a row, changed its status so often, or succeeded too rarely.

    Failed means critical. Unknown results say nothing of the source and are left out. Of a source with
    several checks, the check with the most failures in a row or changes decides; successes are counted over
    all of them. The window must be long enough for the results that are wanted.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: pattern, failures_in_a_row: {warning: 2, critical: 5}}",
        "{kind: pattern, changes: 6, window: 30m}",
        "{kind: pattern, success_below: {critical: 90}, window: 1h, min_results: 20}",
    )

    kind: Literal["pattern"]
    failures_in_a_row: Bounds | None = Field(None, description="So many failures came last, without a success.")
    changes: Bounds | None = Field(None, description="So many changes of the status in the window: it flaps.")
    success_below: Bounds | None = Field(None, description="Fewer percent of the window's results are successes.")
    clear: Bounds | None = Field(None, description="The limit once it fires.")
    window: Duration = Field(timedelta(hours=1), gt=timedelta(0), description="How far it looks back.")
    min_results: int = Field(1, ge=1, description="With fewer known results in the window the answer is unknown.")

    @model_validator(mode="after")
    def _is_one_pattern(self) -> Self:
        given = [each for each in (self.failures_in_a_row, self.changes, self.success_below) if each is not None]
        if len(given) != 1:
            raise ValueError("give one of `failures_in_a_row`, `changes` and `success_below`")
        _ = self.limits
        return self

    @cached_property
    def aggregate(self) -> Aggregation:
        """What the query asks for."""
        if self.failures_in_a_row is not None:
            return Aggregation.FAILURES
        return Aggregation.CHANGES if self.changes is not None else Aggregation.FAILED

    @cached_property
    def limits(self) -> Limits:
        """The thresholds, checked."""
        for sign, threshold in ((">=", self.failures_in_a_row), (">=", self.changes), ("<", self.success_below)):
            if threshold is not None:
                return Limits.of(sign, threshold, self.clear)
        raise ValueError("there is no pattern")

    @cached_property
    def label(self) -> str:
        """What is counted, in words."""
        span = format_duration(self.window)
        words = {
            Aggregation.FAILURES: "failures in a row",
            Aggregation.CHANGES: f"changes of the status in {span}",
            Aggregation.FAILED: f"success rate over {span}",
        }[self.aggregate]
        name = "/".join(part for part in (self.source, self.check) if part)
        return f"{name} {words}" if name else words

    @cached_property
    def details(self) -> Mapping[str, Any]:
        """What stays the same from one observation to the next."""
        return {"check": self.check, "window": format_duration(self.window), **self.limits.as_details}

    def queries(self, subject: Subject) -> Sequence[Query]:
        return (Query(Series.RESULTS, *self.place(subject), "", self.aggregate, self.window),)

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        value, count = answers[0].value, answers[0].count
        if value is None or count < self.min_results:
            text = f"{self.label}: unknown, {count} known results in {format_duration(self.window)}"
            return Observation(self.limits.unknown(), text, details=self.details)
        if self.aggregate is Aggregation.FAILED:
            value = 100 * (1 - value)
        unit = "%" if self.aggregate is Aggregation.FAILED else ""
        judged = self.limits.judge(value, held, unit)
        truths = judged.truths
        if self.aggregate is Aggregation.FAILURES and value >= count:
            # Nothing but failures: how many there were before the window began is not known.
            truths = {severity: truth or None for severity, truth in truths.items()}
        text = f"{self.label} ({figure(value)}{' %' if unit else ''} of {count}) {judged.relation}"
        return Observation(truths, text, value, unit, self.details)
