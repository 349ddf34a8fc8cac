"""The machine itself: processors, memory, each real disk, the name servers it asks, its time zone."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from monitoring_pipeline.discovery.found import Found
from monitoring_pipeline.discovery.trial import Trial
from monitoring_pipeline.reach.machine import mounts

__all__ = ["find_machine", "name_servers", "time_zone"]

_RESOLV = Path("/etc/resolv.conf")
_LOCAL_TIME = Path("/etc/localtime")


async def find_machine(trial: Trial) -> list[Found]:
    """The machine with one check per disk, and the name servers that answer."""
    found = [await _machine(trial)]
    servers = await asyncio.gather(*(_name_server(trial, server) for server in name_servers()))
    return found + [server for server in servers if server is not None]


async def _machine(trial: Trial) -> Found:
    paths = await asyncio.to_thread(mounts)
    # Load rather than the processors' momentary use: a burst, such as our own start, is no trouble.
    conditions = ["memory_percent < 97", {"warning": "memory_percent < 90"}, {"warning": "load_per_core < 3"}]
    checks: list[dict[str, Any]] = [
        {"id": "resources", "kind": "resources", "watch": ["cpu", "memory", "load"], "conditions": conditions}
    ]
    checks += [
        {"id": _disk_id(path), "kind": "resources", "watch": ["disk"], "path": path, "interval": "1m"} for path in paths
    ]
    status, message = await trial.run("machine", checks)
    source = {
        "id": "machine",
        "name": socket.gethostname(),
        "component": "machine",
        "description": f"This machine: processors, memory, {len(paths)} disk{'s' if len(paths) > 1 else ''}",
        "criticality": "high",
        "checks": checks,
    }
    return Found("machine", "processors, memory, disks", ", ".join(paths), source, status, message)


def _disk_id(path: str) -> str:
    """`disk` for the root, `disk-var-lib` for /var/lib."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "-" for c in path.strip("/"))
    return f"disk-{kept}" if kept.strip("-") else "disk"


async def _name_server(trial: Trial, server: str) -> Found | None:
    """A name server that knows a public name; one that does not is no source, only a closed network."""
    address = f"[{server}]:53" if ":" in server else server
    check = {"kind": "dns", "name": "example.com", "server": address, "interval": "1m"}
    status, message = await trial.run("name-server", [check])
    if status != "healthy":
        return None
    source = {
        "id": f"name-server-{server.replace(':', '-')}",
        "name": f"Name server {server}",
        "component": "machine",
        "checks": [check],
    }
    return Found("machine", "name server", server, source, status, message)


def name_servers(resolv: Path = _RESOLV) -> list[str]:
    """The addresses of the name servers this machine asks, without those on itself."""
    try:
        lines = resolv.read_text().splitlines()
    except OSError:
        return []
    named = [words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver"]
    found = []
    for name in named:
        try:
            address = ipaddress.ip_address(name.split("%", 1)[0])
        except ValueError:
            continue
        if not address.is_loopback and name not in found:
            found.append(name)
    return found


def time_zone() -> str:
    """The name of this machine's time zone, UTC where it has none."""
    linked = str(_LOCAL_TIME.resolve()).partition("zoneinfo/")[2]
    for name in (os.environ.get("TZ", "").lstrip(":"), linked):
        if name in available_timezones():
            return name
    return "UTC"
