"""Holds while a source, or one of its checks, has a status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.alerting.condition import Answer, Condition, Facts, Observation, Subject
from monitoring_pipeline.records import Severity, Status

__all__ = ["StatusCondition"]


class StatusCondition(Condition):
    """Holds while the status is `critical` (severity critical) or `warning` (severity warning)."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: status}", "{kind: status, critical: error, warning: null}")

    kind: Literal["status"]
    critical: Severity | None = Field(Severity.CRITICAL, description="Severity while it is critical; null: none.")
    warning: Severity | None = Field(Severity.WARNING, description="Severity while it is a warning; null: none.")
    unknown: Severity | None = Field(None, description="Severity while it is unknown; null: the rule's `unknown`.")

    @property
    def needs_clock(self) -> bool:
        return False

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        status = facts.status(subject.source.id, subject.check)
        reason = facts.reason(subject.source.id, subject.check)
        text = f"status is {status.value}" + (f": {reason}" if reason else "")
        levels = {severity for severity in (self.critical, self.warning, self.unknown) if severity is not None}
        held_at = {Status.CRITICAL: self.critical, Status.WARNING: self.warning, Status.UNKNOWN: self.unknown}.get(
            status
        )
        if status is Status.UNKNOWN and held_at is None:
            return Observation(dict.fromkeys(levels), text)
        return Observation({level: held_at is not None and level.rank <= held_at.rank for level in levels}, text)
