"""What a probe is given, without a store: facts from dictionaries, clients that forbid chosen networks."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring_pipeline.checks.check import ProbeContext
from monitoring_pipeline.errors import NetworkDenied
from monitoring_pipeline.records import Source, Status


class DictClients:
    """Shared clients in a dictionary; hosts in `denied` may not be reached."""

    def __init__(self) -> None:
        self.opened: dict[str, Any] = {}
        self.denied: set[str] = set()

    async def get(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        if name not in self.opened:
            self.opened[name] = await make()
        return self.opened[name]

    async def permit(self, host: str, port: int | None = None) -> Sequence[str]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in (host, *addresses):
            if address in self.denied:
                raise NetworkDenied(f"{address} lies in a network that `execution.networks` forbids")
        return addresses

    def permits(self, address: str) -> bool:
        return address not in self.denied

    async def close(self) -> None:
        for client in self.opened.values():
            closing = client.close()
            if inspect.isawaitable(closing):
                await closing


@dataclasses.dataclass
class DictFacts:
    """Statuses and beats by key; a key nobody set is unknown and has no beats."""

    statuses: dict[str, Status] = dataclasses.field(default_factory=dict)
    heartbeats: dict[str, list[Mapping[str, Any]]] = dataclasses.field(default_factory=dict)

    def status_of(self, key: str) -> Status:
        return self.statuses.get(key, Status.UNKNOWN)

    def beats(self, key: str, limit: int) -> Sequence[Mapping[str, Any]]:
        return self.heartbeats.get(key, [])[:limit]


@pytest.fixture
async def context():
    clients = DictClients()
    yield ProbeContext(datetime.now(UTC), Source(id="s"), "s/c", 5.0, clients, DictFacts())
    await clients.close()
