"""A run that serves slots can be told to stop, and cleans up before it does."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import dagster as dg
import pytest
import uvloop

from assets.interrupts import stoppable


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_the_loop_does(name: signal.Signals):
    cleaned = []

    async def serve() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)

    before = signal.getsignal(name)
    threading.Timer(0.2, os.kill, (os.getpid(), name)).start()
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with pytest.raises(dg.DagsterExecutionInterruptedError), stoppable(), runner:
        runner.run(serve())
    assert cleaned == [True]
    assert signal.getsignal(name) is before


def test_in_another_thread_signals_are_left_alone():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with stoppable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
