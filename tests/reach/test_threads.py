"""Blocking calls in daemon threads."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time

import pytest

from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.reach.threads import Threads, in_thread

NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


async def test_a_result_and_an_exception_arrive() -> None:
    def fails() -> None:
        raise ValueError("no such thing")

    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ValueError, match="no such thing"):
        await in_thread(fails)


@pytest.mark.parametrize("error", [StopIteration("x"), SystemExit(3), KeyboardInterrupt()])
async def test_an_exception_that_would_stop_the_loop_arrives_as_an_ordinary_one(error: BaseException) -> None:
    def fails() -> None:
        raise error

    with pytest.raises(RuntimeError, match=type(error).__name__):
        await in_thread(fails)


async def test_the_work_happens_in_a_daemon_thread_with_the_callers_context() -> None:
    NUMBER.set(42)
    thread, number = await in_thread(lambda: (threading.current_thread(), NUMBER.get()))
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert number == 42


async def test_idle_threads_are_reused() -> None:
    threads = Threads(limit=4)
    for _ in range(50):
        await in_thread(time.sleep, 0, threads=threads)
        await asyncio.sleep(0.001)
    assert threads.alive <= 2


async def test_idle_threads_leave() -> None:
    threads = Threads(limit=4, idle_s=0.01)
    await asyncio.gather(*(in_thread(time.sleep, 0.05, threads=threads) for _ in range(4)))
    for _ in range(500):
        if threads.alive == 0:
            break
        await asyncio.sleep(0.02)
    assert threads.alive == 0
    assert await in_thread(abs, -1, threads=threads) == 1


async def test_abandoning_calls_back_and_does_not_wait() -> None:
    released = threading.Event()
    finished = threading.Event()

    def stuck() -> None:
        released.wait(60)
        finished.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await in_thread(stuck, on_abandon=released.set)
    assert released.is_set()
    assert await in_thread(finished.wait, 60)


async def test_an_error_of_the_callback_does_not_hide_the_timeout() -> None:
    release = threading.Event()

    def breaks() -> None:
        release.set()
        raise OSError("socket is gone")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await in_thread(release.wait, 60, on_abandon=breaks)


async def test_beyond_the_limit_a_clear_error_and_afterwards_it_works_again() -> None:
    threads = Threads(limit=2, patience_s=0.05)
    release = threading.Event()
    stuck = [asyncio.create_task(in_thread(release.wait, 60, threads=threads)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(CheckError, match="all 2 threads"):
        await in_thread(abs, -1, threads=threads)
    assert threads.alive == 2
    release.set()
    await asyncio.gather(*stuck)
    assert await in_thread(abs, -1, threads=threads) == 1


async def test_a_short_queue_is_waited_out() -> None:
    threads = Threads(limit=2, patience_s=30)
    results = await asyncio.gather(*(in_thread(pow, n, 2, threads=threads) for n in range(40)))
    assert results == [n * n for n in range(40)]
    assert threads.alive <= 2


def test_the_interpreter_exits_although_a_thread_is_stuck() -> None:
    program = (
        "import asyncio, threading\n"
        "from monitoring_pipeline.reach.threads import in_thread\n"
        "async def main():\n"
        "    try:\n"
        "        async with asyncio.timeout(0.1):\n"
        "            await in_thread(threading.Event().wait)\n"
        "    except TimeoutError:\n"
        "        print('gave up')\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("gave up\n", "", 0)
