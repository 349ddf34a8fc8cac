"""The published copy: whole, in place in one step, and nobody's business who still reads the old one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring_pipeline.store.expiry import expire_hot
from monitoring_pipeline.store.history import open_published
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.marks import read_marks
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from tests.store.children import Children
from tests.store.rows import NOTHING, RETENTION, T0, exactly_once, minutes, values_seen, write_samples

READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
for line in sys.stdin:
    print(connection.execute("SELECT count(*), sum(value) FROM samples").fetchall()[0], flush=True)
"""


@pytest.fixture
def store(store_url: str):
    store = OperationalStore.open(store_url, T0)
    yield store
    store.close()


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published" / "warehouse.duckdb"


def test_a_publish_reports_what_it_did_and_notes_its_watermarks(
    store: OperationalStore, warehouse: Path, published: Path
):
    write_samples(store, 0, 10)
    load_hot(store, warehouse, T0)
    first = publish(store, warehouse, published, T0)
    assert (first.path, first.bytes) == (published, published.stat().st_size)
    assert first.watermarks == NOTHING | {"samples": 10}
    write_samples(store, 10, 5)
    load_hot(store, warehouse, T0)
    second = publish(store, warehouse, published, T0)
    with store.read() as connection:
        marks = read_marks(connection)
    assert marks.published == second.watermarks
    assert marks.published_before == first.watermarks
    with open_published(published) as connection:
        assert connection.execute("SELECT count(*) FROM samples").fetchall() == [(15,)]


def test_a_reader_holds_its_copy_through_loads_publishes_and_expiry(
    store: OperationalStore, warehouse: Path, published: Path
):
    write_samples(store, 0, 100)
    load_hot(store, warehouse, T0)
    publish(store, warehouse, published, T0)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(published)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    assert reader.stdout.readline() == "open\n"
    held_here = open_published(published)
    for turn in range(1, 5):
        write_samples(store, turn * 100, 100)
        assert load_hot(store, warehouse, T0)["samples"] == 100
        publish(store, warehouse, published, T0)
        expire_hot(store, RETENTION, minutes(60 * 24))
        reader.stdin.write("again\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "(100, 4950.0)\n"
        assert held_here.execute("SELECT count(*) FROM samples").fetchall() == [(100,)]
        assert values_seen(store, published) == exactly_once((turn + 1) * 100)
    held_here.close()
    reader.communicate()


KILLED_PUBLISH = """
    import os, signal, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from monitoring_pipeline.store import marks, publishing
    from monitoring_pipeline.store.operational import OperationalStore

    url, warehouse, published, step = sys.argv[1:]

    def die(*arguments):
        os.kill(os.getpid(), signal.SIGKILL)

    def half_a_copy(source, target):
        target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
        die()

    def then_die(function):
        def patched(*arguments):
            function(*arguments)
            die()
        return patched

    if step == "checkpoint": publishing._checkpoint = then_die(publishing._checkpoint)
    if step == "half_a_copy": publishing._copy = half_a_copy
    if step == "before_swap": publishing._swap = die
    if step == "after_swap": publishing._swap = then_die(publishing._swap)
    if step == "in_mark": marks.mark_published = then_die(marks.mark_published)
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    publishing.publish(OperationalStore.open(url, now), Path(warehouse), Path(published), now)
"""


@pytest.mark.parametrize("step", ["checkpoint", "half_a_copy", "before_swap", "after_swap", "in_mark"])
def test_a_publish_killed_at_any_step_leaves_a_whole_copy(
    store: OperationalStore, store_url: str, warehouse: Path, published: Path, children: Children, step: str
):
    write_samples(store, 0, 50)
    load_hot(store, warehouse, T0)
    publish(store, warehouse, published, T0)
    write_samples(store, 50, 50)
    load_hot(store, warehouse, T0)
    for _ in range(2):
        killed = children.run(KILLED_PUBLISH, store_url, str(warehouse), str(published), step)
        assert killed == -signal.SIGKILL
        expire_hot(store, RETENTION, minutes(60 * 24))
        assert values_seen(store, published) == exactly_once(100)
    publish(store, warehouse, published, T0)
    assert [entry.name for entry in published.parent.iterdir()] == [published.name]
    assert values_seen(store, published) == exactly_once(100)


def test_where_blocks_cannot_be_copied_inside_the_kernel_bytes_are(
    store: OperationalStore, warehouse: Path, published: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*arguments: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    write_samples(store, 0, 10)
    load_hot(store, warehouse, T0)
    publish(store, warehouse, published, T0)
    assert published.read_bytes() == warehouse.read_bytes()


def test_the_watermarks_of_another_store_let_nothing_expire(
    store: OperationalStore, warehouse: Path, published: Path, tmp_path: Path
):
    write_samples(store, 0, 100)
    load_hot(store, warehouse, T0)
    other = OperationalStore.open(f"sqlite:///{tmp_path / 'other.db'}", T0)
    write_samples(other, 100, 10)
    for _ in range(2):
        publish(other, warehouse, published, T0)
    assert expire_hot(other, RETENTION, minutes(60 * 24))["samples"] == 0
    assert values_seen(other, published) == exactly_once(110)


def test_a_copy_that_cannot_be_written_is_reported_and_the_old_one_stays(
    store: OperationalStore, store_url: str, warehouse: Path, published: Path, children: Children
):
    write_samples(store, 0, 500)
    load_hot(store, warehouse, T0)
    publish(store, warehouse, published, T0)
    assert published.stat().st_size > 1_000_000
    write_samples(store, 500, 500)
    load_hot(store, warehouse, T0)
    # The kernel's limit on a file's size stands for the full disk.
    script = """
        import resource, signal, sys
        from pathlib import Path
        from datetime import UTC, datetime
        from monitoring_pipeline.errors import StoreError
        from monitoring_pipeline.store import publishing
        from monitoring_pipeline.store.operational import OperationalStore

        url, warehouse, published = sys.argv[1:]
        store = OperationalStore.open(url, datetime(2026, 3, 1, 12, tzinfo=UTC))
        copy = publishing._copy

        def on_a_full_disk(*arguments):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
            copy(*arguments)

        publishing._copy = on_a_full_disk
        try:
            publishing.publish(store, Path(warehouse), Path(published), datetime(2026, 3, 1, 12, tzinfo=UTC))
        except StoreError as error:
            assert "cannot publish the warehouse to" in str(error)
        else:
            sys.exit("it was published")
    """
    assert children.run(script, store_url, str(warehouse), str(published)) == 0
    assert [entry.name for entry in published.parent.iterdir()] == [published.name]
    assert values_seen(store, published) == exactly_once(1000)
