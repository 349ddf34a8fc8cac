"""The four states of health and the order between them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

__all__ = ["CheckType", "Status", "worst"]


class Status(StrEnum):
    """How a check, a source, a component or the whole system is."""

    HEALTHY = "healthy"
    UNKNOWN = "unknown"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for healthy up to 3 for critical. Unknown outranks healthy, so it is never shown green."""
        return _RANK[self]


_RANK = {Status.HEALTHY: 0, Status.UNKNOWN: 1, Status.WARNING: 2, Status.CRITICAL: 3}


class CheckType(StrEnum):
    """What a check is about."""

    CONNECTIVITY = "connectivity"
    PERFORMANCE = "performance"
    DATA_QUALITY = "data_quality"
    CAPACITY = "capacity"
    CUSTOM = "custom"


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of several statuses; unknown when there are none."""
    return max(statuses, key=_RANK.__getitem__, default=Status.UNKNOWN)
