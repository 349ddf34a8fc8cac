"""Hot results and samples in the operational store: appended here, moved to the warehouse later."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, tuple_

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Result, Sample
from monitoring_pipeline.store.tables import results, samples

__all__ = ["insert_results", "insert_samples", "recorded_slots"]

Slot = tuple[str, str, int]
"""A source, a check of it, and the moment of a slot (microseconds)."""


def insert_results(connection: Connection, found: Iterable[Result]) -> None:
    """Appends results with their samples."""
    rows: list[Mapping[str, Any]] = []
    numbers: list[Sample] = []
    for result in found:
        rows.append(_row(result))
        numbers.extend(result.samples)
    if rows:
        connection.execute(insert(results), rows)
    insert_samples(connection, numbers)


def recorded_slots(connection: Connection, wanted: Collection[Slot]) -> set[Slot]:
    """Those of some slots that have a result."""
    columns = (results.c.source, results.c.check_id, results.c.slot)
    query = select(*columns).where(tuple_(*columns).in_(list(wanted)))
    return {(row.source, row.check_id, row.slot) for row in connection.execute(query)} if wanted else set()


def _row(result: Result) -> Mapping[str, Any]:
    details: dict[str, Any] = dict(result.details)
    if result.errors:
        details["errors"] = list(result.errors)
    if result.warnings:
        details["warnings"] = list(result.warnings)
    return {
        "source": result.source, "check_id": result.check, "kind": result.kind, "slot": to_us(result.slot),
        "started": to_us(result.started), "finished": to_us(result.finished), "status": result.status.value,
        "response_time_ms": result.response_time_ms, "attempts": result.attempts, "message": result.message,
        "details": _json(details), "skipped": result.skipped.value if result.skipped else None,
        "manual": result.manual,
    }  # fmt: skip


def insert_samples(connection: Connection, numbers: Sequence[Sample]) -> None:
    """Appends samples."""
    rows = [
        {
            "source": sample.source, "check_id": sample.check, "metric": sample.metric, "time": to_us(sample.time),
            "value": sample.value, "unit": sample.unit, "tags": _json(sample.tags),
        }
        for sample in numbers
    ]  # fmt: skip
    if rows:
        connection.execute(insert(samples), rows)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":")) if value else "{}"
