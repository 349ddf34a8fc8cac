"""SQLite files, opened with mode=ro: a missing file stays missing, and nothing can be attached."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from monitoring_pipeline.errors import CheckError, MonitoringError, SourceFailure
from monitoring_pipeline.reach.database import Found, Target, first_row, interrupted, refused_write

__all__ = ["connect"]

_LARGEST_VALUE = 16 * 1024 * 1024


class SqliteSession:
    """One read-only connection to a file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> sqlite3.Connection:
        """See `Session`."""
        return self._connection

    def select(self, query: str, max_rows: int) -> Found:
        """See `Session`."""
        try:
            with closing(self._connection.execute(query)) as cursor:
                if cursor.description is None:
                    raise CheckError("the query returns no rows: a check needs a statement like SELECT")
                names = tuple(column[0] for column in cursor.description)
                return Found(names, *first_row(cursor, max_rows))
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise _sorted(error) from None

    def stats(self) -> Mapping[str, float]:
        """A file has no connections to tell of."""
        return {}

    def close(self) -> None:
        """See `Session`."""
        self._connection.close()


def _sorted(error: Exception) -> MonitoringError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = str(error)
    if code == sqlite3.SQLITE_READONLY:
        return refused_write(text)
    if code == sqlite3.SQLITE_INTERRUPT:
        return interrupted(text)
    if code == sqlite3.SQLITE_TOOBIG:
        return CheckError(f"a value is larger than {_LARGEST_VALUE // 1024 // 1024} MB, more than a check may fetch")
    gone = text.startswith(("no such table", "no such column"))
    if (code == sqlite3.SQLITE_ERROR and not gone) or not isinstance(error, sqlite3.DatabaseError):
        return CheckError(f"the query is wrong: {text}")
    if not code:
        # Raised by the module itself: several statements in one text, values it cannot bind.
        return CheckError(f"the query is wrong: {text}")
    return SourceFailure(text, reached=True)


def connect(target: Target, opened: Callable[[Callable[[], None]], None]) -> SqliteSession:
    """Opens the file. Raises SourceFailure when it is missing or damaged, CheckError when we may not read it."""
    path = Path(target.path)
    if not path.exists():
        raise SourceFailure(f"the database file {path} does not exist", reached=True)
    try:
        with path.open("rb"):
            pass
    except PermissionError:
        raise CheckError(f"no permission to read the database file {path}") from None
    except OSError as error:
        raise SourceFailure(f"the database file {path} cannot be read: {error.strerror}", reached=True) from None
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro",
        uri=True,
        timeout=target.statement_timeout_s,
        isolation_level=None,
        check_same_thread=False,
    )
    opened(connection.interrupt)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    try:
        connection.execute("PRAGMA query_only = ON")
        # Opening is lazy: only reading the first page tells a database from any other file.
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise SourceFailure(f"the database file {path}: {error}", reached=True) from None
    return SqliteSession(connection)
