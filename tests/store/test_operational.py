"""Opening the operational store: its schema, its migrations, its transactions, its errors."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import OperationalError

from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store import states
from monitoring_pipeline.store.migrations import find_migrations
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import meta, metadata

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIGRATIONS = find_migrations("monitoring_pipeline.store.migrations.operational")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'operational.db'}"
    return request.getfixturevalue("postgres_url")


def described(store: OperationalStore) -> dict[str, object]:
    """Tables with their columns, indexes and unique constraints, as the database itself tells them."""
    found = inspect(store.engine)
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)],
            sorted((str(i["name"]), i["column_names"], i["unique"]) for i in found.get_indexes(table)),
            sorted((str(u["name"]), u["column_names"]) for u in found.get_unique_constraints(table)),
            found.get_pk_constraint(table)["constrained_columns"],
        )
        for table in found.get_table_names()
        if table != "schema_version"
    }


def test_migrations_lead_to_the_tables_of_today(store_url: str) -> None:
    migrated = OperationalStore.open(store_url, NOW)
    by_migrations = described(migrated)
    with migrated.write() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    assert described(migrated) == by_migrations
    assert set(by_migrations) == set(metadata.tables)
    migrated.close()


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_a_store_of_every_earlier_version_opens(store_url: str, version: int) -> None:
    """A store as version N left it, with a row in it where there was a table for it."""
    store = OperationalStore(OperationalStore.open(store_url, NOW).engine)
    with store.write() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE schema_version"))
    for migration in MIGRATIONS[:version]:
        store._apply(migration, NOW)
    if version:
        with store.write() as connection:
            states.set_meta(connection, "left", "here")
    store.close()
    opened = OperationalStore.open(store_url, NOW)
    assert opened.version() == len(MIGRATIONS)
    with opened.read() as connection:
        assert states.get_meta(connection, "left") == ("here" if version else None)
    opened.close()


def test_opening_twice_changes_nothing(store_url: str) -> None:
    first = OperationalStore.open(store_url, NOW)
    second = OperationalStore.open(store_url, NOW)
    assert described(first) == described(second)
    first.close()
    second.close()


def test_many_processes_may_open_an_empty_store_at_once(store_url: str) -> None:
    program = (
        "import sys; from monitoring_pipeline.clock import system_clock; "
        "from monitoring_pipeline.store.operational import OperationalStore; "
        "print(OperationalStore.open(sys.argv[1], system_clock()).version())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, store_url], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in started] == [str(len(MIGRATIONS))] * 4


def test_a_store_of_a_newer_program_is_refused(store_url: str) -> None:
    store = OperationalStore.open(store_url, NOW)
    with store.write() as connection:
        connection.execute(text("INSERT INTO schema_version (version, name, applied) VALUES (99, 'x', 0)"))
    with pytest.raises(StoreError, match=r"has schema version 99, this program knows up to \d+; install"):
        OperationalStore.open(store_url, NOW)
    store.close()


def test_a_transaction_is_whole_or_nothing(store_url: str) -> None:
    store = OperationalStore.open(store_url, NOW)
    with pytest.raises(RuntimeError), store.write() as connection:
        states.set_meta(connection, "a", "1")
        raise RuntimeError("in the middle")
    with store.read() as connection:
        assert connection.execute(select(meta)).all() == []
    store.close()


def test_writers_wait_for_each_other(store_url: str) -> None:
    store = OperationalStore.open(store_url, NOW)

    def add(times: int) -> None:
        for _ in range(times):
            with store.write() as connection:
                count = int(states.get_meta(connection, "count") or 0)
                states.set_meta(connection, "count", str(count + 1))

    threads = [threading.Thread(target=add, args=(25,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert states.get_meta(connection, "count") == "100"
    store.close()


def test_what_cannot_be_opened_says_so_without_the_password() -> None:
    with pytest.raises(StoreError, match="is sqlite:/// or postgresql://, not mysql"):
        OperationalStore.open("mysql://root@127.0.0.1/x", NOW)
    with pytest.raises(StoreError) as caught:
        OperationalStore.open("postgresql://busta:hush-hush@127.0.0.1:1/busta", NOW)
    assert "cannot open the operational store postgresql+psycopg://busta:***@127.0.0.1:1/busta" in str(caught.value)
    assert "hush-hush" not in str(caught.value)


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "operational.db"
    path.write_text("this is a shopping list, and rather long for one that is meant for a single evening\n" * 50)
    with pytest.raises(StoreError, match="file is not a database"):
        OperationalStore.open(f"sqlite:///{path}", NOW)


def test_sqlite_survives_a_power_cut(tmp_path: Path) -> None:
    store = OperationalStore.open(f"sqlite:///{tmp_path / 'new' / 'operational.db'}", NOW)
    with store.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
    store.close()
    # A plain connection sees the schema: nothing of it is only ours.
    plain = create_engine(f"sqlite:///{tmp_path / 'new' / 'operational.db'}")
    assert "results" in inspect(plain).get_table_names()
    plain.dispose()


def test_a_store_whose_file_was_deleted_takes_nothing_and_makes_no_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "operational.db"
    store = OperationalStore.open(f"sqlite:///{path}", NOW)
    with store.write() as connection:
        connection.execute(meta.insert().values(key="before", value="kept"))
    with store.read():  # so that one connection is open and one, in the pool, was
        path.unlink()
        for use in (store.read, store.write):
            with pytest.raises(OperationalError, match="is gone"), use():
                pass
    with pytest.raises(OperationalError, match="is gone"), store.read():
        pass
    assert not path.exists()
    store.close()


def test_a_store_whose_file_was_replaced_says_so_until_it_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "operational.db"
    url = f"sqlite:///{path}"
    store = OperationalStore.open(url, NOW)
    backup = tmp_path / "backup.db"
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as copy:
        source.backup(copy)
    backup.rename(path)
    with pytest.raises(OperationalError, match="was replaced by another: restart"), store.write():
        pass
    store.close()
    anew = OperationalStore.open(url, NOW)
    with anew.write() as connection:
        connection.execute(meta.insert().values(key="after", value="kept"))
    assert anew.version() == MIGRATIONS[-1].version
    anew.close()
