"""Processes that are measured: started, asked for their CPU and memory, and stopped."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

__all__ = ["cpu_s", "finished", "free_port", "memory_mb", "peak_mb", "running", "tree_cpu_s", "until_listening"]


def free_port() -> int:
    """A port on loopback that nobody listens on right now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds that the system charged to a process and to those of its children that ended; 0 when it is gone."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def tree_cpu_s(process: psutil.Process) -> float:
    """The same of a process with everything below it.

    Nothing that lived between two calls is lost, however short: when a process ends, the system adds
    what it used to its parent's account.
    """
    try:
        below = process.children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    return sum(map(cpu_s, [process, *below]))


def memory_mb(process: psutil.Process) -> float:
    """Resident memory now, 0 when the process is gone."""
    try:
        return float(process.memory_info().rss / 1e6)
    except psutil.NoSuchProcess:
        return 0.0


def peak_mb(pid: int) -> float:
    """The most resident memory a process ever had, by the kernel's account; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), 0.0)


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, grace_s: float = 60
) -> Iterator[psutil.Process]:
    """A process that is asked to stop at the end, and killed with what is left below it when it does not."""
    with log.open("wb") as output:
        # Without byte code on disk every start would compile everything anew.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**kept, **(environment or {})})
    process = psutil.Process(child.pid)
    try:
        yield process
    finally:
        below = _below(process)
        child.terminate()
        try:
            child.wait(grace_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        _kill(below)


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # it asks the start time too: no stranger is hit
            process.kill()


def until_listening(process: psutil.Process, port: int, log: Path, timeout_s: float = 60) -> None:
    """Waits until something answers at a port. Raises RuntimeError with the end of the log when nothing does."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers at port {port}:\n{log.read_text(errors='replace')[-2000:]}")


def finished(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[float, float, bytes]:
    """Runs a program to its end: wall seconds, CPU seconds of it and its children, and what it printed.

    Raises RuntimeError when it printed nothing: exit codes may tell of what was found and are no failure.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, env={**kept, **(environment or {})}, capture_output=True, check=False)
    wall, after = time.perf_counter() - began, os.times()
    if not done.stdout:
        raise RuntimeError(f"{' '.join(command)} printed nothing:\n{done.stderr.decode(errors='replace')[-2000:]}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used, done.stdout
