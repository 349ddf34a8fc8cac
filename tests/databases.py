"""Operational stores whose schema is made once: migrating is a quarter of a second, emptying is not."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["KeptDatabase", "KeptFile"]

# Who only idles holds nothing that one would have to wait for.
_THROW_OUT = """
SELECT pg_terminate_backend(pid, CASE WHEN state = 'idle' THEN 0 ELSE 5000 END) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_EPOCH = datetime.fromisoformat("2026-01-01T00:00+00:00")
_SCHEMA = """
SELECT c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace ORDER BY c.relname, a.attnum
"""


class KeptFile:
    """A migrated SQLite database to copy."""

    def __init__(self, path: Path) -> None:
        self._path = path
        OperationalStore.open(f"sqlite:///{path}", _EPOCH).close()

    def copy(self, path: Path) -> str:
        """The URL of an empty store at a path."""
        shutil.copyfile(self._path, path)
        return f"sqlite:///{path}"


class KeptDatabase:
    """A migrated PostgreSQL database that is emptied after each test, and made anew where a test changed its schema."""

    def __init__(self, server: str, name: str) -> None:
        self._server, self._name = server, name
        url = make_url(server).set(drivername="postgresql+psycopg", database=name)
        self.url = url.render_as_string(hide_password=False)
        self._plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._schema: list[tuple[object, ...]] = []

    def make(self) -> None:
        """Creates and migrates it."""
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {self._name}")
        OperationalStore.open(self.url, _EPOCH).close()
        with psycopg.connect(self._plain) as connection:
            self._schema = _schema(connection)

    def empty(self) -> None:
        """As it was made: whoever is still connected is thrown out, rows are gone, ids begin at one."""
        with psycopg.connect(self._plain, autocommit=True) as connection:
            connection.execute(_THROW_OUT)
            same = _schema(connection) == self._schema
            if same:
                _empty(connection)
        if not same:
            self.make()


def _schema(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(_SCHEMA).fetchall() + connection.execute("SELECT version FROM schema_version").fetchall()


def _empty(connection: psycopg.Connection) -> None:
    tables = [
        row[0]
        for row in connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_version'"
        )
    ]
    found = sql.SQL(", ").join(sql.SQL("EXISTS (SELECT FROM {})").format(sql.Identifier(name)) for name in tables)
    row = connection.execute(sql.SQL("SELECT {}").format(found)).fetchall()[0]
    full = [sql.Identifier(name) for name, filled in zip(tables, row, strict=True) if filled]
    if full:
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(full)))
    connection.execute(
        "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) "
        "FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
    )
