"""The warehouse's file: one writer, migrations, and what a broken one says."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store.hot import HOT
from monitoring_pipeline.store.migrations import find_migrations, pending
from monitoring_pipeline.store.warehouse import aware, literal, migrate, open_warehouse, transaction
from tests.store.rows import T0

HOLDER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_the_schema_is_created_once_and_remembers_when(tmp_path: Path):
    path = tmp_path / "folder" / "warehouse.duckdb"
    for _ in range(2):
        with open_warehouse(path, T0) as connection:
            versions = connection.execute("SELECT version, name, applied FROM schema_version").fetchall()
    known = find_migrations("monitoring_pipeline.store.migrations.warehouse")
    assert versions == [(each.version, each.name, T0.replace(tzinfo=None)) for each in known]


def test_a_warehouse_of_a_newer_version_is_refused(tmp_path: Path):
    path = tmp_path / "warehouse.duckdb"
    with open_warehouse(path, T0) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, 'future', now())")
    with pytest.raises(StoreError, match=r"schema version 99.*install the newer"), open_warehouse(path, T0):
        pass


def test_every_earlier_version_migrates_to_the_newest():
    package = "monitoring_pipeline.store.migrations.warehouse"
    migrations = find_migrations(package)
    for version in range(len(migrations) + 1):
        with duckdb.connect(":memory:") as connection:
            connection.execute("CREATE TABLE schema_version (version INTEGER, name VARCHAR, applied TIMESTAMP)")
            for migration in migrations[:version]:
                migration.apply(connection)
                connection.execute(f"INSERT INTO schema_version VALUES ({migration.version}, 'x', now())")
            migrate(connection, T0)
            newest = connection.execute("SELECT max(version) FROM schema_version").fetchall()
            assert newest == [(len(migrations),)]
            assert connection.execute("SELECT count(*) FROM samples").fetchall() == [(0,)]


def test_the_warehouse_mirrors_the_columns_of_the_hot_tables(tmp_path: Path):
    with open_warehouse(tmp_path / "warehouse.duckdb", T0) as connection:
        for name, table in HOT.items():
            columns = connection.execute(f"SELECT column_name FROM (DESCRIBE {name})").fetchall()
            assert [column for (column,) in columns] == [column.name for column in table.columns], name


def test_pending_counts_from_the_version_found():
    package = "monitoring_pipeline.store.migrations.warehouse"
    assert [migration.version for migration in pending(0, package)][:1] == [1]
    assert pending(len(find_migrations(package)), package) == []


def test_two_writers_in_one_process_take_turns(tmp_path: Path):
    path = tmp_path / "warehouse.duckdb"
    with (
        open_warehouse(path, T0),
        pytest.raises(StoreError, match="another process has been writing"),
        open_warehouse(path, T0, wait=timedelta(milliseconds=100)),
    ):
        pass
    with open_warehouse(path, T0, wait=timedelta(milliseconds=100)):
        pass


def test_somebody_else_who_opened_the_working_file_is_named(tmp_path: Path):
    path = tmp_path / "warehouse.duckdb"
    with open_warehouse(path, T0):
        pass
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    try:
        with pytest.raises(StoreError, match=f"(?s){holder.pid}.*published copy"), open_warehouse(path, T0):
            pass
    finally:
        holder.communicate("")
    with open_warehouse(path, T0):
        pass


def test_a_file_that_is_no_database_is_reported(tmp_path: Path):
    path = tmp_path / "warehouse.duckdb"
    path.write_text("no database at all, but long enough to have a header of its own" * 100)
    with pytest.raises(StoreError, match="cannot open the warehouse"), open_warehouse(path, T0):
        pass


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path):
    with open_warehouse(tmp_path / "warehouse.duckdb", T0) as connection:
        with pytest.raises(duckdb.Error), transaction(connection):
            connection.execute("UPDATE watermarks SET last_id = 5")
            connection.execute("SELECT * FROM nothing")
        assert connection.execute("SELECT max(last_id) FROM watermarks").fetchall() == [(0,)]


@pytest.mark.parametrize("text", ["plain", "it's", "''", "a\\'; DROP TABLE x; --", "ünï\n\t", '"', "$1 ? {x}"])
def test_a_literal_is_the_value_it_stands_for(text: str):
    assert duckdb.connect().execute(f"SELECT {literal(text)}").fetchall() == [(text,)]


def test_a_literal_moment_comes_back_exactly():
    moment = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    ((back,),) = duckdb.connect().execute(f"SELECT {literal(moment)}").fetchall()
    assert aware(back) == moment
    assert duckdb.connect().execute(f"SELECT {literal(None)}, {literal(1.5)}").fetchall() == [(None, 1.5)]
