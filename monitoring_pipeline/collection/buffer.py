"""Attempts that wait to be sent: bounded in number and in bytes, the oldest give way. Standard library only."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitoring_pipeline.collection.spool import Segment, Spool

__all__ = ["Buffer"]


class Buffer:
    """A queue in memory, in the order of `put`; with a spool, every entry is on disk as well.

    What gives way because the queue is full stays in the spool, to be sent when there is room again; without
    a spool it is lost, and counted in `dropped`.
    """

    def __init__(self, most: int, most_bytes: int, spool: Spool | None = None) -> None:
        if most < 1 or most_bytes < 1:
            raise ValueError("a buffer holds at least one attempt")
        self._most, self._most_bytes = most, most_bytes
        self._spool = spool
        self._lines: deque[tuple[bytes, Segment | None]] = deque()
        self._bytes = 0
        self._first = 0
        # Reentrant: a signal's handler may report too, in the middle of a report.
        self._lock = threading.RLock()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: bytes) -> None:
        """Appends one attempt."""
        with self._lock:
            segment = self._spool.append(line) if self._spool is not None else None
            self._lines.append((line, segment))
            self._bytes += len(line)
            while len(self._lines) > self._most or (self._bytes > self._most_bytes and len(self._lines) > 1):
                self._give_way()

    def peek(self, most: int, most_bytes: int) -> tuple[list[bytes], int]:
        """The oldest attempts, at least one where there is any, and what `done` needs to know of them."""
        with self._lock:
            lines: list[bytes] = []
            size = 0
            for line, _ in self._lines:
                size += len(line)
                if len(lines) == most or (lines and size > most_bytes):
                    break
                lines.append(line)
            return lines, self._first + len(lines)

    @property
    def problem(self) -> str:
        """What is wrong with the spool, if anything."""
        return self._spool.problem if self._spool is not None else ""

    def done(self, upto: int) -> None:
        """Forgets what `peek` gave: it has arrived, or never will."""
        with self._lock:
            # Some may have given way meanwhile.
            while self._lines and self._first < upto:
                segment = self._take()
                if segment is not None and self._spool is not None:
                    self._spool.settle(segment)

    def close(self) -> int:
        """Lets go of the spool; answers how many attempts nobody will send any more."""
        with self._lock:
            lost = sum(segment is None for _, segment in self._lines)
            self._lines.clear()
            if self._spool is not None:
                self._spool.close()
            return lost

    def forget(self) -> None:
        """In a forked child: all of it is the parent's."""
        if self._spool is not None:
            self._spool.forget()

    def _give_way(self) -> None:
        segment = self._take()
        if segment is None or self._spool is None:
            self.dropped += 1
        else:
            self._spool.leave(segment)

    def _take(self) -> Segment | None:
        line, segment = self._lines.popleft()
        self._first += 1
        self._bytes -= len(line)
        return segment
