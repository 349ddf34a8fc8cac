"""The warehouse: one DuckDB file with history and everything computed, opened by its single writer only.

While one process holds a DuckDB file nobody else can open it, not even to read. So it is opened
for one piece of work and closed again, and readers get a published copy (`publishing`, `history`).
Tables mirror the operational ones; moments are TIMESTAMP in UTC, details and tags JSON text.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring_pipeline.clock import EPOCH, to_us
from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store.migrations import pending

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "TIME_COLUMNS",
    "aware",
    "literal",
    "migrate",
    "open_warehouse",
    "opened",
    "origin",
    "transaction",
    "watermarks",
    "writer_lock",
]

TIME_COLUMNS = {
    "results": "started",
    "samples": "time",
    "gaps": "end",
    "status_changes": "at",
    "quality_runs": "at",
    "collections": "received",
    "events": "at",
}
"""The tables of history, each with the moment that decides its age."""

_MIGRATIONS = "monitoring_pipeline.store.migrations.warehouse"


def literal(value: str | float | datetime | None) -> str:
    """`value` as a DuckDB literal; aware datetimes become TIMESTAMP in UTC.

    Bound parameters would do, but binding any makes the client import pandas where it is
    installed, 1.5 s that the CLI and the API must not pay. DuckDB's strings know no escape but
    the doubled quote.
    """
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return f"make_timestamp({to_us(value)})"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def aware(moment: datetime) -> datetime:
    """A TIMESTAMP as DuckDB hands it out, as an aware UTC datetime."""
    return moment.replace(tzinfo=EPOCH.tzinfo)


@contextlib.contextmanager
def transaction(connection: DuckDBPyConnection) -> Iterator[None]:
    """All that happens in the block is committed together, or not at all."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def migrate(connection: DuckDBPyConnection, now: datetime) -> None:
    """Brings the schema of the connection's current database up to date."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version "
        "(version INTEGER NOT NULL, name VARCHAR NOT NULL, applied TIMESTAMP NOT NULL)"
    )
    found = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()[0][0]
    for migration in pending(int(found), _MIGRATIONS):
        with transaction(connection):
            migration.apply(connection)
            row = f"{migration.version}, {literal(migration.name)}, {literal(now)}"
            connection.execute(f"INSERT INTO schema_version VALUES ({row})")  # noqa: S608 - literals of our own


@contextlib.contextmanager
def open_warehouse(
    path: Path, now: datetime, *, wait: timedelta = timedelta(seconds=60)
) -> Iterator[DuckDBPyConnection]:
    """The warehouse for writing, migrated. Waits up to `wait` for another writer to finish.

    Raises StoreError when another process keeps it open, or when it cannot be opened.
    """
    with writer_lock(path, wait=wait), opened(path, now) as connection:
        yield connection


@contextlib.contextmanager
def opened(path: Path, now: datetime) -> Iterator[DuckDBPyConnection]:
    """The same for who holds the writer's lock already."""
    connection = _connect(path)
    try:
        migrate(connection, now)
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def writer_lock(path: Path, *, wait: timedelta = timedelta(seconds=60)) -> Iterator[None]:
    """Only one holder at a time on this machine; ends with the process. Raises StoreError after `wait`."""
    # A lock of our own beside DuckDB's: its fcntl lock is gone as soon as this process closes any
    # other handle of the file, and publishing reads the file after DuckDB let go of it.
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("ab") as handle:
        deadline = time.monotonic() + wait.total_seconds()
        while not _try_lock(handle.fileno()):
            if time.monotonic() >= deadline:
                raise StoreError(f"another process has been writing the warehouse {path} for more than {wait}")
            time.sleep(0.05)
        yield


def watermarks(connection: DuckDBPyConnection, database: str | None = None) -> dict[str, int]:
    """Per table the last hot row's id that was loaded."""
    prefix = f"{database}." if database else ""
    rows = connection.execute(f"SELECT table_name, last_id FROM {prefix}watermarks").fetchall()  # noqa: S608
    return {str(name): int(last) for name, last in rows}


def origin(connection: DuckDBPyConnection, database: str | None = None) -> str | None:
    """The id of the operational store that the watermarks speak of; None before the first load."""
    prefix = f"{database}." if database else ""
    rows = connection.execute(f"SELECT store_id FROM {prefix}origin").fetchall()  # noqa: S608
    return str(rows[0][0]) if rows else None


def _connect(path: Path) -> DuckDBPyConnection:
    import duckdb

    try:
        return duckdb.connect(str(path))
    except duckdb.IOException as error:
        raise StoreError(
            f"cannot open the warehouse {path} for writing: {error}. Only its writer may open this file; "
            "notebooks and other tools read the published copy"
        ) from error
    except duckdb.Error as error:
        raise StoreError(f"cannot open the warehouse {path}: {error}") from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
