"""Child processes: started again when they die, stopped with all they started, found again by the next supervisor."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from monitoring_pipeline.cli import processes
from monitoring_pipeline.cli.processes import Child, Ledger, Program, birth, rotate, stop_groups
from monitoring_pipeline.errors import MonitoringError

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])"


def until(condition: Callable[[], object], timeout_s: float = 30) -> None:
    """Waits until a condition holds; fails when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


class Children:
    """Makes children that are gone after the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[Child] = []

    def __call__(self, program: str = SLEEPER, on_change: signal.Signals | None = None) -> Child:
        command = (sys.executable, "-c", program)
        child = Child(
            Program(f"child-{len(self.made)}", command, on_change=on_change),
            log=self.folder / f"child-{len(self.made)}.log", directory=self.folder, environment=dict(os.environ),
        )  # fmt: skip
        self.made.append(child)
        child.start()
        until(lambda: "up" in (self.folder / f"{child.program.name}.log").read_text())
        return child


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Children]:
    children = Children(tmp_path)
    yield children
    stop_groups([child.pid for child in children.made if child.pid is not None], 0)


def members(group: int) -> set[int]:
    """The living processes of a group."""
    return {pid for pid in psutil.pids() if birth(pid) is not None and _group(pid) == group}


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_birth_tells_a_process_from_a_later_one_with_its_number(start: Children):
    child = start()
    assert child.pid is not None
    first = birth(child.pid)
    assert first == birth(child.pid) != birth(os.getpid())
    pid = child.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: birth(pid) is None)


def test_a_child_that_dies_is_started_again_after_a_growing_pause(start: Children):
    child = start()
    said = []
    for _ in range(2):
        before = child.pid
        os.kill(before, signal.SIGKILL)
        until(lambda: (news := child.look()) and said.append(news) is None)
        until(lambda: child.look() is None and child.pid is not None)
        assert child.pid != before
    assert child.restarts == 2
    assert "child-0 ended (killed by SIGKILL); starting it again in 1 s" in said[0]
    assert "in 2 s" in said[1]


def test_renewing_replaces_the_process_and_spares_what_it_started(start: Children):
    child = start(PARENT, on_change=signal.SIGKILL)
    before = child.pid
    assert before is not None
    (started,) = members(before) - {before}
    child.renew()
    try:
        assert child.pid not in (None, before)
        assert members(before) == {started}
    finally:
        stop_groups([before], 0)


def test_a_child_that_needs_no_renewal_is_left_alone(start: Children):
    child = start()
    before = child.pid
    child.renew()
    assert child.pid == before


def test_stopping_ends_the_whole_group_and_what_does_not_listen(start: Children):
    with_child, stubborn = start(PARENT), start(STUBBORN)
    groups = [with_child.pid, stubborn.pid]
    assert len(members(groups[0])) == 2
    stop_groups(groups, grace_s=1)
    until(lambda: not members(groups[0]) and not members(groups[1]))


def test_a_large_log_is_moved_aside_and_three_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processes, "MAX_LOG_BYTES", 10)
    log = tmp_path / "child.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(5):
            writer.write(f"{number} is long enough\n".encode())
            rotate(log)
        writer.write(b"short")
    rotate(log)
    kept = {path.name: path.read_text()[:5] for path in tmp_path.iterdir()}
    assert kept == {"child.log": "short", "child.log.1": "4 is ", "child.log.2": "3 is ", "child.log.3": "2 is "}


def test_two_supervisors_of_one_folder_are_one_too_many(tmp_path: Path):
    first = Ledger(tmp_path)
    first.take()
    with pytest.raises(MonitoringError, match=f"runs already .*process {os.getpid()}"):
        Ledger(tmp_path).take()
    first.release()
    Ledger(tmp_path).take()


def test_the_next_supervisor_finds_what_a_killed_one_left(start: Children, tmp_path: Path):
    child = start()
    Ledger(tmp_path).write([child])
    assert Ledger(tmp_path).orphans() == [child.pid]
    rows = json.loads((tmp_path / "up.json").read_text())
    rows["children"][0]["birth"] = "another boot:1"
    (tmp_path / "up.json").write_text(json.dumps(rows))
    assert Ledger(tmp_path).orphans() == []


@pytest.mark.parametrize("text", [None, "", "{}", "[1]"])
def test_a_ledger_that_is_absent_or_torn_names_nobody(tmp_path: Path, text: str | None):
    if text is not None:
        (tmp_path / "up.json").write_text(text)
    assert Ledger(tmp_path).orphans() == []
