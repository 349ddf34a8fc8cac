"""Lets a run that serves slots be stopped.

Dagster's signal handlers raise an error of their own, and an event loop of uvloop logs and drops
whatever a signal handler raises other than KeyboardInterrupt: the run would go on until it is killed.
And Dagster calls a run that was interrupted failed, unless somebody announced that it is to be cancelled.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

import dagster as dg

__all__ = ["stoppable"]

_Context: TypeAlias = dg.OpExecutionContext | dg.AssetExecutionContext | dg.AssetCheckExecutionContext
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable(context: _Context) -> Iterator[None]:
    """Within it SIGINT and SIGTERM end what an event loop does and cancel the run; outside they mean what they did."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.signal(name, _interrupt) for name in _SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        _announce(context.instance, context.run)
        raise dg.DagsterExecutionInterruptedError from None
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _announce(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    found = instance.get_run_by_id(run.run_id)
    if found is not None and found.status is dg.DagsterRunStatus.STARTED:
        instance.report_run_canceling(found, "stopped by a signal")


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
