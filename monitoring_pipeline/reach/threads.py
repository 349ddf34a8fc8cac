"""Blocking work for asynchronous probes: daemon threads, bounded in number, reused while warm.

asyncio's own pool is no use here: the interpreter waits for its threads at exit, so one database
call that never returns would keep the whole run alive. These threads are daemons, and a call that
nobody waits for any more only occupies its own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from monitoring_pipeline.errors import CheckError

__all__ = ["MAX_THREADS", "Threads", "in_thread"]

MAX_THREADS = 64
_IDLE_S = 30.0
_POLL_S = 0.01

ResultT = TypeVar("ResultT")
_Call = Callable[[], None]


@dataclass(slots=True)
class _Worker:
    inbox: queue.SimpleQueue[_Call]


class Threads:
    """At most `limit` daemon threads alive; an idle one leaves after a while."""

    def __init__(self, limit: int = MAX_THREADS, *, patience_s: float = 1.0, idle_s: float = _IDLE_S) -> None:
        self.limit = limit
        self._patience_s = patience_s
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._alive = 0

    @property
    def alive(self) -> int:
        """Threads that exist now, busy and idle."""
        return self._alive

    async def run(self, call: _Call) -> None:
        """Starts `call` in a thread. Raises CheckError when none becomes free for a while."""
        deadline = time.monotonic() + self._patience_s
        while not self._start(call):
            if time.monotonic() >= deadline:
                raise CheckError(
                    f"all {self.limit} threads for blocking probes are busy or stuck; this one was not started"
                )
            await asyncio.sleep(_POLL_S)

    def _start(self, call: _Call) -> bool:
        with self._lock:
            if self._idle:
                self._idle.pop().inbox.put(call)
                return True
            if self._alive >= self.limit:
                return False
            self._alive += 1
        worker = _Worker(queue.SimpleQueue())
        worker.inbox.put(call)
        threading.Thread(target=self._work, args=(worker,), name="probe", daemon=True).start()
        return True

    def _work(self, worker: _Worker) -> None:
        while (call := self._next(worker)) is not None:
            call()
            # A call keeps its result and its caller's future alive: let go before waiting.
            del call
            with self._lock:
                self._idle.append(worker)
        with self._lock:
            self._alive -= 1

    def _next(self, worker: _Worker) -> _Call | None:
        try:
            return worker.inbox.get(timeout=self._idle_s)
        except queue.Empty:
            with self._lock:
                if worker in self._idle:
                    self._idle.remove(worker)
                    return None
        # Taken from the idle ones between our time-out and the lock: its call is on the way.
        return worker.inbox.get()


_shared = Threads()


async def in_thread(
    function: Callable[..., ResultT],
    *args: Any,
    on_abandon: Callable[[], None] | None = None,
    threads: Threads = _shared,
) -> ResultT:
    """Awaits `function(*args)` run in a daemon thread, with this task's context variables.

    Its exceptions arrive here. When the awaiting task is cancelled or times out, `on_abandon` is
    called (to interrupt a query, to shut a socket down) and nobody waits for the thread any longer.
    Raises CheckError when too many threads are busy.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[ResultT] = loop.create_future()
    context = contextvars.copy_context()

    def call() -> None:
        try:
            result = context.run(function, *args)
        except BaseException as error:
            _tell(loop, _fail, future, error)
        else:
            _tell(loop, _finish, future, result)

    await threads.run(call)
    try:
        return await future
    except asyncio.CancelledError:
        if on_abandon is not None:
            with contextlib.suppress(Exception):
                on_abandon()
        raise


def _tell(loop: asyncio.AbstractEventLoop, how: Callable[..., None], future: asyncio.Future[Any], what: Any) -> None:
    # The loop is closed when the run ended while this call was stuck: nobody is left to be told.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(how, future, what)


def _finish(future: asyncio.Future[ResultT], result: ResultT) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if future.done():
        return
    # A future refuses StopIteration, and these two would stop the event loop itself.
    if isinstance(error, (StopIteration, SystemExit, KeyboardInterrupt)):
        error = RuntimeError(f"the blocking call raised {type(error).__name__}: {error}")
    future.set_exception(error)
