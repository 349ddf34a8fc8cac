"""Lets a run that serves slots be stopped.

Dagster's signal handlers raise an error of their own, and an event loop of uvloop logs and drops
whatever a signal handler raises other than KeyboardInterrupt: the run would go on until it is killed.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import dagster as dg

__all__ = ["stoppable"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within it SIGINT and SIGTERM end what an event loop does; outside they mean what they meant."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.signal(name, _interrupt) for name in _SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        raise dg.DagsterExecutionInterruptedError from None
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
