"""PostgreSQL through psycopg 3: one READ ONLY transaction with a statement time-out."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from typing import Any, cast

import psycopg

from monitoring_pipeline.errors import CheckError, MonitoringError, SourceFailure
from monitoring_pipeline.reach.database import Found, Target, first_row, interrupted, refused_write

__all__ = ["connect"]

# What the check got wrong: syntax, types, features, values. A table or column that is gone, and a
# refused permission, are the source's doing although their codes share the class 42.
_CHECK_CLASSES = ("0A", "22", "42")
_SOURCE_CODES = {"42P01", "42703", "42501", "3F000"}
_READ_ONLY = "25006"
_CANCELLED = "57014"
_STATS = (
    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
    " current_setting('max_connections')::int"
)


class PostgresSession:
    """One connection within one read-only transaction."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._line = socket.socket(fileno=os.dup(connection.fileno()))

    def interrupt(self) -> None:
        """Shuts the socket: the waiting thread wakes at once, and the server's own time-out ends the query."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def begin(self, timeout_s: float) -> None:
        """Opens the transaction that everything happens in."""
        self._connection.execute(f"BEGIN READ ONLY; SET LOCAL statement_timeout = {max(1, int(timeout_s * 1000))}")

    @property
    def connection(self) -> psycopg.Connection:
        """See `Session`."""
        return self._connection

    def select(self, query: str, max_rows: int) -> Found:
        """See `Session`. Rows arrive one by one: a huge result never lies in our memory."""
        cursor = self._connection.cursor()
        try:
            with closing(cast(Generator[tuple[Any, ...]], cursor.stream(query.encode()))) as rows:
                first, count = first_row(rows, max_rows)
                columns = tuple(column.name for column in cursor.description or ())
        except psycopg.Error as error:
            raise _sorted(error) from None
        return Found(columns, first, count)

    def stats(self) -> Mapping[str, float]:
        """See `Session`: client sessions, whatever they do."""
        # A refusal must not abort the transaction that the check's own statement needs.
        self._connection.execute("SAVEPOINT stats")
        try:
            row = self._connection.execute(_STATS).fetchone()
        except psycopg.Error:
            self._connection.execute("ROLLBACK TO stats")
            raise
        return {"active_connections": row[0], "max_connections": row[1]} if row else {}

    def close(self) -> None:
        """See `Session`."""
        self._connection.close()
        self._line.close()


def _sorted(error: psycopg.Error) -> MonitoringError:
    code = error.sqlstate or ""
    text = error.diag.message_primary or str(error)
    if code == _READ_ONLY:
        return refused_write(text)
    if code == _CANCELLED:
        return interrupted(text)
    if code in _SOURCE_CODES:
        return SourceFailure(text, reached=True)
    if code[:2] in _CHECK_CLASSES:
        return CheckError(f"the query is wrong: {text}")
    if not code and "result" in text:
        return CheckError("the query returns no rows: a check needs a statement like SELECT")
    if not code and "COPY" in text:
        return CheckError("a check needs a statement like SELECT, not COPY")
    return SourceFailure(text if code else f"the connection was lost: {text}", reached=bool(code))


def connect(target: Target, opened: Callable[[Callable[[], None]], None]) -> PostgresSession:
    """Connects and begins the read-only transaction. Raises SourceFailure when the server refuses."""
    # libpq takes several addresses for one name only as equally long lists.
    settings: dict[str, Any] = {"host": ",".join([target.host] * max(1, len(target.addresses)))}
    if target.addresses:
        settings["hostaddr"] = ",".join(target.addresses)
    settings |= {"port": target.port, "user": target.user, "dbname": target.path or None}
    settings |= {"password": target.password or None, "connect_timeout": max(2, int(target.timeout_s) + 1)}
    known = {name: value for name, value in settings.items() if value not in (None, "")}
    try:
        session = PostgresSession(psycopg.connect(autocommit=True, **{**known, **target.options}))
    except psycopg.OperationalError as error:
        # A server that refuses us in its own words is there.
        raise SourceFailure(_plain(error), reached="FATAL:" in str(error)) from None
    except psycopg.Error as error:
        raise CheckError(f"the database URL cannot be used: {_plain(error)}") from None
    opened(session.interrupt)
    try:
        session.begin(target.statement_timeout_s)
    except psycopg.Error as error:
        session.close()
        raise _sorted(error) from None
    return session


def _plain(error: Exception) -> str:
    return " ".join(str(error).split()).removeprefix("connection failed: ")
