"""Tables of a PostgreSQL server, fetched by COPY in one read-only transaction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from monitoring_pipeline.quality.table import Desk, Opened, Table, identifier, quoted
from monitoring_pipeline.quality.tables.naming import one_of_both, relation_of
from monitoring_pipeline.reach.database import DatabaseUrl, opened

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["PostgresTable"]

# What DuckDB reads the texts of these types as; all others stay texts.
_TYPES = {
    "int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "oid": "BIGINT", "float4": "DOUBLE", "float8": "DOUBLE",
    "numeric": "DOUBLE", "bool": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ",
}  # fmt: skip


class PostgresTable(Table):
    """A table, a view or a query of a PostgreSQL database. Of huge ones a random part is fetched.

    It is read in a READ ONLY transaction with the suite's `timeout`; give the role no more rights than it needs.
    """

    examples: ClassVar[tuple[str, ...]] = (
        """
kind: postgresql
url: "postgresql://monitor:${ORDERS_DB_PASSWORD}@db.example.com/orders"
query: select * from orders where placed > now() - interval '1 day'
""",
    )

    kind: Literal["postgresql"]
    url: DatabaseUrl = Field(description="postgresql://user:password@host:port/database")
    table: str | None = Field(None, description="Name of a table or view, with its schema where it has one.")
    query: str | None = Field(None, description="A SELECT instead of a table.")

    @field_validator("url")
    @classmethod
    def _url_is_of_postgresql(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith("postgres"):
            raise ValueError("the URL begins with postgresql://")
        return url

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        one_of_both(self.table, self.query)
        return self

    def open(self, desk: Desk) -> Opened:
        """Fetches the rows. Raises SourceFailure when the server is bad, CheckError for a wrong query."""
        relation = relation_of(self.table, self.query)
        path = desk.folder / "rows.csv"
        with opened(self.url, desk) as session:
            connection: Connection = session.connection
            schema = _schema(connection, relation)
            rows = _count(connection, relation)
            names = desk.pick(list(schema))
            part = f" WHERE random() < {desk.max_rows / rows}" if rows > desk.max_rows else ""
            newest = _newest(connection, relation, desk.newest_of) if part and desk.newest_of in schema else None
            _copy(connection, f"SELECT {', '.join(map(identifier, names))} FROM {relation}{part}", path)  # noqa: S608
        types = {name: _TYPES.get(schema[name], "VARCHAR") for name in names}
        return Opened(_fetched(desk, path, types), rows, schema, newest)


def _schema(connection: Connection, relation: str) -> dict[str, str]:
    cursor = connection.execute(f"SELECT * FROM {relation} LIMIT 0".encode())  # noqa: S608 - the suite's own query
    types = connection.adapters.types
    found = {}
    for column in cursor.description or ():
        known = types.get(column.type_code)
        found[column.name] = known.name if known is not None else str(column.type_code)
    return found


def _count(connection: Connection, relation: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {relation}".encode()).fetchone()  # noqa: S608
    return int(row[0]) if row else 0


def _newest(connection: Connection, relation: str, column: str | None) -> str | None:
    query = f"SELECT max({identifier(column or '')})::text FROM {relation}"  # noqa: S608 - the suite's own query
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def _copy(connection: Connection, query: str, path: Path) -> None:
    connection.execute("SET LOCAL TimeZone = 'UTC'")
    connection.execute("SET LOCAL DateStyle = 'ISO'")
    statement = f"COPY ({query}) TO STDOUT (FORMAT csv)".encode()
    with path.open("wb") as file, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            file.write(block)


def _fetched(desk: Desk, path: Path, types: Mapping[str, str]) -> str:
    columns = ", ".join(f"{quoted(name)}: {quoted(type_)}" for name, type_ in types.items())
    # An empty text is quoted, a missing value is not.
    desk.connection.execute(
        f"CREATE TEMP TABLE fetched AS SELECT * FROM read_csv({quoted(str(path))}, auto_detect = false, "  # noqa: S608
        "header = false, delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, "
        f"new_line = '\\n', columns = {{{columns}}})"
    )
    return "fetched"
