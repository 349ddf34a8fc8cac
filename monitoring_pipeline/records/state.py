"""Where things stand now: the latest of every check and every source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitoring_pipeline.records.status import Status

__all__ = ["BreakerState", "CheckState", "SourceState"]


class BreakerState(StrEnum):
    """closed: checks run. open: they are skipped until a moment. half_open: one trial decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class CheckState:
    """The latest result of one check; `since` is when its status last changed."""

    source: str
    check: str
    kind: str
    critical: bool
    enabled: bool
    status: Status
    since: datetime | None
    last_slot: datetime | None
    last_finished: datetime | None
    response_time_ms: float | None
    message: str
    failures: int
    next_slot: datetime | None
    interval_s: float | None = None

    @property
    def key(self) -> str:
        return f"{self.source}/{self.check}"


@dataclass(frozen=True, slots=True)
class SourceState:
    """The status of one source, its health score (0-100, None when nothing is known), its breaker.

    `told` is the status that the scheduler's UI was told last, None when it never heard of the source.
    """

    source: str
    status: Status
    since: datetime | None
    score: float | None
    reason: str
    breaker: BreakerState = BreakerState.CLOSED
    breaker_until: datetime | None = None
    breaker_opened: int = 0
    told: Status | None = None
