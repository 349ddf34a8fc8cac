"""Brings a table to where it can be judged: opened, counted, sampled when huge, only the columns needed.

Everything goes through an in-memory DuckDB that can neither load extensions nor, once the table is open, reach any
file or server beyond it: whatever a suite's own SQL says, it reads this table and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.quality.profile import plain
from monitoring_pipeline.quality.table import Desk, Opened, Table, identifier, quoted
from monitoring_pipeline.reach.spec import NetworksSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pandas import DataFrame, Series

__all__ = ["BATCH", "LARGEST_EXACT", "Batch", "Wanted", "batch_of", "is_whole"]

BATCH = "batch"
"""What a suite's own SQL calls the table."""
_SEED = 42
LARGEST_EXACT = 2**53
"""Floats tell whole numbers up to this one from each other."""
# pandas has no type of its own for these, and Great Expectations wants plain values.
_AS_TEXT = re.compile(r"(UUID|TIME( WITH TIME ZONE)?|INTERVAL|ENUM|STRUCT|MAP|UNION|BIT|JSON|VARIANT)(\(.*)?|.*\]")
_BEYOND_64_BITS = re.compile(r"U?HUGEINT|DECIMAL\(\d+,0\)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a table is wanted: these columns, or all of them; at most so many rows; and how new it is by a column."""

    columns: Collection[str] | None = None
    max_rows: int = 1_000_000
    memory_mb: int = 2048
    timeout_s: float = 300.0
    newest_of: str | None = None
    networks: NetworksSpec = field(default_factory=NetworksSpec)

    def pick(self, there: Sequence[str]) -> Sequence[str]:
        """The columns to bring. One at least, or there would be no rows."""
        wanted = self.columns
        return there if wanted is None else [name for name in there if name in wanted] or list(there[:1])


@dataclass(frozen=True, slots=True)
class Batch:
    """A table within reach.

    `rows` is the exact number of its rows, `examined` how many of them `BATCH` holds. `schema` has all columns
    with the source's types, `types` those within reach with DuckDB's. `newest` is the maximum of the wanted column as
    a moment where `BATCH` holds a sample, which rarely holds the newest row.
    """

    connection: DuckDBPyConnection
    rows: int
    examined: int
    schema: Mapping[str, str]
    types: Mapping[str, str]
    newest: datetime | None = None

    def frame(self, columns: Sequence[str]) -> DataFrame:
        """These columns as a data frame; `rows` of it are `examined`."""
        names = [name for name in columns if name in self.types] or list(self.types)[:1]
        selected = ", ".join(f"{_as_pandas_has_it(name, self.types[name])} AS {identifier(name)}" for name in names)
        frame = self.connection.execute(f"SELECT {selected} FROM {BATCH}").df()  # noqa: S608 - quoted names
        for name in names:
            if str(frame[name].dtype).startswith(("Int", "UInt")):
                frame[name] = _without_masks(frame[name])
            elif _BEYOND_64_BITS.fullmatch(self.types[name]):
                self._keep_whole(frame, name)
            else:
                frame[name] = _widened(frame[name])
        return frame

    def _keep_whole(self, frame: DataFrame, name: str) -> None:
        """The largest whole numbers arrive as floats: they would change, and ids would no longer be unique."""
        from pandas import Series

        column = identifier(name)
        found = self.connection.execute(f"SELECT max(abs({column}::HUGEINT)) FROM {BATCH}").fetchone()  # noqa: S608
        if found and found[0] is not None and found[0] >= LARGEST_EXACT:
            rows = self.connection.execute(f"SELECT {column} FROM {BATCH}").fetchall()  # noqa: S608
            frame[name] = Series([None if value is None else int(value) for (value,) in rows], dtype="object")

    def ask(self, query: str, limit: int) -> tuple[int, list[dict[str, Any]]]:
        """How many rows a query has, and the first of them with values as JSON knows them."""
        counted = self.connection.execute(f"SELECT count(*) FROM ({query}\n) AS asked").fetchone()  # noqa: S608
        self.connection.execute(f"SELECT * FROM ({query}\n) AS asked LIMIT {limit}")  # noqa: S608
        names = [str(column[0]) for column in self.connection.description or ()]
        rows = [dict(zip(names, map(plain, row), strict=True)) for row in self.connection.fetchall()]
        return (counted[0] if counted else 0), rows


def is_whole(type_: str) -> bool:
    """Whether a column of this DuckDB type may hold whole numbers that floats cannot tell apart."""
    return type_ in ("BIGINT", "UBIGINT") or _BEYOND_64_BITS.fullmatch(type_) is not None


def _widened(values: Series[Any]) -> Series[Any]:
    """The values in the one width for which Great Expectations compares whole columns at once, not value by value."""
    wide = {"i": "int64", "u": "int64", "f": "float64", "M": "datetime64[ns]"}.get(values.dtype.kind)
    if wide is None or values.dtype in (wide, "uint64") or hasattr(values.dtype, "tz"):
        return values
    try:
        return values.astype(wide)
    except (ValueError, OverflowError):  # a moment before 1678 or after 2261
        return values


def _without_masks(values: Series[Any]) -> Series[Any]:
    """Whole numbers beside missing ones as Great Expectations can compare them: it stumbles over pandas' own NA.

    Floats where these are exact, else plain numbers and None.
    """
    if values.abs().max() < LARGEST_EXACT:
        return values.astype("float64")
    return values.astype("object").where(values.notna(), None)


def _as_pandas_has_it(name: str, type_: str) -> str:
    column = identifier(name)
    if type_.startswith("BLOB"):
        return f"hex({column})"
    return f"CAST({column} AS VARCHAR)" if _AS_TEXT.fullmatch(type_) else column


@contextmanager
def batch_of(table: Table, wanted: Wanted, folder: Path) -> Iterator[Batch]:
    """The table, within reach as long as the block lasts. Raises what its kind raises, and duckdb.Error."""
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": f"{wanted.memory_mb}MB",
        "temp_directory": str(folder / "spill"),
    }
    with duckdb.connect(config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        desk = Desk(
            connection, folder, wanted.pick, wanted.max_rows, wanted.timeout_s, wanted.newest_of, wanted.networks
        )
        opened = table.open(desk)
        _lock_up(connection, desk.permitted)
        yield _batch(connection, opened, wanted)


def _lock_up(connection: DuckDBPyConnection, paths: Sequence[str]) -> None:
    if paths:
        connection.execute(f"SET allowed_paths = [{', '.join(map(quoted, paths))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _batch(connection: DuckDBPyConnection, opened: Opened, wanted: Wanted) -> Batch:
    # Nothing at all has no columns: they must be neither all gone, nor all new once there is something again.
    types = {} if opened.schema == {} else _types(connection, opened.relation)
    there = _count(connection, opened.relation)
    rows = there if opened.rows is None else opened.rows
    if there > wanted.max_rows:
        # The same rows each time, so that the same data get the same score.
        connection.execute(
            f"CREATE TEMP TABLE {BATCH} AS SELECT {', '.join(map(identifier, wanted.pick(list(types))))} "  # noqa: S608
            f"FROM {opened.relation} USING SAMPLE reservoir({wanted.max_rows} ROWS) REPEATABLE ({_SEED})"
        )
        there, types = wanted.max_rows, {name: types[name] for name in wanted.pick(list(types))}
    else:
        connection.execute(f"CREATE TEMP VIEW {BATCH} AS SELECT * FROM {opened.relation}")  # noqa: S608
    newest = _newest(connection, opened, wanted.newest_of) if there < rows else None
    return Batch(connection, rows, there, opened.schema or types, types, newest)


def _newest(connection: DuckDBPyConnection, opened: Opened, column: str | None) -> datetime | None:
    if column is None:
        return None
    told = f"(SELECT {quoted(opened.newest)} AS {identifier(column)})" if opened.newest is not None else opened.relation
    newest = f"SELECT max(TRY_CAST({identifier(column)} AS TIMESTAMPTZ)) FROM {told}"  # noqa: S608 - quoted names
    found = connection.execute(newest).fetchone()
    return found[0].astimezone(UTC) if found and isinstance(found[0], datetime) else None


def _types(connection: DuckDBPyConnection, relation: str) -> dict[str, str]:
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()  # noqa: S608
    return {row[0]: row[1] for row in described}


def _count(connection: DuckDBPyConnection, relation: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()  # noqa: S608
    return int(found[0]) if found else 0
