"""Nothing is sent twice as two, nothing gets out of order, and nothing kept is lost, whatever happens meanwhile."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_pipeline.collection import CollectionResult, CollectionTracker
from monitoring_pipeline.collection.buffer import Buffer
from monitoring_pipeline.collection.spool import Spool
from tests.collection.conftest import Desk, opened
from tests.servers import free_port


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)


def report(tracker: CollectionTracker, numbers: range) -> None:
    for number in numbers:
        tracker.track("loader", CollectionResult(rows=number))


def test_it_is_sent_without_being_asked(desk: Desk, tracker: CollectionTracker):
    report(tracker, range(3))
    wait_until(lambda: len(desk.attempts) == 3)


def test_what_a_server_missed_arrives_when_it_is_back(caplog):
    away = Desk(port=free_port())
    tracker = CollectionTracker(away.url, linger_s=0.0)
    with caplog.at_level(logging.WARNING):
        report(tracker, range(5))
        wait_until(lambda: bool(caplog.records))
    with opened(away):
        report(tracker, range(5, 8))
        assert tracker.flush()
        assert away.rows() == list(range(8))
    # It goes away once more, in the middle of a kept connection.
    report(tracker, range(8, 10))
    assert not tracker.flush(0.1)
    with opened(away):
        assert tracker.flush()
        tracker.close(0)
        assert away.rows() == list(range(10))
    assert len([record for record in caplog.records if "cannot reach" in record.message]) == 1


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_it_is_tried_again_while_the_server_may_be_set_right(desk: Desk, tracker: CollectionTracker, status):
    left = [status, status]
    desk.answers = lambda attempts: left.pop() if left else 200
    report(tracker, range(3))
    assert tracker.flush()
    assert desk.requests[-1] == 200
    assert desk.rows() == [0, 1, 2]


@given(poison=st.sets(st.integers(0, 19), max_size=4))
@settings(max_examples=15, deadline=None)
def test_one_that_is_refused_does_not_take_others_with_it(poison):
    desk = Desk(answers=lambda attempts: 422 if any(each["rows"] in poison for each in attempts) else 200)
    with opened(desk):
        tracker = CollectionTracker(desk.url, linger_s=0.0)
        report(tracker, range(20))
        assert tracker.flush()
        tracker.close(0)
    assert sorted(desk.rows()) == sorted(set(range(20)) - poison)


@given(
    st.integers(1, 6),
    st.integers(1, 60),
    st.lists(st.one_of(st.integers(0, 20), st.just("peek"), st.just("done")), max_size=60),
)
def test_a_buffer_is_bounded_and_keeps_the_newest_in_order(most, most_bytes, steps):
    buffer, put, arrived, seen = Buffer(most, most_bytes), [], [], ([], 0)
    for step in steps:
        if step == "peek":
            seen = buffer.peek(3, 30)
        elif step == "done":
            before = len(buffer)
            buffer.done(seen[1])
            assert before - len(buffer) <= len(seen[0])
            arrived += seen[0]
            seen = ([], 0)
        else:
            line = f"{len(put)}:".encode() + b"x" * step
            put.append(line)
            buffer.put(line)
        waiting = buffer.peek(10_000, 10**9)[0]
        assert len(buffer) <= most
        assert len(buffer) <= 1 or sum(map(len, waiting)) <= most_bytes
        # The newest ones, in order, and nothing that was never put.
        assert waiting == put[len(put) - len(waiting) :]
        # All others arrived, are under way, or are counted.
        assert len(put) - len(waiting) <= len(set(arrived)) + buffer.dropped
    assert arrived == sorted(set(arrived), key=put.index)


def test_many_threads_lose_nothing(desk: Desk, tracker: CollectionTracker):
    threads = [threading.Thread(target=report, args=(tracker, range(n * 100, n * 100 + 100))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tracker.flush()
    assert sorted(desk.rows()) == list(range(800))
    for number in range(8):  # each thread's own order is kept
        mine = [row for row in desk.rows() if row // 100 == number]
        assert mine == sorted(mine)


# -- the ends of processes ---------------------------------------------------------------------------


def run(code: str, *arguments: str) -> subprocess.Popen[str]:
    head = "import sys, os, time; from monitoring_pipeline.collection import *\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_process_that_ends_sends_what_waits(desk: Desk):
    code = "t = CollectionTracker(sys.argv[1], linger_s=60)\nfor n in range(3): t.track('loader', {'rows': n})"
    process = run(code, desk.url)
    assert process.communicate(timeout=30)[1] == ""
    assert desk.rows() == [0, 1, 2]


def test_a_process_that_ends_does_not_wait_long_for_a_server_that_is_away():
    code = "t = CollectionTracker(sys.argv[1], exit_s=0.1)\nt.track('loader', True)"
    process = run(code, f"http://127.0.0.1:{free_port()}")
    assert "1 attempts could not be sent" in process.communicate(timeout=30)[1]
    assert process.returncode == 0


def test_a_tracker_that_nobody_holds_any_more_still_sends(desk: Desk):
    code = "CollectionTracker(sys.argv[1], linger_s=60).track('loader', {'rows': 1})\nimport gc; gc.collect()"
    assert run(code, desk.url).communicate(timeout=30)[1] == ""
    assert desk.rows() == [1]


def test_what_is_spooled_is_not_waited_for(tmp_path: Path):
    """Its limit is far beyond the test's own: it ends because there is nothing to wait for."""
    code = "t = CollectionTracker(sys.argv[1], spool=sys.argv[2], exit_s=3600)\nt.track('loader', True)"
    process = run(code, f"http://127.0.0.1:{free_port()}", str(tmp_path))
    assert "could not be sent" not in process.communicate(timeout=60)[1]
    assert len(list(tmp_path.iterdir())) == 1


def _child(tracker: CollectionTracker, first: int) -> None:
    report(tracker, range(first, first + 5))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_forked_children_report_their_own(desk: Desk, tmp_path: Path):
    tracker = CollectionTracker(desk.url, linger_s=60, spool=tmp_path)
    report(tracker, range(5))
    children = [multiprocessing.get_context("fork").Process(target=_child, args=(tracker, first)) for first in (10, 20)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    assert sorted(desk.rows()) == [*range(10, 15), *range(20, 25)]
    assert tracker.flush()
    tracker.close(0)
    assert sorted(desk.rows()) == [*range(5), *range(10, 15), *range(20, 25)]
    assert len(desk.attempts) == 15
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", ["clean", "torn"])
def test_what_a_killed_process_spooled_is_sent_by_the_next(desk: Desk, tmp_path: Path, cut):
    code = (
        "t = CollectionTracker(sys.argv[1], spool=sys.argv[2], linger_s=60)\n"
        "for n in range(50): t.track('loader', {'rows': n})\n"
        "print('told', flush=True); time.sleep(60)"
    )
    process = run(code, f"http://127.0.0.1:{free_port()}", str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline() == "told\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    [left] = tmp_path.iterdir()
    if cut == "torn":
        os.truncate(left, left.stat().st_size - 10)
    tracker = CollectionTracker(desk.url, spool=tmp_path, linger_s=0.0)
    tracker.track("loader", {"rows": 99})
    wait_until(lambda: not left.exists())
    tracker.close()
    assert sorted(desk.rows()) == [*range(50 if cut == "clean" else 49), 99]
    assert list(tmp_path.iterdir()) == []


def test_killed_between_sending_and_the_answer_is_sent_again_under_the_same_keys(desk: Desk, tmp_path: Path):
    taken = threading.Event()
    go_on = threading.Event()

    def slow(attempts: list) -> int:
        desk.attempts.extend(attempts)  # kept, and the answer never comes
        taken.set()
        go_on.wait(30)
        return 500

    desk.answers = slow
    code = (
        "t = CollectionTracker(sys.argv[1], spool=sys.argv[2], linger_s=0)\n"
        "for n in range(5): t.track('loader', {'rows': n})\n"
        "time.sleep(60)"
    )
    process = run(code, desk.url, str(tmp_path))
    assert taken.wait(30)
    process.kill()
    process.communicate(timeout=30)
    desk.answers = lambda attempts: 200
    go_on.set()
    first = desk.keys
    tracker = CollectionTracker(desk.url, spool=tmp_path, linger_s=0.0)
    tracker.track("loader", {"rows": 99})
    wait_until(lambda: len(desk.keys) == 6)
    tracker.close()
    assert first <= desk.keys
    assert sorted(desk.rows()) == [*range(5), 99]


def test_a_full_buffer_keeps_the_rest_on_disk(tmp_path: Path):
    away = Desk(port=free_port())
    tracker = CollectionTracker(away.url, spool=tmp_path, linger_s=0.0, most=10)
    report(tracker, range(100))
    assert (tracker.waiting, tracker.dropped) == (10, 0)
    with opened(away):
        wait_until(lambda: len(away.keys) == 100)
        tracker.close()
    assert sorted(away.rows()) == list(range(100))
    wait_until(lambda: not list(tmp_path.iterdir()))


def test_a_full_buffer_without_a_spool_drops_the_oldest_and_counts(desk: Desk):
    tracker = CollectionTracker(desk.url, linger_s=60, most=10)
    report(tracker, range(100))
    assert (tracker.waiting, tracker.dropped) == (10, 90)
    assert tracker.flush()
    tracker.close(0)
    assert desk.rows() == list(range(90, 100))


def test_a_spool_that_cannot_be_used_is_told_and_done_without(desk: Desk, tmp_path: Path, caplog):
    (tmp_path / "file").write_text("no folder")
    tracker = CollectionTracker(desk.url, spool=tmp_path / "file", linger_s=0.0)
    report(tracker, range(3))
    assert tracker.flush()
    tracker.close(0)
    assert desk.rows() == [0, 1, 2]
    assert "cannot write to the spool" in caplog.text


@given(st.lists(st.sampled_from(["append", "settle", "leave"]), max_size=80), st.integers(20, 200))
@settings(max_examples=40, deadline=None)
def test_a_spool_keeps_all_that_needs_it(tmp_path_factory, steps, segment_bytes):
    """A model of it: what is neither settled nor discarded can be read back, whatever the order."""
    spool = Spool(tmp_path_factory.mktemp("spool"), segment_bytes=segment_bytes)
    waiting, needed = [], set()
    for number, step in enumerate(steps):
        if step == "append":
            line = b'{"n":%d}' % number
            waiting.append((line, spool.append(line)))
            needed.add(line)
        elif waiting:
            line, segment = waiting.pop(0)
            (spool.settle if step == "settle" else spool.leave)(segment)
            if step == "settle":
                needed.discard(line)
    spool.close()
    found = set()
    for lines, path in Spool(spool.directory).leftovers():
        found |= set(lines)
        spool.discard(path)
    assert needed <= found
    assert list(spool.directory.iterdir()) == []
