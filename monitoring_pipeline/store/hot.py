"""Copies hot rows out of the operational store into a DuckDB connection, in bulk.

Rows travel as Arrow batches built from plain buffers. The faster ADBC driver for SQLite is not an
option: it carries a SQLite of its own, and two copies of SQLite in one process defeat each other's
POSIX locks. Its close deletes the write-ahead log under the other copy, and rows that were
committed afterwards are lost. pyarrow's own conversion would import pandas where it is installed.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, Integer, Select, Table, select, text

from monitoring_pipeline.store import tables
from monitoring_pipeline.store.warehouse import TIME_COLUMNS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["HOT", "copy_hot", "create_hot", "snapshot"]

HOT: dict[str, Table] = {name: tables.metadata.tables[name] for name in TIME_COLUMNS}
"""The append-only tables whose rows move into the warehouse."""

_MOMENTS = {"slot", "started", "finished", "time", "start", "end", "at", "received"}
_PAGE_ROWS = 50_000
_PIECE_ROWS = 500


def snapshot(connection: Connection) -> None:
    """Makes all reads of this transaction see one moment. Call it before the first of them."""
    # SQLite's transactions always do.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


def create_hot(into: DuckDBPyConnection, target: str, table: Table, columns: Collection[str] | None = None) -> None:
    """Makes an empty DuckDB table for rows of `table`: what the warehouse's migrations end in, in one step.

    With `columns` it has those only.
    """
    listed = ", ".join(f'"{column.name}" {_duckdb_type(column)}' for column in _some(table, columns))
    into.execute(f"CREATE TABLE {target} ({listed})")


def copy_hot(
    connection: Connection,
    into: DuckDBPyConnection,
    target: str,
    table: Table,
    *,
    after: int,
    limit: int | None = None,
    source: str | None = None,
    since: int | None = None,
    metrics: Collection[str] | None = None,
    columns: Collection[str] | None = None,
    in_order: bool = False,
) -> tuple[int, int]:
    """Copies the rows of `table` with an id above `after` into the DuckDB table `target`.

    At most `limit` rows, in the order of their ids; only those of one `source`, not older than `since`
    (microseconds), or, of samples, of some `metrics`, when given; of `columns` only, the first of which is the
    id. With `in_order` those of each page lie in the order of time. Returns how many, and the last id (`after` when
    none).
    """
    count, last, wanted = 0, after, _some(table, columns)
    while limit is None or count < limit:
        page = _PAGE_ROWS if limit is None else min(_PAGE_ROWS, limit - count)
        result = connection.execute(_query(table, wanted, last, page, source, since, metrics))
        # The driver's own cursor: row objects and their conversions would double the price.
        values = _values(cast("Any", result).cursor, len(wanted))
        result.close()
        found = len(values[0])
        if found:
            _insert(into, target, wanted, values, TIME_COLUMNS[table.name] if in_order else None)
            count, last = count + found, values[0][-1]
        if found < page:
            break
    return count, last


def _some(table: Table, names: Collection[str] | None) -> list[Column[Any]]:
    return [column for column in table.columns if names is None or column.name in names]


def _query(
    table: Table,
    columns: Sequence[Column[Any]],
    after: int,
    limit: int,
    source: str | None,
    since: int | None,
    metrics: Collection[str] | None,
) -> Select[Any]:
    query = select(*columns).where(table.c.id > after).order_by(table.c.id).limit(limit)
    if source is not None:
        query = query.where(table.c.source == source)
    if since is not None:
        query = query.where(table.c[TIME_COLUMNS[table.name]] >= since)
    if metrics is not None and "metric" in table.c:
        query = query.where(table.c.metric.in_(list(metrics)))
    return query


def _values(cursor: Any, width: int) -> list[list[Any]]:
    """All rows of a cursor by column. In small pieces: many rows alive at once keep the garbage collector busy."""
    values: list[list[Any]] = [[] for _ in range(width)]
    while rows := cursor.fetchmany(_PIECE_ROWS):
        for into, found in zip(values, zip(*rows, strict=True), strict=True):
            into.extend(found)
    return values


def _insert(
    into: DuckDBPyConnection,
    target: str,
    columns: Sequence[Column[Any]],
    values: Sequence[Sequence[Any]],
    order: str | None,
) -> None:
    import pyarrow as pa

    arrays = [_to_arrow(column, own) for column, own in zip(columns, values, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
    # The bare capsule: DuckDB hands any other Arrow object to pyarrow.dataset, which imports pandas.
    into.register("hot_rows", pa.RecordBatchReader.from_batches(batch.schema, [batch]).__arrow_c_stream__())
    listed = ", ".join(_to_duckdb(column) for column in columns)
    names = ", ".join(f'"{column.name}"' for column in columns)
    by = f'ORDER BY "{order}"' if order else ""
    into.execute(f"INSERT INTO {target} ({names}) SELECT {listed} FROM hot_rows {by}")  # noqa: S608
    into.unregister("hot_rows")


def _to_arrow(column: Column[Any], values: Sequence[Any]) -> Any:
    import pyarrow as pa

    def plain(kind: Any, code: str, numbers: Iterable[Any]) -> Any:
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(array(code, numbers))])

    if isinstance(column.type, Boolean):
        return plain(pa.int8(), "b", values)
    if isinstance(column.type, (BigInteger, Integer)):
        return plain(pa.int64(), "q", values)
    if isinstance(column.type, Double):
        return plain(pa.float64(), "d", [math.nan if value is None else value for value in values])
    return _text_to_arrow([value or "" for value in values] if column.nullable else values)


def _text_to_arrow(values: Sequence[str]) -> Any:
    import pyarrow as pa

    joined = "".join(values)
    data = joined.encode()
    # All ASCII, as nearly always: the lengths are known without encoding each value.
    lengths = map(len, values) if len(data) == len(joined) else (len(value.encode()) for value in values)
    offsets = pa.py_buffer(array("q", accumulate(lengths, initial=0)))
    return pa.Array.from_buffers(pa.large_string(), len(values), [None, offsets, pa.py_buffer(data)])


def _duckdb_type(column: Column[Any]) -> str:
    if column.name in _MOMENTS:
        return "TIMESTAMP"
    if isinstance(column.type, Boolean):
        return "BOOLEAN"
    if isinstance(column.type, Integer):
        return "BIGINT" if isinstance(column.type, BigInteger) else "INTEGER"
    return "DOUBLE" if isinstance(column.type, Double) else "VARCHAR"


def _to_duckdb(column: Column[Any]) -> str:
    # NaN and the empty text stand for NULL on the way: no nullable column means anything else by them.
    name = f'"{column.name}"'
    if column.name in _MOMENTS:
        return f"make_timestamp({name}) AS {name}"
    if isinstance(column.type, Boolean):
        return f"CAST({name} AS BOOLEAN) AS {name}"
    if column.nullable:
        return (
            f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END AS {name}"
            if isinstance(column.type, Double)
            else f"nullif({name}, '') AS {name}"
        )
    return name
