"""Attempts of collectors by the hour: what long windows are added up from.

Written in the transaction that loads the attempts, so that hours and attempts of a warehouse always agree. An hour
that gets another attempt is counted anew from all of its attempts: a load that is repeated changes nothing.

Durations are kept as counts in buckets that grow by 5 %, which add up over hours and give any quantile to within
2.5 % of its value (Masson, Rim & Lee, DDSketch, VLDB 2019).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from monitoring_pipeline.store.warehouse import aware, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["BUCKET", "GROWTH", "MEASURES", "count_hours", "expire_hours"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

GROWTH = 1.05
BUCKET = f"ceil(ln(greatest(duration_ms, 0.001)) / ln({GROWTH}))::SMALLINT"
"""The bucket of a duration; durations in the same one differ by 5 % at most."""

MEASURES = """
    count(*) AS attempts, count(*) FILTER (NOT success) AS failures, sum(rows) AS rows, sum(bytes) AS bytes,
    count(rows) FILTER (success) AS counted, quantile_cont(duration_ms, 0.5) AS p50_ms,
    quantile_cont(duration_ms, 0.95) AS p95_ms, sum(quality) AS quality_sum, count(quality) AS qualities
"""
"""What is known of a group of attempts."""

_ATTEMPTS, _HOURS, _DURATIONS = "collections", "collection_hours", "collection_durations"


def count_hours(warehouse: DuckDBPyConnection, after: int, last: int) -> None:
    """Counts anew the hours in which the attempts with ids above `after`, up to `last`, ended."""
    # Another operational store's attempts may have these ids too: their hours are counted anew in vain.
    new = f"id > {after} AND id <= {last}"
    hours = [
        literal(aware(hour))
        for (hour,) in warehouse.execute(
            f"""SELECT DISTINCT date_trunc('hour', "at") FROM {_ATTEMPTS} WHERE {new}"""
        ).fetchall()
    ]
    if not hours:
        return
    inside = f"""date_trunc('hour', "at") IN ({", ".join(hours)})
        AND "at" >= least({", ".join(hours)}) AND "at" < greatest({", ".join(hours)}) + INTERVAL 1 HOUR"""
    for table in (_HOURS, _DURATIONS):
        warehouse.execute(f"DELETE FROM {table} WHERE hour IN ({', '.join(hours)})")
    attempts = f"""SELECT date_trunc('hour', "at") AS hour, * FROM {_ATTEMPTS} WHERE {inside}"""
    warehouse.execute(
        f"INSERT INTO {_HOURS} BY NAME "
        f"SELECT hour, collector, kind, {MEASURES} FROM ({attempts}) GROUP BY ALL ORDER BY ALL"
    )
    warehouse.execute(
        f"INSERT INTO {_DURATIONS} SELECT hour, collector, kind, {BUCKET} AS bucket, count(*) FROM ({attempts}) "
        "WHERE duration_ms IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )


def expire_hours(warehouse: DuckDBPyConnection, before: datetime) -> dict[str, int]:
    """Deletes hours that began before then; rows per table."""
    return {
        table: int(warehouse.execute(f"DELETE FROM {table} WHERE hour < {literal(before)}").fetchall()[0][0])
        for table in (_HOURS, _DURATIONS)
    }
