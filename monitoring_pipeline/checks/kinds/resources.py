"""The `resources` kind: this machine's CPU, memory, disks, network, load, files and processes."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.checks.check import Check, Measure, Probe, ProbeContext
from monitoring_pipeline.checks.condition import Condition
from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.reach.machine import Counters, count_files, measure_mount, mounts, rates, read_counters
from monitoring_pipeline.reach.threads import in_thread
from monitoring_pipeline.records import CheckType

if TYPE_CHECKING:
    import psutil

__all__ = ["ResourcesCheck"]

Group = Literal["cpu", "memory", "disk", "io", "network", "load", "files", "process"]

_RATES_NEED = {"cpu", "io", "network", "process"}
_SHORTEST_S = 0.25
_LONGEST_S = 900.0
_INTERPRETER = re.compile(r"(python|pypy|node|ruby|perl|php|bash|sh|dash)[\d.]*$")
_GROUP_OF = {"cpu_percent": "cpu", "memory_percent": "memory", "disk_percent": "disk", "process_running": "process"}


class ResourcesCheck(Check):
    """Measures this machine.

    Values by group. cpu: `cpu_percent`, `cores`. memory: `memory_percent`,
    `memory_available_bytes`, `swap_percent`. disk: `disk_percent`, `disk_free_bytes`,
    `disk_inodes_percent`, each of the worst file system, and as a metric of each one with the tag
    `mount`; `path` chooses one. io: `disk_read_bytes_s`, `disk_write_bytes_s`. network:
    `net_sent_bytes_s`, `net_recv_bytes_s` (without loopback). load: `load1`, `load5`, `load15`,
    `load_per_core` (of five minutes). files: `open_files`, `open_files_percent`. process:
    `processes`, and with `process: NAME` also `process_running`, `process_count`,
    `process_cpu_percent` (100 is one core), `process_memory_mb`, `process_open_files`.

    Rates are averages since the check's probe before this one, or over a quarter of a second at its
    first. A default condition on a group that is not watched does not apply.
    """

    kind: Literal["resources"]
    type: CheckType = Field(CheckType.CAPACITY, description="What the check is about.")
    watch: tuple[Group, ...] = Field(
        ("cpu", "memory", "disk", "load"), min_length=1, description="Groups of values to measure."
    )
    path: str | None = Field(None, description="Watch only the file system that holds this path.")
    process: str | None = Field(None, min_length=1, description="Name of a program that must be running.")

    metrics: ClassVar[Mapping[str, str]] = {
        "cpu_percent": "%",
        "memory_percent": "%",
        "memory_available_bytes": "bytes",
        "swap_percent": "%",
        "disk_percent": "%",
        "disk_free_bytes": "bytes",
        "disk_inodes_percent": "%",
        "disk_read_bytes_s": "bytes/s",
        "disk_write_bytes_s": "bytes/s",
        "net_sent_bytes_s": "bytes/s",
        "net_recv_bytes_s": "bytes/s",
        "load1": "",
        "load5": "",
        "load15": "",
        "load_per_core": "",
        "open_files": "files",
        "open_files_percent": "%",
        "processes": "processes",
        "process_count": "processes",
        "process_cpu_percent": "%",
        "process_memory_mb": "MB",
        "process_open_files": "files",
    }
    default_conditions: ClassVar[tuple[str, ...]] = (
        "memory_percent < 97",
        "disk_percent < 95",
        "process_running == true",
    )
    default_warnings: ClassVar[tuple[str, ...]] = ("cpu_percent < 95", "memory_percent < 90", "disk_percent < 85")
    remote: ClassVar[bool] = False

    def critical_conditions(self) -> tuple[Condition, ...]:
        """As of every check, without defaults on what is not watched."""
        return self._applying(super().critical_conditions())

    def warning_conditions(self) -> tuple[Condition, ...]:
        """As of every check, without defaults on what is not watched."""
        return self._applying(super().warning_conditions())

    def _applying(self, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        if self.conditions:
            return conditions
        absent = {name for name, group in _GROUP_OF.items() if group not in self._groups()} - set(self.thresholds)
        if self.process is None:
            absent.add("process_running")
        return tuple(condition for condition in conditions if not absent & set(condition.names))

    def _groups(self) -> set[str]:
        # Naming a process or a path is asking for it.
        named = {"process"} if self.process else set()
        return set(self.watch) | named | ({"disk"} if self.path else set())

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        import psutil  # noqa: F401 - brought in

    async def probe(self, context: ProbeContext) -> Probe:
        """See the class."""
        groups = self._groups()
        before = await context.clients.get(f"resources {context.key}", _last_reading)
        found = await in_thread(_measure, groups, self.path, self.process)
        if groups & _RATES_NEED:
            found.values.update(await self._rates(groups, found.matching, before))
        return Probe(found.values, tuple(found.measures), found.details, tuple(found.warnings))

    async def _rates(self, groups: set[str], matching: list[psutil.Process], last: _LastReading) -> dict[str, float]:
        reading = last.counters
        if reading is None or not _SHORTEST_S <= time.monotonic() - reading.at <= _LONGEST_S:
            reading = await in_thread(read_counters, groups, matching)
            await asyncio.sleep(_SHORTEST_S)
        last.counters = await in_thread(read_counters, groups, matching)
        return rates(reading, last.counters)


@dataclass(slots=True)
class _LastReading:
    """The counters as the probe before left them."""

    counters: Counters | None = None

    def close(self) -> None:
        """Nothing is open."""


async def _last_reading() -> _LastReading:
    return _LastReading()


@dataclass(slots=True)
class _Found:
    values: dict[str, Any] = field(default_factory=dict)
    measures: list[Measure] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    matching: list[psutil.Process] = field(default_factory=list)


def _measure(groups: set[str], path: str | None, process: str | None) -> _Found:
    found = _Found()
    plain: dict[str, Callable[[], Mapping[str, float]]] = {
        "cpu": lambda: {"cores": _cores()},
        "memory": _memory,
        "load": _load,
        "files": _files,
    }
    for group in groups & plain.keys():
        found.values.update(plain[group]())
    if "disk" in groups:
        _disks(found, path)
    if "process" in groups:
        _processes(found, process)
    return found


def _cores() -> int:
    return os.cpu_count() or 1


def _memory() -> dict[str, float]:
    import psutil

    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "memory_percent": memory.percent,
        "memory_available_bytes": memory.available,
        "swap_percent": swap.percent,
    }


def _load() -> dict[str, float]:
    load1, load5, load15 = os.getloadavg()
    return {"load1": load1, "load5": load5, "load15": load15, "load_per_core": load5 / _cores()}


def _files() -> dict[str, float]:
    used, limit = count_files()
    return {"open_files": used, "open_files_percent": 100 * used / limit}


def _disks(found: _Found, path: str | None) -> None:
    measured = []
    for place in [path] if path else mounts():
        try:
            measured.append(measure_mount(place))
        except OSError as error:
            if path:
                raise SourceFailure(f"{path} cannot be looked at: {error.strerror}") from None
            found.warnings.append(f"the file system at {place} cannot be looked at: {error.strerror}")
    for mount in measured:
        tags = {"mount": mount.path}
        found.measures.append(Measure("disk_percent", mount.percent, "%", tags))
        found.measures.append(Measure("disk_free_bytes", mount.free_bytes, "bytes", tags))
    if not measured:
        return
    fullest = max(measured, key=lambda mount: mount.percent)
    found.values |= {"disk_percent": fullest.percent, "disk_free_bytes": min(mount.free_bytes for mount in measured)}
    inodes = [mount.inodes_percent for mount in measured if mount.inodes_percent is not None]
    if inodes:
        found.values["disk_inodes_percent"] = max(inodes)
    found.details["fullest"] = fullest.path
    found.details["disks"] = {mount.path: f"{mount.percent:.0f}%" for mount in measured[:20]}


def _processes(found: _Found, name: str | None) -> None:
    import psutil

    if name is None:
        found.values["processes"] = len(psutil.pids())
        return
    count = 0
    for process in psutil.process_iter(["name", "cmdline", "status"]):
        count += 1
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and _is_called(name, process.info["name"], process.info["cmdline"] or []):
            found.matching.append(process)
    found.values |= {"processes": count, "process_count": len(found.matching)}
    found.values["process_running"] = bool(found.matching)
    found.values |= _sums(found.matching)
    found.details["pids"] = [process.pid for process in found.matching[:20]]


def _is_called(name: str, own: str | None, command: list[str]) -> bool:
    if own == name:
        return True
    # A script's process may bear the interpreter's name; the script then comes first in its arguments.
    names = [PurePath(part).name for part in command[:2]]
    return name in (names if names and _INTERPRETER.match(names[0]) else names[:1])


def _sums(processes: list[psutil.Process]) -> dict[str, float]:
    """Memory and open files of all; a figure that we may not see of any of them is left out."""
    import psutil

    sums: dict[str, float] = {}
    try:
        sums["process_memory_mb"] = sum(process.memory_info().rss for process in processes) / 1024 / 1024
        sums["process_open_files"] = sum(process.num_fds() for process in processes)
    except psutil.Error:
        pass
    return sums
