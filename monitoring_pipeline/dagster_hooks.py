"""For Dagster code of your own: hooks that report every step of a job, or every run of an asset, as an attempt.

    from monitoring_pipeline.dagster_hooks import collection_hooks

    @dg.asset(hooks=collection_hooks("orders-loader", source="orders-db"))
    def orders(): ...

    nightly = everything.to_job(name="nightly", hooks=collection_hooks())     # each op under its own name

It needs the extra `dagster`; nothing of ours imports it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from monitoring_pipeline.collection import CollectionResult, CollectionTracker, track_collection_attempt

__all__ = ["BYTES", "QUALITY", "ROWS", "collection_hooks"]

ROWS, BYTES, QUALITY = "dagster/row_count", "collection/bytes", "collection/quality"
"""Metadata of outputs that say how much there was, and how good it was (0 to 100)."""


def collection_hooks(
    collector: str = "", *, source: str = "", tracker: CollectionTracker | None = None
) -> set[dg.HookDefinition]:
    """Hooks for an asset, an op or a job. Without a name each op is a collector of its own, called as the op is.

    Rows, bytes and quality are taken from metadata, duration from Dagster, the error from the exception. Without
    a tracker the environment says where to report (BUSTA_URL). A hook never fails the step.
    """
    report = tracker.track if tracker is not None else track_collection_attempt

    @dg.success_hook(name="collection_succeeded")
    def succeeded(context: dg.HookContext) -> None:
        result = CollectionResult(source=source)
        with suppress(Exception):  # what we add to the report must not cost it
            _measure(context, result)
        report(collector or context.op.name, result)

    @dg.failure_hook(name="collection_failed")
    def failed(context: dg.HookContext) -> None:
        result = CollectionResult(source=source)
        with suppress(Exception):
            _time(context, result)
        result.fail(context.op_exception or "the step failed")
        report(collector or context.op.name, result)

    return {succeeded, failed}


def _measure(context: dg.HookContext, result: CollectionResult) -> None:
    _time(context, result)
    for metadata in context.op_output_metadata.values():
        result.rows = _sum(result.rows, metadata.get(ROWS))
        result.bytes = _sum(result.bytes, metadata.get(BYTES))
        found = [each for each in (result.quality, _number(metadata.get(QUALITY))) if each is not None]
        result.quality = min(found, default=None)


def _time(context: dg.HookContext, result: CollectionResult) -> None:
    result.tags = {"run_id": context.run_id, "step": context.step_key, "job": context.job_name}
    [stats] = context.instance.get_run_step_stats(context.run_id, [context.step_key])
    if stats.start_time is not None:
        result.started = datetime.fromtimestamp(stats.start_time, UTC)
        result.finished = datetime.fromtimestamp(stats.end_time, UTC) if stats.end_time else datetime.now(UTC)
        result.duration_ms = (result.finished - result.started).total_seconds() * 1000


def _number(value: Any) -> Any:
    plain = getattr(value, "value", value)
    return plain if isinstance(plain, (int, float)) else None


def _sum(known: Any, value: Any) -> Any:
    number = _number(value)
    return known if number is None else number + (known or 0)
