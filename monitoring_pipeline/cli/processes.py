"""Child processes of `busta up`: started, stopped, restarted and found again after our own death.

Every child leads a process group of its own, so that what it started can be stopped with it, Ctrl-C in
the terminal reaches only us, and monitoring goes on when we are killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitoring_pipeline.errors import MonitoringError

__all__ = ["Address", "Child", "Ledger", "Program", "answers", "birth", "rotate", "stop_groups"]

Address = tuple[str, int] | Path
"""Where a program listens: host and port, or the path of a Unix socket."""

MAX_LOG_BYTES = 10_000_000
KEPT_LOGS = 3
GRACE_S = 12.0


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, and where it answers once it is ready (None: it listens nowhere).

    `on_change` is the signal that makes way for a fresh start when the configuration changed. It goes
    to the process alone: SIGKILL leaves runs that the code server started untouched, where SIGTERM
    would have it wait for them and launch none meanwhile.
    """

    name: str
    command: tuple[str, ...]
    ready: Address | None = None
    on_change: signal.Signals | None = None


def answers(address: Address) -> bool:
    """Whether something accepts connections at an address."""
    try:
        if isinstance(address, Path):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(address))
        else:
            socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def birth(pid: int) -> str | None:
    """When a living process started, as a text no other process ever has; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] == "Z" else f"{boot}:{fields[19]}"


def rotate(log: Path) -> None:
    """Moves a log aside once it is large. It is copied and emptied: whoever appends to it goes on."""
    if not log.exists() or log.stat().st_size < MAX_LOG_BYTES:
        return
    for number in range(KEPT_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)


class Child:
    """One program under supervision: `look` starts it again when it died, after a growing pause."""

    def __init__(self, program: Program, *, log: Path, directory: Path, environment: Mapping[str, str]) -> None:
        self.program = program
        self.restarts = 0
        self._log = log
        self._directory = directory
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause_s = 1.0
        self._start_at = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id, None while it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def ready(self) -> bool:
        """Whether it runs and answers."""
        return self.pid is not None and (self.program.ready is None or answers(self.program.ready))

    def start(self) -> None:
        """Starts it now; its output is appended to its log.

        Call it with handlers installed for SIGINT and SIGTERM. A child inherits signals that are ignored,
        as in a background job of a non-interactive shell, and Dagster with SIGINT ignored ignores SIGTERM
        too; of signals with a handler the child gets the default.
        """
        rotate(self._log)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                self.program.command, cwd=self._directory, env=self._environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._started = time.monotonic()

    def look(self) -> str | None:
        """Notices its death and starts it again when its pause is over; answers what to tell people."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self.start()
            return None
        code = self._process.poll()
        if code is None:
            rotate(self._log)
            return None
        if now - self._started > 60:
            self._pause_s = 1.0
        pause, self._pause_s = self._pause_s, min(10.0, self._pause_s * 2)
        self._process, self._start_at = None, now + pause
        self.restarts += 1
        return f"{self.program.name} ended ({_ending(code)}); starting it again in {pause:.0f} s, see {self._log}"

    def renew(self) -> None:
        """Lets it start afresh with what is configured now."""
        if self.program.on_change is None or self._process is None or self.pid is None:
            return
        self._process.send_signal(self.program.on_change)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.start()


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


def stop_groups(groups: Iterable[int], grace_s: float = GRACE_S) -> None:
    """Ends process groups: SIGTERM, and SIGKILL for what is left after the grace."""
    left = [group for group in groups if _signal_group(group, signal.SIGTERM)]
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [group for group in left if _alive(group)]
    for group in left:
        _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, name: int) -> bool:
    try:
        os.killpg(group, name)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _alive(group: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-group, os.WNOHANG)
    return _signal_group(group, 0)


class Ledger:
    """Who supervises an installation, and which children it has: survives the supervisor's death.

    The lock is held for as long as the supervisor lives, however it dies; the file next to it names
    the children, so that the next supervisor finds those an earlier one left behind.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / "up.json"
        self._lock_file = directory / "up.lock"
        self._lock: int | None = None

    def take(self) -> None:
        """Becomes the supervisor. Raises MonitoringError while another one lives."""
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.read(lock, 32).decode().strip() or "unknown"
            os.close(lock)
            raise MonitoringError(f"`busta up` runs already for {self._file.parent} (process {pid})") from None
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self._lock = lock

    def orphans(self) -> list[int]:
        """Process groups that an earlier supervisor left running."""
        try:
            children = json.loads(self._file.read_text())["children"]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return [child["pid"] for child in children if birth(child["pid"]) == child["birth"]]

    def write(self, children: Sequence[Child]) -> None:
        """Notes the children that run now."""
        running = [(child.program.name, child.pid) for child in children]
        known = [{"name": name, "pid": pid, "birth": birth(pid)} for name, pid in running if pid is not None]
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps({"supervisor": os.getpid(), "children": known}))
        partial.replace(self._file)

    def release(self) -> None:
        """Ends supervision: there are no children any more."""
        self._file.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
