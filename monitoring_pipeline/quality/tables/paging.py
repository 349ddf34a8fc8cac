"""Rows of a driver's cursor into DuckDB, page by page through Arrow, without a Python object per value for long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from monitoring_pipeline.quality.table import identifier

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["FETCHED", "Cursor", "take"]

FETCHED = "fetched"
"""The table that `take` makes."""
# Of more rows at once the values would have left the caches before they become columns: half as fast.
_PAGE_ROWS = 2_048


class Cursor(Protocol):
    """What is used of a driver's cursor after its query was executed."""

    def fetchmany(self, size: int) -> Sequence[Sequence[Any]]:
        """The next rows; none at the end."""


def take(
    into: DuckDBPyConnection, cursor: Cursor, names: Sequence[str], array: Callable[[Sequence[Any]], Any],
    joined: Callable[[Sequence[Any]], Any],
) -> None:  # fmt: skip
    """Moves all rows into the table `FETCHED`.

    `array` makes an Arrow array of one page of a column, `joined` a chunked array of all pages of one.
    """
    import pyarrow as pa

    columns: list[list[Any]] = [[] for _ in names]
    while page := cursor.fetchmany(_PAGE_ROWS):
        for column, values in zip(columns, zip(*page, strict=True), strict=True):
            column.append(array(values))
    # By number: names of columns may differ in case alone.
    whole = pa.table({str(number): joined(arrays) for number, arrays in enumerate(columns)})
    selected = ", ".join(f'"{number}" AS {identifier(name)}' for number, name in enumerate(names))
    # The bare capsule: DuckDB hands any other Arrow object to pyarrow.dataset, which imports pandas.
    into.register("pages", whole.to_reader().__arrow_c_stream__())
    into.execute(f"CREATE TEMP TABLE {FETCHED} AS SELECT {selected} FROM pages")  # noqa: S608 - quoted names
    into.unregister("pages")
