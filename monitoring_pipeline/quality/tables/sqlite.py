"""Tables in a SQLite file, fetched through Python's own driver.

SQLite keeps a type per value and not per column. What a column holds decides what it becomes here: whole numbers,
numbers, or texts where both mix; declared dates and times become such where all of them can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from monitoring_pipeline.quality.table import Desk, Opened, Table, identifier, quoted
from monitoring_pipeline.quality.tables.naming import one_of_both, relation_of
from monitoring_pipeline.reach.database import opened

if TYPE_CHECKING:
    from sqlite3 import Connection, Cursor

__all__ = ["SqliteTable"]

_PAGE_ROWS = 50_000
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
            rows, columns = _columns(connection, relation, desk.pick(list(declared)))
            part = (
                f" WHERE abs(random() / 9223372036854775808.0) < {desk.max_rows / rows}" if rows > desk.max_rows else ""
            )
            selected = ", ".join(column.selected for column in columns)
            cursor = connection.execute(f"SELECT {selected} FROM {relation}{part}")  # noqa: S608 - quoted names
            _take(desk, cursor, columns)
        schema = {name: declared[name] or "ANY" for name in declared}
        return Opened(_typed(desk, columns, declared), rows, schema)

    def _declared(self, connection: Connection, relation: str) -> dict[str, str]:
        """Every column with the type it was declared with; a query's have none."""
        names = [str(column[0]) for column in connection.execute(f"SELECT * FROM {relation} LIMIT 0").description]  # noqa: S608
        types: Mapping[str, str] = {}
        if self.table is not None:
            found = connection.execute("SELECT name, type FROM pragma_table_info(?)", (self.table,)).fetchall()
            types = {name: type_.upper() for name, type_ in found}
        return {name: types.get(name, "") for name in names}


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    holds: str

    @property
    def selected(self) -> str:
        name = identifier(self.name)
        as_one = {"BIGINT": name, "DOUBLE": f"CAST({name} AS REAL)", "BLOB": f"hex({name})"}
        return as_one.get(self.holds, f"CAST({name} AS TEXT)")


def _columns(connection: Connection, relation: str, names: Sequence[str]) -> tuple[int, list[_Column]]:
    """How many rows there are, and what each column holds."""
    kinds = ("integer", "real", "text", "blob")
    sums = [f"total(typeof({identifier(name)}) = {quoted(kind)})" for name in names for kind in kinds]
    row = connection.execute(f"SELECT count(*), {', '.join(sums)} FROM {relation}").fetchone()  # noqa: S608
    found = []
    for number, name in enumerate(names):
        present = {kind for kind, count in zip(kinds, row[1 + 4 * number : 5 + 4 * number], strict=True) if count}
        found.append(_Column(name, _holding(present)))
    return row[0], found


def _holding(present: set[str]) -> str:
    if present == {"integer"}:
        return "BIGINT"
    if present and present <= {"integer", "real"}:
        return "DOUBLE"
    return "BLOB" if present == {"blob"} else "VARCHAR"


def _take(desk: Desk, cursor: Cursor, columns: Sequence[_Column]) -> None:
    """Moves the rows into the table `fetched`, page by page."""
    import pyarrow as pa

    arrow = {"BIGINT": pa.int64(), "DOUBLE": pa.float64()}
    # By number: names of columns may differ in case alone.
    fields = [pa.field(str(number), arrow.get(column.holds, pa.string())) for number, column in enumerate(columns)]
    names = ", ".join(f'"{number}" AS {identifier(column.name)}' for number, column in enumerate(columns))
    page, statement = cursor.fetchmany(_PAGE_ROWS), "CREATE TEMP TABLE fetched AS"
    while page or statement.startswith("CREATE"):
        values = zip(*page, strict=True) if page else ([] for _ in fields)
        arrays = [pa.array(column, field.type) for column, field in zip(values, fields, strict=True)]
        desk.connection.register("page", pa.Table.from_arrays(arrays, schema=pa.schema(fields)))
        desk.connection.execute(f"{statement} SELECT {names} FROM page")  # noqa: S608 - quoted names
        desk.connection.unregister("page")
        page, statement = cursor.fetchmany(_PAGE_ROWS), "INSERT INTO fetched"


def _typed(desk: Desk, columns: Sequence[_Column], declared: Mapping[str, str]) -> str:
    """The relation with dates, times and truth values as such, where every value of the column is one."""
    parts = []
    for column in columns:
        name, wanted = identifier(column.name), _DECLARED.get(declared[column.name].partition("(")[0])
        if wanted is not None:
            found = desk.connection.execute(
                f"SELECT count({name}), count(TRY_CAST({name} AS {wanted})) FROM fetched"  # noqa: S608
            ).fetchone()
            parts.append(f"CAST({name} AS {wanted}) AS {name}" if found and found[0] == found[1] else name)
        else:
            parts.append(name)
    return f"(SELECT {', '.join(parts)} FROM fetched)"  # noqa: S608
