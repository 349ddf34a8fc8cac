"""Child processes with bounds: bounded output, and nothing of them left when they end or are given up.

A child gets a session of its own, so the whole process group can be killed. Its output is read to
the end but only its beginning is kept; one that floods is killed. A cancelled caller (its time is
up) kills the group at once. Only a grandchild that opened a session of its own can escape.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["Finished", "describe_exit", "run_bounded"]

FLOOD = 16 * 1024 * 1024
"""Bytes after which a child that keeps writing is killed: draining it would cost us its whole speed."""
_EOF_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class Finished:
    """A child that ended. `exit_code` is negative for a signal; `cut` tells that output was dropped.

    `answer` is what it wrote to the extra descriptor, None when it was given none or wrote too much.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    cut: bool
    flooded: bool
    answer: bytes | None
    duration_ms: float


class _Collector(asyncio.Protocol):
    """Keeps the first `limit` bytes of a pipe and counts the rest."""

    def __init__(self, limit: int, flooded: asyncio.Event) -> None:
        self.limit = limit
        self.kept = bytearray()
        self.seen = 0
        self.flooded = flooded
        self.ended = asyncio.Event()

    @property
    def cut(self) -> bool:
        return self.seen > len(self.kept)

    def data_received(self, data: bytes) -> None:
        self.seen += len(data)
        if len(self.kept) < self.limit:
            self.kept += data[: self.limit - len(self.kept)]
        if self.seen > FLOOD:
            self.flooded.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def run_bounded(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    stdin: bytes = b"",
    max_output: int = 64 * 1024,
    answer_limit: int | None = None,
) -> Finished:
    """Runs a program until it ends, keeping at most `max_output` bytes of each of its outputs.

    With `answer_limit` the child gets one more pipe; the descriptor's number replaces the text
    `{answer_fd}` in `argv`. Raises OSError when the program cannot be started. Cancelling kills the
    process group.
    """
    started = time.perf_counter()
    flooded = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        process, answer_end = _start(argv, env, cwd, stdin, answer_limit is not None)
        stack.callback(_end, process)
        pipes = [(process.stdout, max_output), (process.stderr, max_output)]
        if answer_end is not None:
            pipes.append((answer_end, answer_limit or 0))
        collectors = [await stack.enter_async_context(_collecting(pipe, limit, flooded)) for pipe, limit in pipes]
        await _exited_or_flooded(process, flooded)
        exit_code = _kill_group_and_reap(process)
        with contextlib.suppress(TimeoutError):  # a grandchild that escaped may hold the pipes open
            async with asyncio.timeout(_EOF_GRACE_S):
                for collector in collectors:
                    await collector.ended.wait()
    out, err = collectors[0], collectors[1]
    answer = bytes(collectors[2].kept) if len(collectors) > 2 and not collectors[2].cut else None
    duration_ms = (time.perf_counter() - started) * 1000
    return Finished(
        exit_code, bytes(out.kept), bytes(err.kept), out.cut or err.cut, flooded.is_set(), answer, duration_ms
    )


def _start(
    argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | Path | None, stdin: bytes, answer: bool
) -> tuple[subprocess.Popen[bytes], IO[bytes] | None]:
    with contextlib.ExitStack() as stack:
        given: IO[bytes] | int = subprocess.DEVNULL
        if stdin:  # a file, not a pipe: a child that never reads cannot block us
            file = stack.enter_context(tempfile.TemporaryFile())
            file.write(stdin)
            file.seek(0)
            given = file
        reader = writer = None
        if answer:
            reader, writer = (os.fdopen(fd, mode) for fd, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
            stack.enter_context(writer)
        fd = writer.fileno() if writer else -1
        try:
            process = subprocess.Popen(  # noqa: S603 - an argument list that the operator configured, no shell
                [part.replace("{answer_fd}", str(fd)) if answer else part for part in argv],
                stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=env, cwd=cwd, start_new_session=True, pass_fds=(fd,) if answer else (),
            )  # fmt: skip
        except BaseException:
            if reader:
                reader.close()
            raise
    return process, reader


@contextlib.asynccontextmanager
async def _collecting(pipe: IO[bytes] | None, limit: int, flooded: asyncio.Event) -> AsyncIterator[_Collector]:
    assert pipe is not None  # noqa: S101 - every pipe was asked for
    collector = _Collector(limit, flooded)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: collector, pipe)
    try:
        yield collector
    finally:
        transport.close()


async def _exited_or_flooded(process: subprocess.Popen[bytes], flooded: asyncio.Event) -> None:
    waits = {asyncio.ensure_future(_exited(process.pid)), asyncio.ensure_future(flooded.wait())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _exited(pid: int) -> None:
    """Returns when the process has ended, without reaping it: its number stays ours to kill by."""
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux, or a sandbox without it
        await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:  # not reaped, so the group's number cannot be anyone else's
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _kill_group_and_reap(process: subprocess.Popen[bytes]) -> int:
    _kill_group(process)
    return process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills what is left, and never waits: a process stuck in the kernel is reaped by a thread."""
    _kill_group(process)
    if process.poll() is None:
        threading.Thread(target=process.wait, daemon=True, name=f"reap-{process.pid}").start()


def describe_exit(exit_code: int) -> str:
    """`exit code 3`, or `signal SIGSEGV` for a negative one."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"signal {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"signal {-exit_code}"
