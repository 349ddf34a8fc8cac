"""Hot rows reach the warehouse once, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.warehouse import open_warehouse, watermarks
from tests.store.children import Children
from tests.store.rows import NOTHING, T0, change, gap, minutes, result, sample, write, write_samples


@pytest.fixture
def store(store_url: str):
    store = OperationalStore.open(store_url, T0)
    yield store
    store.close()


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def rows(warehouse: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_every_column_survives(store: OperationalStore, warehouse: Path):
    write(store, "results", [
        result("a", minutes(0), "critical", response_time_ms=None, message="it's \"down\"\n, ünï",
               details='{"a": "b\'c"}'),
        result("b", minutes(1), skipped="breaker", manual=True, attempts=3),
    ])  # fmt: skip
    write(store, "samples", [sample("a", minutes(2), -1.5e300)])
    write(store, "gaps", [gap("a", minutes(0), minutes(3), 4)])
    write(
        store,
        "status_changes",
        [change("a", minutes(4), "unknown", "critical"), change("a", minutes(5), "critical", "healthy", 99.5)],
    )

    assert load_hot(store, warehouse, T0) == NOTHING | {"results": 2, "samples": 1, "gaps": 1, "status_changes": 2}

    def naive(moment: datetime) -> datetime:
        return moment.replace(tzinfo=None)

    first, second = rows(warehouse, "SELECT * FROM results ORDER BY id")
    finished = naive(minutes(0)).replace(microsecond=12_345)
    assert first == (
        1, "a", "web", "http", naive(minutes(0)), naive(minutes(0)), finished, "critical", None, 1,
        "it's \"down\"\n, ünï", '{"a": "b\'c"}', None, False,
    )  # fmt: skip
    assert (second[8], second[9], second[12], second[13]) == (12.345, 3, "breaker", True)
    assert rows(warehouse, "SELECT * EXCLUDE id FROM samples") == [
        ("a", "web", "response_time_ms", naive(minutes(2)), -1.5e300, "ms", '{"zone": "a"}')
    ]
    assert rows(warehouse, "SELECT * EXCLUDE id FROM gaps") == [
        ("a", "web", naive(minutes(0)), naive(minutes(3)), 4, "not_running")
    ]
    assert rows(warehouse, 'SELECT "at", before, after, score, reason FROM status_changes ORDER BY id') == [
        (naive(minutes(4)), "unknown", "critical", None, "because"),
        (naive(minutes(5)), "critical", "healthy", 99.5, "because"),
    ]


def test_a_second_load_takes_only_what_is_new(store: OperationalStore, warehouse: Path):
    write_samples(store, 0, 7)
    assert load_hot(store, warehouse, T0, batch_rows=3)["samples"] == 7
    assert load_hot(store, warehouse, T0, batch_rows=3)["samples"] == 0
    write_samples(store, 7, 3)
    assert load_hot(store, warehouse, T0, batch_rows=3)["samples"] == 3
    assert rows(warehouse, "SELECT count(*), count(DISTINCT value), max(value) FROM samples") == [(10, 10, 9.0)]


def test_nulls_in_the_first_thousands_of_rows_do_not_decide_a_columns_type(store: OperationalStore, warehouse: Path):
    late = [result("a", minutes(n), response_time_ms=None if n < 3000 else 0.5) for n in range(3001)]
    write(store, "results", late)
    load_hot(store, warehouse, T0)
    assert rows(warehouse, "SELECT count(*), sum(response_time_ms) FROM results") == [(3001, 0.5)]


def test_a_new_operational_store_beside_an_old_warehouse_is_loaded_from_its_first_row(
    store: OperationalStore, warehouse: Path, tmp_path: Path
):
    write_samples(store, 0, 5)
    load_hot(store, warehouse, T0)
    other = OperationalStore.open(f"sqlite:///{tmp_path / 'other.db'}", T0)
    write_samples(other, 5, 2)
    assert load_hot(other, warehouse, T0)["samples"] == 2
    assert load_hot(other, warehouse, T0)["samples"] == 0
    assert rows(warehouse, "SELECT count(*), count(DISTINCT value) FROM samples") == [(7, 7)]


def test_a_load_lets_checks_write(store: OperationalStore, warehouse: Path):
    write_samples(store, 0, 20_000)
    from monitoring_pipeline.store import loading

    written = []
    insert = loading.copy_hot

    def slow(*arguments, **options):
        # In the middle of a load, with its read transaction open.
        outcome = insert(*arguments, **options)
        thread = threading.Thread(target=lambda: (write_samples(store, 20_000 + len(written), 1), written.append(1)))
        thread.start()
        thread.join(timeout=20)
        assert not thread.is_alive(), "a write waited for the load"
        return outcome

    loading.copy_hot = slow
    try:
        load_hot(store, warehouse, T0)
    finally:
        loading.copy_hot = insert
    load_hot(store, warehouse, T0)
    assert len(written) >= 4
    total = 20_000 + len(written)
    assert rows(warehouse, "SELECT count(*), count(DISTINCT value) FROM samples") == [(total, total)]


STEPS = ["before_copy", "after_copy", "after_advance", "after_commit", "second_batch", "after_adopt"]

KILLED_LOAD = """
    import os, signal, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from monitoring_pipeline.store import loading
    from monitoring_pipeline.store.operational import OperationalStore

    url, path, step = sys.argv[1:]

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def around(name, before=None, after=None, at_call=1):
        original = getattr(loading, name)
        calls = 0
        def patched(*arguments, **options):
            nonlocal calls
            calls += 1
            if before and calls == at_call:
                die()
            outcome = original(*arguments, **options)
            if after and calls == at_call:
                die()
            return outcome
        setattr(loading, name, patched)

    if step == "before_copy": around("copy_hot", before=True)
    if step == "after_copy": around("copy_hot", after=True)
    if step == "after_advance": around("_advance", after=True)
    if step == "after_commit": around("_load_batch", after=True)
    if step == "second_batch": around("_advance", before=True, at_call=2)
    if step == "after_adopt": around("_adopt", after=True)
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    loading.load_hot(OperationalStore.open(url, now), Path(path), now, batch_rows=40)
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_load_killed_at_any_step_loses_and_doubles_nothing(
    store: OperationalStore, store_url: str, warehouse: Path, children: Children, step: str
):
    write(store, "results", [result("a", minutes(n)) for n in range(100)])
    write_samples(store, 0, 100)
    for _ in range(2):
        assert children.run(KILLED_LOAD, store_url, str(warehouse), step) == -signal.SIGKILL
    load_hot(store, warehouse, T0, batch_rows=40)
    assert rows(warehouse, "SELECT count(*), count(DISTINCT id) FROM results") == [(100, 100)]
    assert rows(warehouse, "SELECT count(*), count(DISTINCT value) FROM samples") == [(100, 100)]
    with open_warehouse(warehouse, T0) as connection:
        assert watermarks(connection)["samples"] == 100


LOADING_FOREVER = """
    import sys
    from datetime import UTC, datetime
    from pathlib import Path
    from monitoring_pipeline.store.loading import load_hot
    from monitoring_pipeline.store.operational import OperationalStore

    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    store = OperationalStore.open(sys.argv[1], now)
    print("ready", flush=True)
    while True:
        load_hot(store, Path(sys.argv[2]), now, batch_rows=50)
"""


def test_loads_killed_at_random_moments_while_rows_arrive(store: OperationalStore, store_url: str, warehouse: Path):
    count = 0
    for turn in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(LOADING_FOREVER), store_url, str(warehouse)],
            cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        for _ in range(5 + turn):
            write_samples(store, count, 97)
            count += 97
            time.sleep(0.013 * turn)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    load_hot(store, warehouse, T0)
    assert rows(warehouse, "SELECT count(*), count(DISTINCT value) FROM samples") == [(count, count)]


def test_loading_keeps_the_log_of_writers_in_place(tmp_path: Path):
    """Two copies of SQLite in one process would delete the write-ahead log under each other."""
    path = tmp_path / "operational.db"
    store = OperationalStore.open(f"sqlite:///{path}", T0)
    write_samples(store, 0, 10)
    load_hot(store, tmp_path / "warehouse.duckdb", T0)
    write_samples(store, 10, 1)
    script = (
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM samples').fetchone()[0])"
    )
    seen = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert seen.stdout == "11\n"
    store.close()
