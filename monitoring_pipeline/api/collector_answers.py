"""The JSON that tells how collectors do."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from monitoring_pipeline.records import CollectionCheck, Status

__all__ = ["CollectorAnswer", "CollectorDetailAnswer", "Collectors", "ReportedAttempt", "StretchAnswer"]


class StretchAnswer(BaseModel):
    """What was reported in a stretch of time."""

    attempts: float
    failures: float
    failure_rate: float | None = Field(description="percent, null when nothing was reported")
    success_rate: float | None = Field(description="percent, null when nothing was reported")
    attempts_per_minute: float
    rows: float = Field(description="the sum of what attempts said")
    rows_per_minute: float
    bytes: float = Field(description="the sum of what attempts said")
    p50_ms: float | None = Field(description="the median duration")
    p95_ms: float | None = Field(description="95 % of attempts took no longer")
    quality: float | None = Field(description="the mean, 0 to 100")


class CollectorAnswer(BaseModel):
    """One collector. Silence is unknown, whatever was reported last."""

    collector: str
    source: str
    declared: bool = Field(description="whether the configuration knows it")
    status: Status
    reason: str = Field(description="why it is not healthy")
    window: str = Field(description="the window that is judged: 5m, 1h, 1d or 7d")
    every_s: float | None = Field(description="how often it is expected to report")
    silent_s: float | None = Field(description="how long ago its last report is")
    first: datetime | None = Field(description="its first report")
    last: datetime | None = Field(description="its last report")
    last_success: datetime | None
    last_error: str
    failures_in_row: int
    unusual: list[str] = Field(description="in what it does worse than usual at this time of day")
    windows: dict[str, StretchAnswer] = Field(description="5m, 1h, 1d and 7d")
    checks: dict[str, StretchAnswer] = Field(description="the last day by what attempts told of; `all` is the whole")


class Collectors(BaseModel):
    """All collectors, the worst first."""

    at: datetime = Field(description="now (UTC)")
    collectors: list[CollectorAnswer]


class ReportedAttempt(BaseModel):
    """One attempt."""

    key: str
    source: str
    success: bool
    at: datetime = Field(description="when it ended, by the collector's clock")
    received: datetime
    check_type: CollectionCheck | None
    rows: float | None
    bytes: float | None
    duration_ms: float | None
    quality: float | None
    error: str
    tags: dict[str, str]


class CollectorDetailAnswer(CollectorAnswer):
    """One collector with its newest attempts, newest first."""

    latest: list[ReportedAttempt]
