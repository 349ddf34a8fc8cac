"""How long buckets are kept, and how long the rows they are built from must be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from monitoring_pipeline.store.rollups.levels import DAY, LEVELS
from monitoring_pipeline.store.rollups.progress import built_until, note_kept
from monitoring_pipeline.store.warehouse import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.store.spec import RollupRetentionSpec

__all__ = ["expire_rollups", "keep_until"]

# How much longer than the retention says rows may stay because their day is not built yet.
_PATIENCE = timedelta(days=3)
_LOGS = ("samples", "results", "gaps")


def keep_until(warehouse: DuckDBPyConnection, log: str, cutoff: datetime) -> datetime:
    """Up to when rows of a log may go, where the retention says `cutoff`, and notes it.

    Rows wait until the day they belong to is built, for three days at most: building may be broken, a disk may not
    fill for it.
    """
    if log not in _LOGS:
        return cutoff
    until = built_until(warehouse, log, DAY)
    if until is not None:
        cutoff = max(cutoff - _PATIENCE, min(cutoff, until))
    note_kept(warehouse, log, cutoff)
    return cutoff


def expire_rollups(warehouse: DuckDBPyConnection, kept: RollupRetentionSpec, now: datetime) -> dict[str, int]:
    """Deletes buckets that are older than the retention of their level; how many, per table."""
    deleted = {}
    for level in LEVELS:
        for table in (level.values, level.executions):
            old = f"DELETE FROM {table} WHERE bucket < {literal(now - kept.of(level.name))}"  # noqa: S608 - ours
            deleted[table] = int(warehouse.execute(old).fetchall()[0][0])
    return deleted
