"""Examines suites in a process beside ours.

A suite runs code and SQL of others over data of any size: it may hang, crash or eat memory, and Great Expectations
alone takes seconds to import. So a child process does it, one suite after the other. One that takes too long is
killed with its process, the next suite gets a new one, and nobody else notices.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.quality.examine import Order
from monitoring_pipeline.quality.outcome import Examination
from monitoring_pipeline.reach.processes import describe_exit

__all__ = ["Workshop"]

_ROOT = Path(__file__).resolve().parents[2]
_ENTRY = (
    "import sys; sys.path.append(sys.argv[1]); from monitoring_pipeline.quality.worker import main; "
    "main(int(sys.argv[2]), int(sys.argv[3]))"
)
_NO_TRACES = {"GX_ANALYTICS_ENABLED": "false", "TQDM_DISABLE": "1"}


class Workshop:
    """One child process at a time, started when it is first needed. For one thread; a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None
        self._said: IO[bytes] | None = None

    def examine(self, order: Order) -> Examination:
        """What the suite finds. Never raises for the suite's sake: what went wrong is in the examination."""
        line = self._line or self._start()
        try:
            line.send(order)
            if line.poll(order.suite.timeout.total_seconds()):
                found: Examination = line.recv()
                return found
        except (EOFError, ConnectionError):
            return Examination(problem=self._last_words())
        except BaseException:
            self.close()
            raise
        self.close()
        return Examination(problem=f"it took longer than {format_duration(order.suite.timeout)} and was stopped")

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process is
        with theirs:
            argv = [
                sys.executable,
                "-P",
                "-W",
                "ignore",
                "-c",
                _ENTRY,
                str(_ROOT),
                str(theirs.fileno()),
                str(os.getpid()),
            ]
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                argv, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said, pass_fds=(theirs.fileno(),),
                env={**os.environ, **_NO_TRACES}, start_new_session=True,
            )  # fmt: skip
        self._line = ours
        return ours

    def _last_words(self) -> str:
        """Why the process ended; it is gone afterwards."""
        assert self._process is not None  # noqa: S101 - it was started
        assert self._said is not None  # noqa: S101
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        self._said.seek(0)
        lines = self._said.read()[-2000:].decode(errors="replace").strip().splitlines()
        self.close()
        told = f": {lines[-1][:300]}" if lines else ""
        return f"its process ended with {describe_exit(code) if code is not None else 'a closed pipe'}{told}"

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            if self._process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._said is not None:
            self._said.close()
        self._line = self._process = self._said = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
