"""Sends what waits, beside the collector: in batches, again after failures, until it arrived. Standard library only."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING

from monitoring_pipeline.collection.answer import Answer
from monitoring_pipeline.collection.buffer import Buffer

if TYPE_CHECKING:
    from monitoring_pipeline.collection.posting import Post
    from monitoring_pipeline.collection.spool import Spool

__all__ = ["Sender", "Trouble"]

log = logging.getLogger("monitoring_pipeline.collection")
_BATCH, _BATCH_BYTES = 500, 500_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 30.0
_LEFTOVERS_S = 60.0
_SILENT_S = 600.0


class Trouble:
    """Says each kind of trouble once, and not again within ten minutes: the log is the collector's."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def tell(self, kind: str, problem: str) -> None:
        """Logs a problem of a kind, unless it was just told."""
        now = time.monotonic()
        if now - self._told.get(kind, -_SILENT_S) >= _SILENT_S:
            self._told[kind] = now
            log.warning("reporting collection attempts: %s", problem)


class Sender:
    """Empties a buffer into a Post. `run` is a thread's body; `flush` does the same in the caller's.

    `linger_s` is how long attempts wait for others to travel with.
    """

    def __init__(self, buffer: Buffer, post: Post, spool: Spool | None, trouble: Trouble, linger_s: float) -> None:
        self._buffer, self._post, self._spool = buffer, post, spool
        self._trouble = trouble
        self._linger_s = linger_s
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._turn = threading.Lock()
        self._looked = float("-inf")
        self._ended = False

    def nudge(self) -> None:
        """Something waits."""
        if not self._wake.is_set():
            self._wake.set()

    def end(self) -> None:
        """Has `run` return soon."""
        self._ended = True
        self._hurry.set()
        self._wake.set()

    def forget(self) -> None:
        """In a forked child: the connection is the parent's."""
        self._post.forget()

    def run(self) -> None:
        """Sends until `end`."""
        failures = 0
        while not self._ended:
            if not failures:
                self._wake.wait(_LEFTOVERS_S if self._spool is not None else None)
                self._hurry.wait(self._linger_s)
            self._wake.clear()
            answer = self._try_all()
            if len(self._buffer):
                self._wake.set()
            failures = failures + 1 if answer is not None and answer.again else 0
            if answer is not None and failures:
                self._hurry.wait(_pause_s(failures, answer.wait_s))
            if not self._ended:
                self._hurry.clear()

    def flush(self, timeout_s: float, *, patient: bool = True) -> bool:
        """Sends now what waits; whether all of it arrived within `timeout_s`. Not `patient`, it tries once."""
        deadline = time.monotonic() + timeout_s
        failures = 0
        while len(self._buffer) and (left := deadline - time.monotonic()) > 0:
            self._hurry.set()
            if not self._turn.acquire(timeout=left):
                break
            try:
                answer = self._send_batch(deadline - time.monotonic())
            finally:
                self._turn.release()
            if answer is not None and answer.again:
                if not patient:
                    break
                failures += 1
                time.sleep(max(0.0, min(_pause_s(failures, answer.wait_s), deadline - time.monotonic())))
        return not len(self._buffer)

    def _try_all(self) -> Answer | None:
        try:
            with self._turn:
                return self._send_all()
        except Exception as error:  # a spool that somebody took away, say: this thread must live on
            self._trouble.tell("sending", str(error))
            return Answer(False, again=True)

    def _send_all(self) -> Answer | None:
        """Sends what waits, and then what others left; the answer that stopped it, if one did."""
        full = True
        # What came meanwhile waits for others to travel with, unless it fills a batch by itself.
        while full and not self._ended:
            full = len(self._buffer) > _BATCH
            answer = self._send_batch()
            if answer is not None and answer.again:
                return answer
        return self._send_leftovers()

    def _send_batch(self, timeout_s: float | None = None) -> Answer | None:
        lines, upto = self._buffer.peek(_BATCH, _BATCH_BYTES)
        if not lines:
            return None
        answer = self._deliver(lines, timeout_s)
        if not answer.again:
            self._buffer.done(upto)
        return answer

    def _deliver(self, lines: list[bytes], timeout_s: float | None = None) -> Answer:
        """Sends lines; where the server refuses them all, in halves, until it is plain which ones it means."""
        answer = self._post.send(lines, timeout_s)
        if answer.problem:
            kept = "; they are kept and sent again" if answer.again else ""
            self._trouble.tell("waiting" if answer.again else "refused", answer.problem + kept)
        if answer.taken or answer.again or len(lines) == 1:
            return answer
        half = len(lines) // 2
        first = self._deliver(lines[:half], timeout_s)
        return first if first.again else self._deliver(lines[half:], timeout_s)

    def _send_leftovers(self) -> Answer | None:
        spool = self._spool
        if spool is None or not (spool.has_left or time.monotonic() - self._looked >= _LEFTOVERS_S):
            return None
        self._looked = time.monotonic()
        for lines, path in spool.leftovers():
            for start in range(0, len(lines), _BATCH):
                answer = self._deliver(lines[start : start + _BATCH])
                if answer.again:
                    spool.has_left = True
                    return answer
            spool.discard(path)
        return None


def _pause_s(failures: int, asked_s: float) -> float:
    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures - 1, 20))
    # Spread: a thousand collectors must not come back in the same moment.
    return max(asked_s, pause_s * random.uniform(0.75, 1.25))
