"""The HTTP client of all channels: fresh connections, and only to networks that the configuration permits."""

from __future__ import annotations

import socket
from typing import Any

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from monitoring_pipeline.errors import NetworkDenied
from monitoring_pipeline.reach.clients import SharedClients
from monitoring_pipeline.reach.spec import NetworksSpec

__all__ = ["open_session"]


def open_session(networks: NetworksSpec, timeout_s: float) -> ClientSession:
    """A session whose requests fail with NetworkDenied when they lead to a forbidden address, and end in time.

    The address judged is the one connected to, whatever a name resolves to and wherever a redirect leads. A
    connection is used once: one that the provider closed meanwhile would lose a message half the way.
    """
    clients = SharedClients(networks)

    def permitted_socket(address: Any) -> socket.socket:
        if not clients.permits(address[4][0]):
            raise NetworkDenied(f"{address[4][0]} lies in a network that execution.networks forbids")
        return socket.socket(address[0], address[1], address[2])

    connector = TCPConnector(force_close=True, limit=0, use_dns_cache=False, socket_factory=permitted_socket)
    return ClientSession(connector=connector, cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=timeout_s))
