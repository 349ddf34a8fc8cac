"""What one run of a quality suite found, as it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitoring_pipeline.records.status import Status

__all__ = ["QualityRun"]


@dataclass(frozen=True, slots=True)
class QualityRun:
    """One run of `suite` over data of `source`, begun at `started` and recorded at `at` (UTC).

    `score` is 0-100, None when nothing is known. Of its `expectations`, `failed` were not met and `errors` could not
    be judged. `dimensions` are scores by dimension. `profile` holds `columns`, `schema`, `changes` and more,
    `findings` one mapping per expectation, both as JSON knows them.
    """

    source: str
    suite: str
    started: datetime
    at: datetime
    status: Status
    score: float | None = None
    rows: float | None = None
    expectations: int = 0
    failed: int = 0
    errors: int = 0
    message: str = ""
    dimensions: Mapping[str, float] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[Mapping[str, Any]] = ()

    @property
    def reported(self) -> bool:
        """Whether somebody elsewhere measured it; not known of runs that are older than this mark."""
        return bool(self.profile.get("reported", True))

    @property
    def incomplete(self) -> bool:
        """Whether the score is that of a part only: something else could not be judged."""
        return self.score is not None and bool(self.errors or self.profile.get("problem"))
