"""Moves hot rows into the warehouse, by watermark.

A batch and the watermark behind it are one DuckDB transaction. Killed before its commit, nothing
happened and the next load repeats it; killed after it, the rows are in and are not read again.
The operational store is only read, in short transactions: nobody waits for a load.

Why nothing is missed: ids of hot tables grow in commit order because writers are serialised, so
once a row is visible no row with a lower id can still appear, and "above the watermark" is complete.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring_pipeline.store import marks
from monitoring_pipeline.store.collection_hours import count_hours
from monitoring_pipeline.store.hot import HOT, copy_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.warehouse import literal, open_warehouse, origin, transaction, watermarks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["load_hot"]

_BATCH_ROWS = 250_000


def load_hot(
    store: OperationalStore, warehouse_path: Path, now: datetime, batch_rows: int = _BATCH_ROWS
) -> dict[str, int]:
    """Loads every hot row the warehouse does not have yet; returns how many rows per table.

    Memory is bounded by `batch_rows`. It may be killed and repeated at any time.
    """
    store_id = marks.store_id(store)
    with open_warehouse(warehouse_path, now) as warehouse:
        _adopt(warehouse, store_id)
        return {name: _load_table(store, warehouse, name, batch_rows) for name in HOT}


def _adopt(warehouse: DuckDBPyConnection, store_id: str) -> None:
    """Starts counting anew when the operational store is another one than at the last load."""
    if origin(warehouse) == store_id:
        return
    with transaction(warehouse):
        warehouse.execute("DELETE FROM origin")
        warehouse.execute(f"INSERT INTO origin VALUES ({literal(store_id)})")  # noqa: S608 - an escaped literal
        warehouse.execute("UPDATE watermarks SET last_id = 0")


def _load_table(store: OperationalStore, warehouse: DuckDBPyConnection, name: str, batch_rows: int) -> int:
    total = 0
    while count := _load_batch(store, warehouse, name, batch_rows):
        total += count
        if count < batch_rows:
            break
    return total


def _load_batch(store: OperationalStore, warehouse: DuckDBPyConnection, name: str, batch_rows: int) -> int:
    with transaction(warehouse), store.read() as connection:
        loaded = watermarks(warehouse)[name]
        # A new warehouse beside an old store: what expired cannot come any more.
        after = max(loaded, marks.read_marks(connection).expired.get(name, 0))
        count, last = copy_hot(connection, warehouse, name, HOT[name], after=after, limit=batch_rows, in_order=True)
        if name == "collections" and count:
            count_hours(warehouse, after, last)
        if last > loaded:
            _advance(warehouse, name, last)
    return count


def _advance(warehouse: DuckDBPyConnection, name: str, last_id: int) -> None:
    warehouse.execute(f"UPDATE watermarks SET last_id = {last_id} WHERE table_name = {literal(name)}")  # noqa: S608
