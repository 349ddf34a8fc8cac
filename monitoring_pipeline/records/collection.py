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

    `key` is its identity: reported again, it is the same attempt. `rows`, `bytes`, `duration_ms` and `quality`
    (0-100) are None where the collector did not say. `finished` is the collector's clock.
    """

    key: str
    collector: str
    source: str
    success: bool
    started: datetime
    finished: datetime
    check_type: CollectionCheck | None = None
    rows: int | None = None
    bytes: int | None = None
    duration_ms: float | None = None
    quality: float | None = None
    error: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
