"""A run that serves slots can be told to stop, and cleans up before it does."""

import asyncio
import os
import signal
import threading
from pathlib import Path

import dagster as dg
import pytest
import uvloop

from assets.interrupts import stoppable


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_the_loop_does_and_cancels_the_run(name: signal.Signals, tmp_path: Path):
    cleaned = []

    async def serve() -> None:
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), name)
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)

    handlers = []
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    @dg.asset
    def served(context: dg.AssetExecutionContext) -> None:
        handlers.append(signal.getsignal(name))
        try:
            with stoppable(context), runner:
                runner.run(serve())
        finally:
            handlers.append(signal.getsignal(name))

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        ended = dg.materialize([served], instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(ended.run_id)
    assert cleaned == [True]
    assert run is not None
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert handlers[0] is handlers[1]


def test_in_another_thread_signals_are_left_alone():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with stoppable(dg.build_asset_context()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
