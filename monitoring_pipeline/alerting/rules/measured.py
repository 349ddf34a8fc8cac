"""What conditions on the newest value of one sample share: threshold, window, and the sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Self

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
from monitoring_pipeline.alerting.rules.threshold import Bounds, Limits, with_unit
from monitoring_pipeline.clock import Duration
from monitoring_pipeline.records import Severity

__all__ = ["Measured"]


class Measured(Placed):
    """A condition on the newest value of one sample. A kind says which sample, and how it is compared."""

    sign: ClassVar[str] = ">="
    """How the value is compared with the threshold."""
    unit: ClassVar[str] = ""
    """The unit of value and threshold."""
    newest: ClassVar[Aggregation] = Aggregation.LAST
    """Which value counts where several checks have one."""

    threshold: Bounds = Field(description="The limit: a number, or one per severity.")
    clear: Bounds | None = Field(None, description="The limit once it fires, so that values around it are one alert.")
    window: Duration = Field(
        timedelta(hours=1), gt=timedelta(0), description="An older value does not count, the answer is unknown then."
    )

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        _ = self.limits
        return self

    @property
    def sample(self) -> str:
        """The metric of the sample that is judged."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """What is judged, in words."""
        raise NotImplementedError

    def judged(self, value: float) -> float:
        """The number that is compared with the threshold."""
        return value

    def shown(self, value: float) -> str:
        """The value in words."""
        return with_unit(value, self.unit)

    @cached_property
    def limits(self) -> Limits:
        """The thresholds, checked."""
        return Limits.of(self.sign, self.threshold, self.clear)

    @cached_property
    def details(self) -> Mapping[str, Any]:
        """What stays the same from one observation to the next."""
        return {"metric": self.sample, "check": self.check, **self.limits.as_details}

    def queries(self, subject: Subject) -> Sequence[Query]:
        return (Query(Series.SAMPLES, *self.place(subject), self.sample, self.newest, self.window),)

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        value = answers[0].value
        label = f"{self.source} {self.label}" if self.source else self.label
        if value is None:
            return Observation(self.limits.unknown(), f"{label} is unknown: no value", details=self.details)
        judged = self.limits.judge(self.judged(value), held, self.unit)
        text = f"{label} ({self.shown(value)}) {judged.relation}"
        return Observation(judged.truths, text, value, self.unit, self.details)

    def metrics(self) -> frozenset[str] | None:
        return frozenset({self.sample})
