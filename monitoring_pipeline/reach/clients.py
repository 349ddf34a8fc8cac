"""Clients that the probes of one run share, and the networks they may reach."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from monitoring_pipeline.reach.spec import NetworksSpec

__all__ = ["SharedClients"]


class SharedClients:
    """Opens each shared client once, at its first use, and closes all of them at the end."""

    def __init__(self, networks: NetworksSpec) -> None:
        self._networks = networks
        self._clients: dict[str, asyncio.Future[Any]] = {}
        self._verdicts: dict[str, bool] = {}

    async def get(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """The client called `name`, made by `make` when nobody asked for it before."""
        found = self._clients.get(name)
        if found is None:
            found = self._clients[name] = asyncio.ensure_future(make())
            try:
                return await found
            except BaseException:
                self._clients.pop(name, None)
                raise
        return await asyncio.shield(found)

    def permits(self, address: str) -> bool:
        """Whether an IP address may be reached. The allow list narrows, the deny list always wins."""
        verdict = self._verdicts.get(address)
        if verdict is None:
            verdict = self._verdicts[address] = self._judge(address)
        return verdict

    def _judge(self, address: str) -> bool:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if any(ip in network for network in self._networks.deny):
            return False
        return not self._networks.allow or any(ip in network for network in self._networks.allow)

    async def permit(self, host: str, port: int | None = None) -> Sequence[str]:
        """The addresses of a host. Raises NetworkDenied when one of them is forbidden, SourceFailure
        when the name does not resolve."""
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SourceFailure(f"the name {host} does not resolve: {reason}") from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        for address in addresses:
            if not self.permits(address):
                raise NetworkDenied(f"{host} ({address}) lies in a network that execution.networks forbids")
        return addresses

    async def close(self) -> None:
        """Closes every client that was opened."""
        clients, self._clients = self._clients, {}
        for made in clients.values():
            with contextlib.suppress(Exception):
                closing = getattr(await made, "close", lambda: None)()
                if inspect.isawaitable(closing):
                    await closing
