"""What a collector reports about itself: one attempt to fetch data, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = ["CollectionAttempt", "CollectionCheck"]


class CollectionCheck(StrEnum):
    """Which part of collecting an attempt tells of; most tell of all of it and name none."""

    CONNECTIVITY = "connectivity"
    PARSING = "parsing"
    SCHEMA = "schema"
    PERFORMANCE = "performance"


@dataclass(frozen=True, slots=True)
class CollectionAttempt:
    """One attempt of a collector, as it is kept.

    `key` is its identity: reported again, it is the same attempt. `at` is when it ended, by the collector's clock,
    `received` when it came here. `check` is None where it tells of the whole. `rows`, `bytes`, `duration_ms` and
    `quality` (0-100) are None where the collector did not say.
    """

    key: str
    collector: str
    source: str
    success: bool
    at: datetime
    received: datetime
    check: CollectionCheck | None = None
    rows: float | None = None
    bytes: float | None = None
    duration_ms: float | None = None
    quality: float | None = None
    error: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
