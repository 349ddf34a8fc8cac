"""Attempts that collectors reported: kept once each, and found again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import CollectionAttempt, CollectionCheck
from monitoring_pipeline.store.collectors import note_attempts
from monitoring_pipeline.store.tables import collections
from monitoring_pipeline.store.warehouse import aware, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["insert_attempts", "known_before", "latest"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

_KEYS_AT_ONCE = 500


def insert_attempts(connection: Connection, attempts: Iterable[CollectionAttempt]) -> list[CollectionAttempt]:
    """Appends the attempts that are not there yet, moves their collectors' states on, answers which those were."""
    by_key: dict[str, CollectionAttempt] = {}
    for attempt in attempts:
        by_key.setdefault(attempt.key, attempt)
    # Writers are serialised: nobody inserts one of these between the look and the insert.
    for start in range(0, len(keys := list(by_key)), _KEYS_AT_ONCE):
        known = select(collections.c.key).where(collections.c.key.in_(keys[start : start + _KEYS_AT_ONCE]))
        for key in connection.execute(known).scalars():
            del by_key[key]
    if by_key:
        connection.execute(insert(collections), [_row(attempt) for attempt in by_key.values()])
        note_attempts(connection, by_key.values())
    return list(by_key.values())


def _row(attempt: CollectionAttempt) -> dict[str, Any]:
    return {
        "key": attempt.key, "source": attempt.source, "collector": attempt.collector, "kind": attempt.check or "",
        "at": to_us(attempt.at), "received": to_us(attempt.received), "success": attempt.success,
        "rows": attempt.rows, "bytes": attempt.bytes, "duration_ms": attempt.duration_ms, "quality": attempt.quality,
        "error": attempt.error, "tags": json.dumps(dict(attempt.tags), ensure_ascii=False, separators=(",", ":")),
    }  # fmt: skip


def known_before(connection: DuckDBPyConnection, keys: Sequence[str], since: datetime) -> set[str]:
    """Which of the keys history has of attempts that ended since then. Needs the view `collections`."""
    wanted = ", ".join(map(literal, keys))
    rows = connection.execute(f'SELECT key FROM collections WHERE "at" >= {literal(since)} AND key IN ({wanted})')
    return {str(key) for (key,) in rows.fetchall()}


def latest(
    connection: DuckDBPyConnection,
    collector: str,
    since: datetime,
    until: datetime,
    limit: int = 50,
    *,
    failed: bool = False,
    check: CollectionCheck | None = None,
) -> list[CollectionAttempt]:
    """The newest attempts of a collector that ended in [since, until], newest first. Needs the view `collections`."""
    conditions = [f"collector = {literal(collector)}", f'"at" <= {literal(until)}']
    conditions += ["NOT success"] if failed else []
    conditions += [f"kind = {literal(check.value)}"] if check is not None else []
    # Most report often: an hour is looked at before a week is.
    for reach in (timedelta(hours=1), timedelta(hours=12), until - since):
        begin = max(since, until - reach)
        found = _newest(connection, [*conditions, f'"at" >= {literal(begin)}'], limit)
        if len(found) >= limit or begin == since:
            break
    return found


def _newest(connection: DuckDBPyConnection, conditions: Sequence[str], limit: int) -> list[CollectionAttempt]:
    rows = connection.execute(
        f"""
        SELECT key, collector, source, success, "at", received, kind, rows, bytes, duration_ms, quality, error, tags
        FROM collections WHERE {" AND ".join(conditions)} ORDER BY "at" DESC, id DESC LIMIT {int(limit)}
        """
    ).fetchall()
    return [
        CollectionAttempt(
            key, name, source, success, aware(at), aware(received), CollectionCheck(kind) if kind else None, count,
            size, ms, quality, error, json.loads(tags),
        )
        for key, name, source, success, at, received, kind, count, size, ms, quality, error, tags in rows
    ]  # fmt: skip
