"""Results of analysis in the warehouse: written a period at a time, read from the published copy.

A row is a dict with the names of the table's columns; lists and dicts become JSON text and are read back as such.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.store.warehouse import aware, literal, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["TABLES", "expire_results", "newest", "put", "since"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

TABLES = ("trends", "capacity", "forecasts", "patterns", "risks", "predictors", "performance")
"""What is kept here, each with the moment `period` it speaks for."""

_JSON = frozenset({"examples", "detail", "reasons", "actions", "weights", "calibration", "measured", "recommendations"})
_CHUNK = 500
Row = Mapping[str, Any]


def put(warehouse: DuckDBPyConnection, period: datetime, rows: Mapping[str, Sequence[Row]]) -> dict[str, int]:
    """Replaces what these tables have of a period, in one transaction; answers how many rows each has now."""
    with transaction(warehouse):
        for table, found in rows.items():
            warehouse.execute(f"DELETE FROM {_named(table)} WHERE period = {literal(period)}")
            for statement in _inserts(table, period, found):
                warehouse.execute(statement)
    return {table: len(found) for table, found in rows.items()}


def newest(
    connection: DuckDBPyConnection, table: str, *, source: str | None = None
) -> tuple[datetime | None, list[dict[str, Any]]]:
    """The newest period of a table and its rows; (None, []) before the first. Takes a connection of `history.connect`.

    With a `source` only its rows.
    """
    if not _published(connection, table):
        return None, []
    found = connection.execute(f"SELECT max(period) FROM warehouse.{table}").fetchall()[0][0]
    if found is None:
        return None, []
    where = f"period = {literal(aware(found))}" + ("" if source is None else f" AND source = {literal(source)}")
    return aware(found), _rows(connection, table, where)


def since(
    connection: DuckDBPyConnection, table: str, moment: datetime, source: str | None = None
) -> list[dict[str, Any]]:
    """All rows of the periods from a moment on, oldest first."""
    if not _published(connection, table):
        return []
    where = f"period >= {literal(moment)}" + ("" if source is None else f" AND source = {literal(source)}")
    return _rows(connection, table, where)


def expire_results(warehouse: DuckDBPyConnection, now: datetime, kept: timedelta) -> dict[str, int]:
    """Deletes periods that are older than `kept`; rows per table."""
    found = {}
    for table in TABLES:
        old = f"DELETE FROM {table} WHERE period < {literal(now - kept)}"
        found[table] = int(warehouse.execute(old).fetchall()[0][0])
    return found


def _named(table: str) -> str:
    if table not in TABLES:
        raise ValueError(f"{table} is no table of results")
    return table


def _published(connection: DuckDBPyConnection, table: str) -> bool:
    """Whether the copy has the table: that of an older version has not, and there may be none yet."""
    query = f"SELECT 1 FROM duckdb_tables() WHERE database_name = 'warehouse' AND table_name = {literal(_named(table))}"
    return bool(connection.execute(query).fetchall())


def _inserts(table: str, period: datetime, rows: Sequence[Row]) -> Iterator[str]:
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        names = list(chunk[0])
        values = ", ".join(f"({literal(period)}, {', '.join(_value(row[name]) for name in names)})" for row in chunk)
        yield f"INSERT INTO {table} (period, {', '.join(names)}) VALUES {values}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value != value:
        return "NULL"
    if value in (float("inf"), float("-inf")):
        return f"'{value}'::DOUBLE"
    if isinstance(value, (list, tuple, dict)):
        return literal(json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":")))
    return literal(value)


def _rows(connection: DuckDBPyConnection, table: str, where: str) -> list[dict[str, Any]]:
    cursor = connection.execute(f"SELECT * FROM warehouse.{table} WHERE {where} ORDER BY period")
    names = [column[0] for column in cursor.description or ()]
    return [{name: _read(name, value) for name, value in zip(names, row, strict=True)} for row in cursor.fetchall()]


def _read(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return aware(value)
    return json.loads(value) if name in _JSON and isinstance(value, str) else value
