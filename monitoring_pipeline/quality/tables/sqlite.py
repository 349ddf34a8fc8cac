"""Tables in a SQLite file, fetched through Python's own driver.

SQLite keeps a type per value and not per column. What a column holds decides what it becomes here: whole numbers,
numbers, or texts where both mix; declared dates and times become such where all of them can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from monitoring_pipeline.quality.table import Desk, Opened, Table, identifier
from monitoring_pipeline.quality.tables.naming import one_of_both, relation_of
from monitoring_pipeline.quality.tables.paging import FETCHED, take
from monitoring_pipeline.reach.database import opened

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["SqliteTable"]

_DECLARED = {"DATE": "DATE", "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP", "BOOLEAN": "BOOLEAN", "BOOL": "BOOLEAN"}


class SqliteTable(Table):
    """A table, a view or a query of a SQLite file, opened read-only. Of huge ones a random part is fetched."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: sqlite, path: /data/shop.db, table: orders}",)

    kind: Literal["sqlite"]
    path: Path = Field(description="The file.")
    table: str | None = Field(None, description="Name of a table or view.")
    query: str | None = Field(None, description="A SELECT instead of a table.")

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        one_of_both(self.table, self.query)
        return self

    def open(self, desk: Desk) -> Opened:
        """Fetches the rows. Raises SourceFailure when the file is missing or damaged, CheckError for a wrong query."""
        relation = relation_of(self.table, self.query)
        with opened(SecretStr(f"sqlite:///{self.path.absolute()}"), desk) as session:
            connection: Connection = session.connection
            declared = self._declared(connection, relation)
            (rows,) = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()  # noqa: S608 - quoted names
            share = desk.max_rows / rows if rows > desk.max_rows else 1.0
            part = f" WHERE abs(random() / 9223372036854775808.0) < {share}" if share < 1 else ""
            names = desk.pick(list(declared))
            newest = _newest(connection, relation, desk.newest_of) if part and desk.newest_of in declared else None
            selected = ", ".join(map(identifier, names))
            cursor = connection.execute(f"SELECT {selected} FROM {relation}{part}")  # noqa: S608 - quoted names
            take(desk.connection, cursor, names, _array, _joined)
        schema = {name: declared[name] or "ANY" for name in declared}
        return Opened(_typed(desk, names, declared), rows, schema, newest)

    def _declared(self, connection: Connection, relation: str) -> dict[str, str]:
        """Every column with the type it was declared with; a query's have none."""
        names = [str(column[0]) for column in connection.execute(f"SELECT * FROM {relation} LIMIT 0").description]  # noqa: S608
        types: Mapping[str, str] = {}
        if self.table is not None:
            found = connection.execute("SELECT name, type FROM pragma_table_info(?)", (self.table,)).fetchall()
            types = {name: type_.upper() for name, type_ in found}
        return {name: types.get(name, "") for name in names}


def _newest(connection: Connection, relation: str, column: str | None) -> str | None:
    query = f"SELECT CAST(max({identifier(column or '')}) AS TEXT) FROM {relation}"  # noqa: S608 - quoted names
    (newest,) = connection.execute(query).fetchone()
    return None if newest is None else str(newest)


def _array(values: Sequence[Any]) -> Any:
    """One page of one column: whole numbers, numbers, or texts where other types mix."""
    import pyarrow as pa

    try:
        found = pa.array(values)
        if not pa.types.is_binary(found.type):
            return found
    except pa.ArrowException:
        pass
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.hex() if isinstance(value, bytes) else str(value)


def _joined(arrays: Sequence[Any]) -> Any:
    """The pages of a column in the one type that can hold them all."""
    import pyarrow as pa

    types = {array.type for array in arrays} - {pa.null()}
    if not types <= {pa.int64(), pa.float64()}:
        kind = pa.string()
    else:
        kind = pa.float64() if pa.float64() in types else pa.int64() if types else pa.string()
    return pa.chunked_array([array.cast(kind) for array in arrays], kind)


def _typed(desk: Desk, names: Sequence[str], declared: Mapping[str, str]) -> str:
    """The relation with dates, times and truth values as such, where every value of the column is one."""
    return f"(SELECT {', '.join(_as_declared(desk, name, declared[name]) for name in names)} FROM {FETCHED})"  # noqa: S608


def _as_declared(desk: Desk, name: str, declared: str) -> str:
    column, wanted = identifier(name), _DECLARED.get(declared.partition("(")[0])
    if wanted is None:
        return column
    query = f"SELECT count({column}), count(TRY_CAST({column} AS {wanted})) FROM {FETCHED}"  # noqa: S608 - quoted names
    values, fitting = desk.connection.execute(query).fetchone() or (1, 0)
    return f"CAST({column} AS {wanted}) AS {column}" if values == fitting else column
