"""Holds while another condition does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from monitoring_pipeline.alerting.rules.composition import truth_at
from monitoring_pipeline.alerting.rules.condition import (
    Answer,
    AnyCondition,
    Condition,
    Facts,
    Observation,
    Query,
    Subject,
)
from monitoring_pipeline.records import Severity

__all__ = ["NotCondition"]


class NotCondition(Condition):
    """Holds while the other condition holds at no severity; it has no severities of its own."""

    model_config = ConfigDict(defer_build=True)
    examples: ClassVar[tuple[str, ...]] = ("{kind: not, of: {kind: status, source: gateway}}",)

    kind: Literal["not"]
    of: AnyCondition = Field(description="The condition.")

    def queries(self, subject: Subject) -> Sequence[Query]:
        return self.of.queries(subject)

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        # While our alert stands the other condition does not: it has no limits at which it clears.
        seen = self.of.observe(subject, answers, facts, now, None)
        truth = truth_at(seen, None)
        return Observation({None: None if truth is None else not truth}, seen.text, seen.value, seen.unit, seen.details)

    @property
    def needs_clock(self) -> bool:
        return self.of.needs_clock

    def watches(self, subject: Subject) -> frozenset[str]:
        return self.of.watches(subject)

    def named_sources(self) -> frozenset[str]:
        return self.of.named_sources()

    def metrics(self) -> frozenset[str] | None:
        return self.of.metrics()
