"""What this machine says of itself: plain readings of its counters. Blocking: call it in a thread.

Counters that only grow (CPU time, bytes moved) become rates between two readings, never a value of
psutil's own memory, which other probes of the process would share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psutil

__all__ = ["Counters", "Mount", "count_files", "measure_mount", "mounts", "rates", "read_counters"]

# Images and the like: always full, by design.
_ALWAYS_FULL = {"squashfs", "iso9660", "udf", "erofs", "cramfs"}


@dataclass(frozen=True, slots=True)
class Counters:
    """Everything that only grows, at one moment of the monotonic clock (seconds)."""

    at: float
    busy_s: float = 0.0
    total_s: float = 0.0
    disk: tuple[int, int] | None = None
    network: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    processes: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mount:
    """How full one file system is."""

    path: str
    percent: float
    free_bytes: int
    total_bytes: int
    inodes_percent: float | None


def read_counters(groups: Collection[str], processes: Collection[psutil.Process] = ()) -> Counters:
    """One reading of the counters that the watched groups (cpu, io, network, process) need."""
    import psutil

    busy, total = _cpu(psutil.cpu_times()) if "cpu" in groups else (0.0, 0.0)
    disk = psutil.disk_io_counters() if "io" in groups else None
    network = psutil.net_io_counters(pernic=True) if "network" in groups else {}
    return Counters(
        at=time.monotonic(),
        busy_s=busy,
        total_s=total,
        disk=(disk.read_bytes, disk.write_bytes) if disk else None,
        network={name: (nic.bytes_sent, nic.bytes_recv) for name, nic in network.items() if name != "lo"},
        processes=_process_times(processes),
    )


def _cpu(times: Any) -> tuple[float, float]:
    # Time of guests is contained in user and nice already; waiting for a disk is not work.
    waiting = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    total = sum(times) - guests
    return total - waiting, total


def _process_times(processes: Collection[psutil.Process]) -> dict[int, float]:
    import psutil

    found = {}
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        found[process.pid] = times.user + times.system
    return found


def rates(before: Counters, after: Counters) -> dict[str, float]:
    """cpu_percent, disk and network bytes per second, process_cpu_percent (100 is one core) between two readings.

    A counter that fell was reset in between and gives no rate.
    """
    seconds = after.at - before.at
    found: dict[str, float] = {}
    if after.total_s > before.total_s:
        share = 100 * (after.busy_s - before.busy_s) / (after.total_s - before.total_s)
        found["cpu_percent"] = min(100.0, max(0.0, share))
    if seconds <= 0:
        return found
    if before.disk and after.disk:
        _rate(found, "disk_read_bytes_s", after.disk[0] - before.disk[0], seconds)
        _rate(found, "disk_write_bytes_s", after.disk[1] - before.disk[1], seconds)
    both = before.network.keys() & after.network.keys()
    if both:
        _rate(found, "net_sent_bytes_s", sum(after.network[n][0] - before.network[n][0] for n in both), seconds)
        _rate(found, "net_recv_bytes_s", sum(after.network[n][1] - before.network[n][1] for n in both), seconds)
    same = before.processes.keys() & after.processes.keys()
    if same:
        spent = sum(after.processes[pid] - before.processes[pid] for pid in same)
        _rate(found, "process_cpu_percent", 100 * spent, seconds)
    return found


def _rate(found: dict[str, float], name: str, difference: float, seconds: float) -> None:
    if difference >= 0:
        found[name] = difference / seconds


def mounts() -> list[str]:
    """The mount points of real file systems, each device once; "/" where none are told (in containers)."""
    import psutil

    found: dict[str, str] = {}
    for part in psutil.disk_partitions(all=False):
        if part.fstype not in _ALWAYS_FULL and (
            part.device not in found or len(part.mountpoint) < len(found[part.device])
        ):
            found[part.device] = part.mountpoint
    return sorted(found.values()) or ["/"]


def measure_mount(path: str) -> Mount:
    """How full the file system of `path` is, as `df` counts. Raises OSError."""
    import psutil

    usage = psutil.disk_usage(path)
    inodes = os.statvfs(path)
    # Some file systems have no fixed number of inodes and say zero.
    percent = 100 * (1 - inodes.f_favail / inodes.f_files) if inodes.f_files else None
    return Mount(path, usage.percent, usage.free, usage.total, percent)


def count_files(path: Path = Path("/proc/sys/fs/file-nr")) -> tuple[int, int]:
    """Open files of the whole system and their limit. Raises OSError where the kernel does not tell."""
    used, free, limit = (int(number) for number in path.read_text().split())
    return used - free, limit
