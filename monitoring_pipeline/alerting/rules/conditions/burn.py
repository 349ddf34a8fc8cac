"""Holds while the error budget of an objective burns too fast, in a long window and still in a short one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from monitoring_pipeline.alerting.rules.condition import Aggregation, Answer, Facts, Observation, Query, Series, Subject
from monitoring_pipeline.alerting.rules.measured import Measured
from monitoring_pipeline.alerting.rules.threshold import Bounds, figure
from monitoring_pipeline.clock import Duration, format_duration
from monitoring_pipeline.records import Severity

__all__ = ["BurnCondition"]


class BurnCondition(Measured):
    """Holds while an objective's error budget burns so many times too fast in both windows.

    The long window makes sure that it matters, the short one that it is still going on.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: burn, objective: uptime}",
        "{kind: burn, objective: uptime, long: 6h, short: 30m, threshold: {warning: 6}}",
    )

    kind: Literal["burn"]
    objective: str = Field(min_length=1, description="Name of the objective.")
    long: Duration = Field(timedelta(hours=1), gt=timedelta(0), description="The long window.")
    short: Duration = Field(timedelta(minutes=5), gt=timedelta(0), description="The short window.")
    threshold: Bounds = Field(
        14.4, description="The burn rate: 1 uses the budget up exactly at the end of its period; or one per severity."
    )

    @model_validator(mode="after")
    def _windows_differ(self) -> Self:
        if self.short >= self.long:
            raise ValueError(
                f"`short` ({format_duration(self.short)}) must be shorter than `long` ({format_duration(self.long)})"
            )
        return self

    @property
    def sample(self) -> str:
        return self._sample(self.long)

    @property
    def label(self) -> str:
        return f"burn rate of {self.objective}"

    def _sample(self, window: timedelta) -> str:
        return f"burn.{self.objective}.{format_duration(window)}"

    def queries(self, subject: Subject) -> Sequence[Query]:
        place = self.place(subject)
        return tuple(
            Query(Series.SAMPLES, *place, self._sample(window), Aggregation.LAST, self.window)
            for window in (self.long, self.short)
        )

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        known = [answer.value for answer in answers if answer.value is not None]
        label = f"{self.source} {self.label}" if self.source else self.label
        if not known:
            return Observation(self.limits.unknown(), f"{label} is unknown: no value", details=self.details)
        # Both are beyond a limit exactly where the smaller one is.
        judged = self.limits.judge(min(known), held)
        truths = {
            severity: None if truth and len(known) < len(answers) else truth
            for severity, truth in judged.truths.items()
        }
        shown = ", ".join(
            f"{'no value' if answer.value is None else figure(answer.value)} over {format_duration(window)}"
            for answer, window in zip(answers, (self.long, self.short), strict=True)
        )
        return Observation(truths, f"{label} ({shown}) {judged.relation}", answers[0].value, "", self.details)

    def metrics(self) -> frozenset[str] | None:
        return frozenset({self._sample(self.long), self._sample(self.short)})
