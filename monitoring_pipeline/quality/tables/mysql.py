"""Tables of a MySQL or MariaDB server, fetched in one read-only transaction.

Values travel as the texts that the server sends; DuckDB makes numbers and moments of them, many at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from monitoring_pipeline.quality.table import Desk, Opened, Table, identifier
from monitoring_pipeline.quality.tables.naming import one_of_both, relation_of
from monitoring_pipeline.quality.tables.paging import FETCHED, take
from monitoring_pipeline.reach.database import DatabaseUrl, opened

if TYPE_CHECKING:
    from pymysql import Connection
    from pymysql.cursors import Cursor

__all__ = ["MysqlTable"]

# By the protocol's number: what the server calls the type, and what DuckDB reads its texts as, the first that fits.
_TYPES: dict[int, tuple[str, tuple[str, ...]]] = {
    0: ("decimal", ("DOUBLE",)), 1: ("tinyint", ("SMALLINT",)), 2: ("smallint", ("INTEGER",)),
    3: ("int", ("BIGINT",)), 4: ("float", ("DOUBLE",)), 5: ("double", ("DOUBLE",)), 7: ("timestamp", ("TIMESTAMPTZ",)),
    8: ("bigint", ("BIGINT", "HUGEINT")), 9: ("mediumint", ("INTEGER",)), 10: ("date", ("DATE",)), 11: ("time", ()),
    12: ("datetime", ("TIMESTAMP",)), 13: ("year", ("INTEGER",)), 16: ("bit", ()), 245: ("json", ()),
    246: ("decimal", ("DOUBLE",)), 247: ("enum", ()), 248: ("set", ()), 255: ("geometry", ()),
}  # fmt: skip
_TEXT: tuple[str, tuple[str, ...]] = ("text", ())
_MOMENTS = frozenset({"date", "datetime", "timestamp"})


class MysqlTable(Table):
    """A table, a view or a query of a MySQL or MariaDB database. Of huge ones a random part is fetched.

    It is read in a READ ONLY transaction with the suite's `timeout`; give the user no more rights than it needs. A
    date of zeros is a missing one, binary values are told in hexadecimal.
    """

    examples: ClassVar[tuple[str, ...]] = (
        """
kind: mysql
url: "mysql://monitor:${ORDERS_DB_PASSWORD}@db.example.com/orders"
table: orders
""",
    )

    kind: Literal["mysql"]
    url: DatabaseUrl = Field(description="mysql://user:password@host:port/database; mariadb:// means the same.")
    table: str | None = Field(None, description="Name of a table or view, with its database where it is another.")
    query: str | None = Field(None, description="A SELECT instead of a table.")

    @field_validator("url")
    @classmethod
    def _url_is_of_mysql(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("mysql", "mariadb")):
            raise ValueError("the URL begins with mysql:// or mariadb://")
        return url

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        one_of_both(self.table, self.query)
        return self

    def open(self, desk: Desk) -> Opened:
        """Fetches the rows. Raises SourceFailure when the server is bad, CheckError for a wrong query, MissingExtra."""
        relation = relation_of(self.table, self.query, _named)
        with opened(self.url, desk) as session:
            from pymysql.cursors import SSCursor

            connection: Connection[Cursor] = session.connection
            connection.decoders = {}
            types = _described(connection, relation)
            rows = int(_one(connection, f"SELECT count(*) FROM {relation}") or 0)  # noqa: S608 - the suite's own query
            names = desk.pick(list(types))
            part = f" WHERE rand() < {desk.max_rows / rows}" if rows > desk.max_rows else ""
            newest = _newest(connection, relation, desk.newest_of) if part and desk.newest_of in types else None
            # The unbuffered cursor: rows are columns already when the next ones come.
            with connection.cursor(SSCursor) as cursor:
                cursor.execute(f"SELECT {', '.join(map(_named, names))} FROM {relation}{part}")  # noqa: S608
                take(desk.connection, cursor, names, _texts, _joined)
        typed = ", ".join(_typed(desk, name, types[name]) for name in names)
        return Opened(
            f"(SELECT {typed} FROM {FETCHED})",  # noqa: S608 - quoted names
            rows, {name: told for name, (told, _) in types.items()}, newest,
        )  # fmt: skip


def _named(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _described(connection: Connection[Cursor], relation: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {relation} LIMIT 0")  # noqa: S608 - the suite's own query
        described: Sequence[Sequence[Any]] = cursor.description or ()
        return {str(column[0]): _TYPES.get(column[1], _TEXT) for column in described}


def _one(connection: Connection[Cursor], query: str) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return None if row is None or row[0] is None else str(row[0])


def _newest(connection: Connection[Cursor], relation: str, column: str | None) -> str | None:
    return _one(connection, f"SELECT CAST(max({_named(column or '')}) AS CHAR) FROM {relation}")  # noqa: S608


def _texts(values: Sequence[Any]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, UnicodeDecodeError):
        return pa.array([value.hex() if isinstance(value, bytes) else value for value in values], pa.string())


def _joined(arrays: Sequence[Any]) -> Any:
    import pyarrow as pa

    return pa.chunked_array(arrays, pa.string())


def _typed(desk: Desk, name: str, type_: tuple[str, tuple[str, ...]]) -> str:
    """The column as its type, if all values are of it; a date of zeros is none."""
    column, (told, wanted) = identifier(name), type_
    if told in _MOMENTS:
        return f"TRY_CAST({column} AS {wanted[0]}) AS {column}"
    for each in wanted:
        query = f"SELECT count({column}), count(TRY_CAST({column} AS {each})) FROM {FETCHED}"  # noqa: S608
        values, fitting = desk.connection.execute(query).fetchone() or (1, 0)
        if values == fitting:
            return f"CAST({column} AS {each}) AS {column}"
    return column
