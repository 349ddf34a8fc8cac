"""Attempts on disk, so that a process that ends before they were sent loses none. Standard library only.

A process appends to a segment of its own, `*.jsonl`, which it keeps locked. A segment of which everything
arrived is emptied; one that grew is closed and another begun. What a process leaves behind (it was killed,
or had more to say than fits its memory) is a segment that nobody locks: whoever has time sends it. An
attempt may so be sent twice; its key makes it one.

A write survives the end of the process, not that of the machine: it is not synced, which would cost the
collector milliseconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Segment", "Spool"]

_SEGMENT_BYTES = 1_000_000


class Segment:
    """One file; `waiting` of its attempts are in memory, `left` says that some are on disk only."""

    __slots__ = ("closed", "descriptor", "left", "path", "size", "waiting")

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self.size = self.waiting = 0
        self.left = self.closed = False


class Spool:
    """The segments of one process in `directory`. `has_left`: there may be some that nobody sends.

    Calls come one at a time, from under the buffer's lock, but for those about leftovers.
    """

    def __init__(self, directory: Path, most_bytes: int = 64_000_000, segment_bytes: int = _SEGMENT_BYTES) -> None:
        self.directory = directory
        self._most_bytes, self._segment_bytes = most_bytes, segment_bytes
        self._segments: list[Segment] = []
        self.problem = ""
        self.has_left = True

    @property
    def size(self) -> int:
        """Bytes of this process's segments."""
        return sum(segment.size for segment in self._segments)

    def append(self, line: bytes) -> Segment | None:
        """Writes one attempt; None when it could not be: then it is in memory only, and `problem` says why."""
        try:
            segment = self._open_segment()
            if self.size + len(line) > self._most_bytes:
                self.problem = f"the spool {self.directory} is full ({self._most_bytes} bytes)"
                return None
            self._write(segment, line + b"\n")
        except OSError as error:
            self.problem = f"cannot write to the spool {self.directory}: {error}"
            return None
        segment.waiting += 1
        return segment

    def _open_segment(self) -> Segment:
        current = self._segments[-1] if self._segments else None
        if current is not None and not current.closed and current.size < self._segment_bytes:
            return current
        if current is not None:
            self._end(current)
        self._segments.append(_create(self.directory))
        return self._segments[-1]

    def _write(self, segment: Segment, data: bytes) -> None:
        written = os.write(segment.descriptor, data)
        segment.size += written
        if written < len(data):  # the disk is full: the torn line must not spoil the next one
            os.ftruncate(segment.descriptor, segment.size - written)
            segment.size -= written
            raise OSError("the disk is full")

    def settle(self, segment: Segment) -> None:
        """One attempt of the segment needs the disk no more."""
        segment.waiting -= 1
        self._tidy(segment)

    def leave(self, segment: Segment) -> None:
        """One attempt of the segment has no room in memory: the disk alone has it now."""
        segment.left = True
        segment.waiting -= 1
        self._tidy(segment)

    def _tidy(self, segment: Segment) -> None:
        if segment.waiting:
            return
        if segment.left or segment.closed:
            self._release(segment)
        else:
            with contextlib.suppress(OSError):
                os.ftruncate(segment.descriptor, 0)
                segment.size = 0

    def _end(self, segment: Segment) -> None:
        segment.closed = True
        if not segment.waiting and segment in self._segments:
            self._release(segment)

    def _release(self, segment: Segment) -> None:
        """Removes a segment, or leaves it unlocked for whoever has time to send it."""
        if segment in self._segments:
            self._segments.remove(segment)
        with contextlib.suppress(OSError):
            if not segment.left:
                segment.path.unlink()
            os.close(segment.descriptor)
        self.has_left = self.has_left or segment.left

    def close(self) -> None:
        """Lets go of all segments: what did not arrive stays for the next process."""
        for segment in list(self._segments):
            segment.left = segment.left or segment.waiting > 0
            self._release(segment)

    def forget(self) -> None:
        """In a forked child: the segments are the parent's."""
        for segment in self._segments:
            with contextlib.suppress(OSError):
                os.close(segment.descriptor)
        self._segments = []

    def leftovers(self) -> Iterator[tuple[list[bytes], Path]]:
        """Segments that nobody owns, locked while they are looked at; remove one with `discard`."""
        self.has_left = False
        if not self.directory.is_dir():
            return
        for path in sorted(self.directory.glob("*.jsonl")):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                continue  # somebody else was faster
            try:
                if _lock(descriptor) and os.fstat(descriptor).st_nlink:
                    yield _whole_lines(path.read_bytes()), path
            finally:
                os.close(descriptor)

    def discard(self, path: Path) -> None:
        """All of a leftover arrived."""
        path.unlink(missing_ok=True)


def _create(directory: Path) -> Segment:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{time.time_ns()}-{os.getpid()}-{os.urandom(4).hex()}.jsonl"
    # Locked before it has its name: nobody must take it for a leftover in between.
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor)
        draft.rename(path)
    except BaseException:
        os.close(descriptor)
        raise
    return Segment(path, descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _whole_lines(data: bytes) -> list[bytes]:
    # A process killed while it wrote leaves half a line at the end.
    return [line for line in data.split(b"\n")[:-1] if line.startswith(b"{") and line.endswith(b"}")]
