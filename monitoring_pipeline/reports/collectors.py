"""How the collectors do: all of them at a glance, or one with its newest attempts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.collection.health import CollectorHealth, collectors_health
from monitoring_pipeline.collection.spec import CollectorSpec
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import CollectionAttempt
from monitoring_pipeline.store import history
from monitoring_pipeline.store.activity import DAY, LOOKED_BACK, SPANS, Activity, Stretch, activities
from monitoring_pipeline.store.collections import latest
from monitoring_pipeline.store.collectors import collector_states
from monitoring_pipeline.store.operational import OperationalStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "CollectorDetail",
    "CollectorHealth",
    "collected_document",
    "collector_detail",
    "collector_document",
    "collector_views",
    "detail_document",
]


@dataclass(frozen=True, slots=True)
class CollectorDetail:
    """One collector, and its attempts, the newest first."""

    health: CollectorHealth
    attempts: tuple[CollectionAttempt, ...]


def collector_views(
    store: OperationalStore, published: Path, declared: Mapping[str, CollectorSpec], now: datetime
) -> list[CollectorHealth]:
    """All collectors that are declared or ever reported, the worst first. Raises StoreError."""
    with store.read() as connection:
        states = collector_states(connection)
    with _history(store, published, now) as history_of:
        return collectors_health(declared, activities(history_of, states, now), now)


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
    with store.read() as connection:
        states = collector_states(connection)
    if collector not in {*declared, *states}:
        raise NotFound("collector", collector[:200], {*declared, *states})
    mine = {name: state for name, state in states.items() if name == collector}
    found: dict[str, Activity] = {}
    attempts: list[CollectionAttempt] = []
    if mine:
        with _history(store, published, now) as history_of:
            found = activities(history_of, mine, now)
            attempts = latest(history_of, collector, since or now - SPANS[-1], now, limit)
    [view] = collectors_health({name: spec for name, spec in declared.items() if name == collector}, found, now)
    return CollectorDetail(view, tuple(attempts))


def _history(store: OperationalStore, published: Path, now: datetime) -> AbstractContextManager[DuckDBPyConnection]:
    return history.connect(store, published, now=now, since=now - LOOKED_BACK, tables=("collections",))


# -- as documents ------------------------------------------------------------------------------------


def collector_document(view: CollectorHealth) -> dict[str, Any]:
    """One collector of a list; keys are only ever added."""
    activity, state = view.activity, view.activity.state if view.activity else None
    return {
        "collector": view.collector, "source": view.source, "declared": view.spec is not None,
        "status": view.status.value, "reason": view.reason, "window": format_duration(view.span),
        "every_s": None if view.spec is None else view.spec.every.total_seconds(),
        "silent_s": None if view.silent_for is None else view.silent_for.total_seconds(),
        "first": state.first if state else None, "last": state.last if state else None,
        "last_success": state.last_success if state else None, "last_error": state.last_error if state else "",
        "failures_in_row": state.failures if state else 0,
        "unusual": list(view.unusual),
        "windows": {
            format_duration(span): _stretch_document(stretch, span)
            for span, stretch in (activity.windows.items() if activity else ())
        },
        "checks": {
            check or "all": _stretch_document(stretch, DAY)
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
