"""Opens the operational store: SQLite in WAL mode by default, PostgreSQL by URL.

`read()` gives a snapshot, `write()` one transaction that commits as a whole or not at all. Writers
are serialised on both databases, so ids of append-only tables grow in commit order.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store.migrations import Migration, find_migrations

__all__ = ["OperationalStore"]

_WRITER_LOCK = 0x6275737461  # PostgreSQL advisory lock: one writer at a time, as in SQLite
_MIGRATIONS = "monitoring_pipeline.store.migrations.operational"
_BUSY_MS = 30_000


class OperationalStore:
    """The database of everything that changes or must be exactly once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self.url = engine.url.render_as_string(hide_password=False)
        database = engine.url.database
        self.sqlite_path = Path(database) if self.dialect == "sqlite" and database else None

    @classmethod
    def open(cls, url: str, now: datetime) -> OperationalStore:
        """Opens the store at `url` and brings its schema up to date.

        Raises StoreError when it cannot be reached, or was written by a newer version.
        """
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise StoreError(f"the operational store is sqlite:/// or postgresql://, not {parsed.drivername}://")
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        store = cls(_engine(parsed))
        try:
            store.migrate(now)
        except DBAPIError as error:
            store.close()
            raise StoreError(
                f"cannot open the operational store {parsed.render_as_string(hide_password=True)}: {error.orig}"
            ) from error
        return store

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only view that blocks nobody."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: everything in it is durable when the block ends, or none of it is."""
        with self.engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                if self.dialect == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITER_LOCK})
                yield connection

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()

    def version(self) -> int:
        """The version of the schema found, 0 for an empty database."""
        with self.read() as connection:
            return _version(connection)

    def migrate(self, now: datetime) -> None:
        """Applies the migrations this database lacks, each in one transaction."""
        migrations = find_migrations(_MIGRATIONS)
        newest = max(migration.version for migration in migrations)
        found = self.version()
        if found > newest:
            raise StoreError(
                f"the operational store has schema version {found}, this program knows up to {newest}; "
                "install the newer monitoring-pipeline"
            )
        for migration in migrations:
            if migration.version > found:
                self._apply(migration, now)

    def _apply(self, migration: Migration, now: datetime) -> None:
        with self.write() as connection:
            # Looked at again under the writer lock: another process may have been faster.
            if _version(connection) >= migration.version:
                return
            if migration.version == 1:
                connection.execute(
                    text(
                        "CREATE TABLE schema_version "
                        "(version INTEGER PRIMARY KEY, name VARCHAR(200) NOT NULL, applied BIGINT NOT NULL)"
                    )
                )
            migration.apply(connection)
            connection.execute(
                text("INSERT INTO schema_version (version, name, applied) VALUES (:version, :name, :applied)"),
                {"version": migration.version, "name": migration.name, "applied": to_us(now)},
            )


def _version(connection: Connection) -> int:
    if not connection.dialect.has_table(connection, "schema_version"):
        return 0
    return int(connection.execute(text("SELECT COALESCE(MAX(version), 0) FROM schema_version")).scalar_one())


def _engine(url: Any) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_size=4, max_overflow=4, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    engine = create_engine(url, connect_args={"timeout": _BUSY_MS / 1000, "check_same_thread": False})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    if url.database:
        file = _File(Path(url.database).absolute())
        event.listen(engine, "connect", file.remember)
        event.listen(engine, "do_connect", file.check)
        event.listen(engine, "checkout", file.check)
    return engine


class _File:
    """The file of a SQLite store, by its device and inode since the first connection to it.

    A connection to a deleted file goes on working and keeps nothing, and the next one would make an
    empty store in its place: both are refused, as errors of the database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[int, int] | None = None

    def remember(self, *_: Any) -> None:
        if self._known is None:
            self._known = self._found()

    def check(self, *_: Any) -> None:
        if self._known is None:
            return
        found = self._found()
        if found is None:
            raise sqlite3.OperationalError(f"the file {self._path} is gone")
        if found != self._known:
            raise sqlite3.OperationalError(f"the file {self._path} was replaced by another: restart what uses it")

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


def _on_connect(connection: Any, record: Any) -> None:
    # Transactions are ours: the driver's own would begin a write as a read and fail to upgrade.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
