"""How the collectors do: all of them at a glance, or one with its newest attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.collection.health import CollectorHealth, collectors_health
from monitoring_pipeline.collection.spec import CollectorSpec
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import CollectionAttempt
from monitoring_pipeline.store import history
from monitoring_pipeline.store.collections import HABIT_DAYS, SPANS, Stretch, activities, latest
from monitoring_pipeline.store.operational import OperationalStore

__all__ = [
    "CollectorDetail",
    "CollectorHealth",
    "collected_document",
    "collector_detail",
    "collector_document",
    "collector_views",
    "detail_document",
]

_LOOKED_BACK = timedelta(days=HABIT_DAYS, hours=1)


@dataclass(frozen=True, slots=True)
class CollectorDetail:
    """One collector, and its attempts, the newest first."""

    health: CollectorHealth
    attempts: tuple[CollectionAttempt, ...]


def collector_views(
    store: OperationalStore, published: Path, declared: Mapping[str, CollectorSpec], now: datetime
) -> list[CollectorHealth]:
    """All collectors that are declared, or reported in the last seven days, the worst first. Raises StoreError."""
    with history.connect(store, published, now=now, since=now - _LOOKED_BACK, tables=("collections",)) as connection:
        found = activities(connection, now)
    return collectors_health(declared, found, now)


def collector_detail(
    store: OperationalStore,
    published: Path,
    declared: Mapping[str, CollectorSpec],
    collector: str,
    now: datetime,
    since: datetime | None = None,
    limit: int = 20,
) -> CollectorDetail:
    """One collector with its newest attempts since then, or of the longest window. Raises NotFound, StoreError."""
    with history.connect(store, published, now=now, since=now - _LOOKED_BACK, tables=("collections",)) as connection:
        found = activities(connection, now, collector)
        attempts = latest(connection, collector, since or now - SPANS[-1], limit)
    views = {view.collector: view for view in collectors_health(declared, found, now)}
    if collector not in views:
        raise NotFound("collector", collector[:200], views)
    return CollectorDetail(views[collector], tuple(attempts))


# -- as documents ------------------------------------------------------------------------------------


def collector_document(view: CollectorHealth) -> dict[str, Any]:
    """One collector of a list; keys are only ever added."""
    activity = view.activity
    return {
        "collector": view.collector, "source": view.source, "declared": view.spec is not None,
        "status": view.status.value, "reason": view.reason, "window": format_duration(view.span),
        "every_s": None if view.spec is None else view.spec.every.total_seconds(),
        "silent_s": None if view.silent_for is None else view.silent_for.total_seconds(),
        "last": activity.last if activity else None,
        "last_success": activity.last_success if activity else None,
        "last_error": activity.last_error if activity else "",
        "failures_in_row": activity.failures_in_row if activity else 0,
        "unusual": list(view.unusual),
        "windows": {
            format_duration(span): _stretch_document(stretch, span)
            for span, stretch in (activity.windows.items() if activity else ())
        },
        "checks": {
            check or "all": _stretch_document(stretch, timedelta(hours=24))
            for check, stretch in (activity.checks.items() if activity else ())
        },
    }  # fmt: skip


def _stretch_document(stretch: Stretch, span: timedelta) -> dict[str, Any]:
    minutes, rate = span.total_seconds() / 60, stretch.failure_rate
    return {
        "attempts": stretch.attempts, "failures": stretch.failures, "failure_rate": rate,
        "success_rate": None if rate is None else 100.0 - rate, "attempts_per_minute": stretch.attempts / minutes,
        "rows": stretch.rows, "rows_per_minute": stretch.rows / minutes, "bytes": stretch.bytes,
        "p50_ms": stretch.p50_ms, "p95_ms": stretch.p95_ms, "quality": stretch.quality,
    }  # fmt: skip


def detail_document(detail: CollectorDetail) -> dict[str, Any]:
    """One collector with its newest attempts."""
    return {
        **collector_document(detail.health),
        "latest": [collected_document(attempt) for attempt in detail.attempts],
    }


def collected_document(attempt: CollectionAttempt) -> dict[str, Any]:
    """One attempt."""
    return {
        "key": attempt.key, "source": attempt.source, "success": attempt.success, "at": attempt.at,
        "received": attempt.received, "check_type": attempt.check.value if attempt.check else None,
        "rows": attempt.rows, "bytes": attempt.bytes, "duration_ms": attempt.duration_ms, "quality": attempt.quality,
        "error": attempt.error, "tags": dict(attempt.tags),
    }  # fmt: skip
