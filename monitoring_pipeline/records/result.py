"""What one execution of a check found, and what is known of slots that were never executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from monitoring_pipeline.records.status import Status

__all__ = ["Gap", "GapReason", "Result", "Sample", "Skip"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One number: `value` of `metric` of `source`, in `unit`, at `time` (UTC).

    `check` is the id of the check that measured it, empty for numbers that arrived otherwise.
    """

    source: str
    metric: str
    time: datetime
    value: float
    unit: str = ""
    check: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


class Skip(StrEnum):
    """Why a slot produced a result without a probe."""

    DEPENDENCY = "dependency"
    BREAKER = "breaker"


@dataclass(frozen=True, slots=True)
class Result:
    """What one execution of a check found.

    `slot` is the moment the check was due and, with source and check, its identity: it is recorded
    at most once. `response_time_ms` is None when nothing answered. `lateness_ms` tells how long
    after its slot the probe began. `skipped` says why no probe was made.
    """

    source: str
    check: str
    kind: str
    slot: datetime
    started: datetime
    finished: datetime
    status: Status
    message: str = ""
    response_time_ms: float | None = None
    attempts: int = 1
    details: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    skipped: Skip | None = None
    unreachable: bool = False
    manual: bool = False

    @property
    def key(self) -> str:
        return f"{self.source}/{self.check}"

    @property
    def lateness_ms(self) -> float:
        return max(0.0, (self.started - self.slot).total_seconds() * 1000)


class GapReason(StrEnum):
    """Why due slots have no result."""

    NOT_RUNNING = "not_running"
    INTERRUPTED = "interrupted"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Gap:
    """Slots of one check from `start` to `end` (both included) that nobody executed: unknown time."""

    source: str
    check: str
    start: datetime
    end: datetime
    slots: int
    reason: GapReason
