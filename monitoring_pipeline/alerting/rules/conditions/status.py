"""Holds while a source, or one of its checks, has a status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from monitoring_pipeline.alerting.rules.condition import Answer, Facts, Observation, Placed, Subject
from monitoring_pipeline.records import Severity, Status

__all__ = ["StatusCondition"]


class StatusCondition(Placed):
    """Holds while the status is `critical` (severity critical) or `warning` (severity warning).

    What was never checked yet counts as unknown to the rule, whatever `unknown` says.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: status}",
        "{kind: status, critical: error, warning: null}",
        "{kind: status, source: orders-db, unknown: warning}",
    )

    kind: Literal["status"]
    critical: Severity | None = Field(Severity.CRITICAL, description="Severity while it is critical; null: none.")
    warning: Severity | None = Field(Severity.WARNING, description="Severity while it is a warning; null: none.")
    unknown: Severity | None = Field(None, description="Severity while it is unknown; null: the rule's `unknown`.")

    @model_validator(mode="after")
    def _has_a_level(self) -> Self:
        if self.critical is None and self.warning is None and self.unknown is None:
            raise ValueError("give a severity for `critical`, `warning` or `unknown`: so it never holds")
        return self

    @property
    def needs_clock(self) -> bool:
        return False

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        source, check = self.place(subject)
        status, reason = facts.status(source, check), facts.reason(source, check)
        about = f"{source}/{check} " if self.check and self.source else f"{self.source or self.check} ".lstrip()
        text = f"{about}status is {status.value}" + (f": {reason}" if reason else "")
        levels = {severity for severity in (self.critical, self.warning, self.unknown) if severity is not None}
        stands = {Status.CRITICAL: self.critical, Status.WARNING: self.warning, Status.UNKNOWN: self.unknown}.get(
            status
        )
        # What was never looked at yet is not a thing of which nothing could be found out.
        if status is Status.UNKNOWN and (stands is None or facts.since(source, check) is None):
            return Observation(dict.fromkeys(levels), text)
        return Observation({level: stands is not None and level.rank <= stands.rank for level in levels}, text)
