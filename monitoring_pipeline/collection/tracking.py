"""`track_collection_attempt` and its relatives: what collectors call. Standard library only.

Reporting never breaks and never holds up the collector: a report goes into a bounded buffer, a thread of our own
sends it, and what goes wrong on the way is logged once.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from monitoring_pipeline.collection.attempt import CollectionResult, line_of, result_of
from monitoring_pipeline.collection.buffer import Buffer
from monitoring_pipeline.collection.collecting import Collecting, Counter, decorated
from monitoring_pipeline.collection.sending import Sender, Trouble

__all__ = [
    "SPOOL_VARIABLE",
    "TOKEN_VARIABLE",
    "URL_VARIABLE",
    "CollectionTracker",
    "collecting",
    "collector",
    "flush_collection_attempts",
    "track_collection_attempt",
]

URL_VARIABLE, TOKEN_VARIABLE, SPOOL_VARIABLE = "BUSTA_URL", "BUSTA_TOKEN", "BUSTA_SPOOL"
P = ParamSpec("P")
T = TypeVar("T")
_trackers: weakref.WeakSet[CollectionTracker] = weakref.WeakSet()
_at_work: set[CollectionTracker] = set()
"""Those that reported something: kept until they are closed, so that none is gone before it is flushed."""


class CollectionTracker:
    """Reports to one API. Safe to use from threads and event loops, and after a fork.

    `url`, `token` and `spool` (a directory) come from BUSTA_URL, BUSTA_TOKEN and BUSTA_SPOOL where they are not
    given. Without a URL nothing is reported. At most `most` attempts and `most_bytes` bytes wait in memory;
    without a spool the oldest give way. When the process ends, it waits `exit_s` seconds at most for what is still
    to be sent.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        spool: str | Path | None = None,
        most: int = 10_000,
        most_bytes: int = 16_000_000,
        linger_s: float = 0.2,
        timeout_s: float = 10.0,
        exit_s: float = 2.0,
    ) -> None:
        self.url = os.environ.get(URL_VARIABLE, "") if url is None else url
        self._token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token
        directory = os.environ.get(SPOOL_VARIABLE, "") if spool is None else spool
        self._directory = Path(directory) if directory else None
        self._most, self._most_bytes = most, most_bytes
        self._linger_s, self._timeout_s, self._exit_s = linger_s, timeout_s, exit_s
        self._trouble = Trouble()
        self._begin()
        _trackers.add(self)

    def _begin(self) -> None:
        """Everything that belongs to one process."""
        self._starting = threading.Lock()
        self._started = False
        spool = None
        if self._directory is not None:
            from monitoring_pipeline.collection.spool import Spool

            spool = Spool(self._directory)
        self._buffer = Buffer(self._most, self._most_bytes, spool)
        self._sender: Sender | None = None
        if not self.url:
            return
        from monitoring_pipeline.collection.posting import Post

        try:
            post = Post(self.url, self._token, self._timeout_s)
        except ValueError as error:
            self._trouble.tell("url", f"nothing is reported: {error}")
            return
        self._sender = Sender(self._buffer, post, spool, self._trouble, self._linger_s)

    @property
    def waiting(self) -> int:
        """How many attempts wait in memory to be sent."""
        return len(self._buffer)

    @property
    def dropped(self) -> int:
        """How many attempts were lost because the buffer was full."""
        return self._buffer.dropped

    # -- reporting -----------------------------------------------------------------------------------

    def track(self, collector: str, result: CollectionResult | Mapping[str, Any] | bool | BaseException) -> None:
        """Reports one attempt of `collector`: returns at once and raises nothing."""
        self._report(collector, result)

    def collecting(self, collector: str, **known: Any) -> Collecting:
        """A context, sync and async, that reports what happens in it; `known` are fields of a CollectionResult."""
        return Collecting(functools.partial(self._report, collector), known)

    def collector(
        self, name: str, *, rows: Counter | None = None, **known: Any
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Decorates a function, a coroutine function or a generator: every call is reported as an attempt.

        `rows` counts the rows in what the function returns.
        """
        begin = functools.partial(self.collecting, name, **known)
        return functools.partial(decorated, begin, rows)

    def _report(self, collector: str, result: object) -> None:
        try:
            if self._sender is None:
                self._trouble.tell("url", f"nothing is reported: {URL_VARIABLE} is not set")
                return
            self._buffer.put(line_of(collector, result_of(result)))
            if self._buffer.problem:
                self._trouble.tell("spool", f"{self._buffer.problem}; attempts are kept in memory only")
            if not self._started:
                self._start(self._sender)
            self._sender.nudge()
        except Exception as error:
            self._trouble.tell("attempt", f"an attempt of {collector!r:.100} is not reported: {error}")

    def _start(self, sender: Sender) -> None:
        with self._starting:
            if self._started:
                return
            self._started = True
            _at_work.add(self)
            util = sys.modules.get("multiprocessing.util")
            if util is not None:
                # Processes of multiprocessing leave without `atexit`.
                util.Finalize(None, _at_exit, exitpriority=10)
            threading.Thread(target=sender.run, name="collection-attempts", daemon=True).start()

    # -- ending --------------------------------------------------------------------------------------

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Sends what waits; whether all of it arrived in time. Raises nothing."""
        try:
            return self._sender is None or self._sender.flush(timeout_s)
        except Exception as error:
            self._trouble.tell("flush", str(error))
            return False

    async def aflush(self, timeout_s: float = 10.0) -> bool:
        """The same without holding up the event loop."""
        import asyncio

        return await asyncio.to_thread(self.flush, timeout_s)

    def close(self, timeout_s: float | None = None) -> None:
        """Sends what waits and ends; what did not arrive stays in the spool, if there is one."""
        with contextlib.suppress(Exception):  # whatever it is, the program ends
            if self._sender is not None:
                # What is spooled need not be waited for: it is sent by whoever comes next.
                spooled = self._directory is not None and not self._buffer.problem
                self._sender.flush(self._exit_s if timeout_s is None else timeout_s, patient=not spooled)
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.end()
        lost = self._buffer.close()
        if lost:
            self._trouble.tell("lost", f"{lost} attempts could not be sent before this process ended")
        _trackers.discard(self)
        _at_work.discard(self)

    def _reborn(self) -> None:
        """In a forked child: the thread, the connection and what waits are the parent's."""
        self._buffer.forget()
        if self._sender is not None:
            self._sender.forget()
        self._begin()


def _at_exit() -> None:
    for tracker in list(_at_work):
        tracker.close()


def _after_fork() -> None:
    _at_work.clear()
    for tracker in list(_trackers):
        tracker._reborn()  # noqa: SLF001 - this module's own


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # where there are forks
    os.register_at_fork(after_in_child=_after_fork)


# -- the tracker that the environment describes ------------------------------------------------------

_shared: dict[str, CollectionTracker] = {}


def _default() -> CollectionTracker:
    tracker = _shared.get("")
    # No lock, which a fork or a signal could leave held: should two make one, the first to be kept is used.
    return tracker if tracker is not None else _shared.setdefault("", CollectionTracker())


def track_collection_attempt(
    collector: str, result: CollectionResult | Mapping[str, Any] | bool | BaseException
) -> None:
    """Reports one attempt of `collector` to the API that BUSTA_URL names: returns at once and raises nothing."""
    _default().track(collector, result)


def collecting(collector: str, **known: Any) -> Collecting:
    """A context, sync and async, that reports what happens in it; `known` are fields of a CollectionResult."""
    return _default().collecting(collector, **known)


def collector(name: str, *, rows: Counter | None = None, **known: Any) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorates a function, a coroutine function or a generator: every call is reported as an attempt.

    `rows` counts the rows in what the function returns.
    """
    return functools.partial(decorated, functools.partial(collecting, name, **known), rows)


def flush_collection_attempts(timeout_s: float = 10.0) -> bool:
    """Sends what waits; whether all of it arrived in time. For programs that end without `atexit`."""
    return _default().flush(timeout_s)
