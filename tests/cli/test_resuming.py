"""`busta up` for real: what serves slots is killed, and every slot is accounted for."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

import psutil
import pytest

from tests.cli.supervised import Up, started, until


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with started(tmp_path_factory.mktemp("up")) as running:
        yield running


def run_processes(up: Up) -> list[psutil.Process]:
    """The processes that serve slots now: the code server starts them."""
    return psutil.Process(up.children["dagster-code"]).children(recursive=True)


def kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # a run that just finished
            process.kill()


def newest_slot(up: Up) -> int:
    with sqlite3.connect(up.folder / ".busta" / "operational.db", timeout=30) as store:
        return store.execute("SELECT MAX(slot) FROM results WHERE NOT manual").fetchone()[0] or 0


def assert_resumes(up: Up, what: str) -> None:
    """Slots after this moment are recorded within ninety seconds, and every slot is accounted for once."""
    now_us = time.time() * 1e6
    until(lambda: newest_slot(up) > now_us, f"monitoring resumes after {what}", 90)
    with sqlite3.connect(up.folder / ".busta" / "operational.db", timeout=30) as store:
        store.execute("BEGIN")  # both are read as of one moment
        slots = [row[0] for row in store.execute("SELECT slot FROM results WHERE source = 'orders' AND NOT manual")]
        gaps = store.execute("SELECT start, \"end\", slots FROM gaps WHERE source = 'orders'").fetchall()
    lost = [slot for start, end, _ in gaps for slot in range(start, end + 1, 1_000_000)]
    assert len(set(slots)) == len(slots), "a slot was recorded twice"
    assert len(lost) == sum(count for _, _, count in gaps)
    assert sorted(slots + lost) == list(range(min(slots + lost), max(slots + lost) + 1, 1_000_000))


def test_monitoring_resumes_after_its_runs_were_killed(up: Up):
    until(lambda: newest_slot(up), "a run serves")
    kill(until(lambda: run_processes(up), "a run is there"))
    assert_resumes(up, "its runs were killed")


def test_monitoring_resumes_after_everything_was_killed_at_once(up: Up):
    runs = until(lambda: run_processes(up), "a run is there")
    kill([psutil.Process(up.process.pid), *runs, *map(psutil.Process, up.children.values())])
    up.process.wait()
    up.start()
    assert_resumes(up, "everything was killed")
