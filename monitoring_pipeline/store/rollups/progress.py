"""How far each level is built from each log, and since when a log is whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from monitoring_pipeline.clock import EPOCH
from monitoring_pipeline.store.rollups.levels import Level
from monitoring_pipeline.store.warehouse import aware, literal, origin

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["begin", "built_until", "kept_since", "last_looked_at", "note", "note_kept", "read_built"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608


def built_until(connection: DuckDBPyConnection, log: str, level: Level) -> datetime | None:
    """Every bucket that ends by this moment is built from the log; None before the first."""
    return read_built(connection).get((log, level.name))


def read_built(connection: DuckDBPyConnection, database: str | None = None) -> dict[tuple[str, str], datetime]:
    """The same of all logs and levels, by log and the level's name."""
    rows = connection.execute(f"SELECT log, level, until FROM {f'{database}.' if database else ''}rolled").fetchall()
    return {(log, level): aware(until) for log, level, until in rows}


def last_looked_at(warehouse: DuckDBPyConnection, log: str, level: Level) -> int | None:
    """The last row of the log whose bucket is known to be built, by id; None when ids were another store's then."""
    rows = warehouse.execute(
        f"SELECT last_id, store_id FROM rolled WHERE log = {literal(log)} AND level = {literal(level.name)}"
    ).fetchall()
    return int(rows[0][0]) if rows and rows[0][1] == origin(warehouse) else None


def begin(warehouse: DuckDBPyConnection, level: Level, until: datetime, heads: Mapping[str, int]) -> None:
    """The first note of a level's logs: built until `until`, looked at up to the ids of `heads`."""
    for log, head in heads.items():
        row = f"{literal(log)}, {literal(level.name)}, {literal(until)}, {head}, {literal(origin(warehouse))}"
        warehouse.execute(f"INSERT INTO rolled VALUES ({row})")


def note(
    warehouse: DuckDBPyConnection,
    logs: Iterable[str],
    level: Level,
    until: datetime,
    heads: Mapping[str, int] | None = None,
) -> None:
    """Notes how far a level is built from its logs, and with `heads` what was looked at."""
    for log in logs:
        looked = "" if heads is None else f", last_id = {heads[log]}, store_id = {literal(origin(warehouse))}"
        warehouse.execute(
            f"UPDATE rolled SET until = {literal(until)}{looked} "
            f"WHERE log = {literal(log)} AND level = {literal(level.name)}"
        )


def kept_since(warehouse: DuckDBPyConnection, log: str) -> datetime:
    """Since when the log lost no row to the retention; 1970 when it never did."""
    rows = warehouse.execute(f"SELECT max(since) FROM kept_since WHERE log = {literal(log)}").fetchall()
    return EPOCH if rows[0][0] is None else aware(rows[0][0])


def note_kept(warehouse: DuckDBPyConnection, log: str, since: datetime) -> None:
    """Notes that rows of the log from before `since` are going."""
    since = max(since, kept_since(warehouse, log))
    warehouse.execute(f"DELETE FROM kept_since WHERE log = {literal(log)}")
    warehouse.execute(f"INSERT INTO kept_since VALUES ({literal(log)}, {literal(since)})")
