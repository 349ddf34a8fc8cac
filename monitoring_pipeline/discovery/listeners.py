"""TCP ports that somebody on this machine listens at, and what speaks there."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Listener", "identify", "listeners"]

_ANSWER_S = 0.5  # everything here is on this machine
_PAGE_S = 1.5  # a page may have to be made first
_BANNER_S = 0.4
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_WELL_KNOWN = {
    22: "ssh", 25: "smtp", 80: "http", 443: "https", 1883: "mqtt", 3306: "mysql", 4222: "nats", 4369: "epmd",
    5432: "postgresql", 5672: "amqp", 6379: "redis",
}  # fmt: skip
_SILENT = {"epmd"}  # known by their port alone: talking another language to them only fills their logs


@dataclass(frozen=True, slots=True)
class Listener:
    """Where it listens, the program's name where the system tells, and the protocol (empty: not known)."""

    host: str
    port: int
    program: str = ""
    protocol: str = ""


def listeners(*, also: Collection[int] = (), without: Collection[int] = ()) -> list[Listener]:
    """Everything that listens on loopback or on all addresses, once per port, without a protocol yet.

    Ports that the system hands out by itself belong to something that will be gone tomorrow: they are
    left out unless `also` names them.
    """
    import psutil

    temporary = _temporary_ports()
    found: dict[int, Listener] = {}
    for connection in psutil.net_connections("tcp"):
        address = connection.laddr
        if connection.status != psutil.CONN_LISTEN or not address or address.port in without:
            continue
        if address.port in temporary and address.port not in also:
            continue
        host = _reachable(address.ip)
        known = found.get(address.port)
        if host and (known is None or (known.host == "::1" and host == "127.0.0.1")):
            found[address.port] = Listener(host, address.port, _program(connection.pid))
    return [found[port] for port in sorted(found)]


def _temporary_ports() -> range:
    try:
        low, high = map(int, _PORT_RANGE.read_text().split())
    except (OSError, ValueError):
        low, high = 32768, 60999
    return range(low, high + 1)


def _reachable(ip: str) -> str | None:
    """The loopback address that reaches a listener; None when only other addresses do."""
    if ip == "0.0.0.0" or ip.startswith("127."):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    if ip in ("::", "::1"):
        return "::1" if ip == "::1" else "127.0.0.1"
    return None


def _program(pid: int | None) -> str:
    import psutil

    with contextlib.suppress(psutil.Error, TypeError):
        return str(psutil.Process(pid).name()) if pid else ""
    return ""


def identify(listener: Listener) -> str:
    """The protocol spoken at a listener, found out by speaking it; empty when nothing known answers."""
    hint = _WELL_KNOWN.get(listener.port, "")
    if hint in _SILENT:
        return hint
    with contextlib.suppress(OSError):
        greeted = _greeting(_exchange(listener, b"", _BANNER_S))
        if greeted:
            return greeted
    order = sorted(_TALKS, key=lambda name: name != hint)
    for name in order:
        with contextlib.suppress(OSError, ValueError):
            answer = _TALKS[name](listener)
            if answer:
                return answer
    return ""


def _exchange(listener: Listener, message: bytes, wait_s: float = _ANSWER_S) -> bytes:
    """What comes back within `wait_s` seconds, at most a few kilobytes."""
    with socket.create_connection((listener.host, listener.port), timeout=_ANSWER_S) as client:
        if message:
            client.sendall(message)
        client.settimeout(wait_s)
        with contextlib.suppress(TimeoutError):
            return client.recv(4096)
    return b""


def _greeting(data: bytes) -> str:
    """Who speaks first tells who it is."""
    if data.startswith(b"SSH-"):
        return "ssh"
    if data.startswith(b"INFO {"):
        return "nats"
    if data.startswith(b"220") and b"SMTP" in data.upper():
        return "smtp"
    if len(data) > 5 and (data[4] == 10 or (data[4] == 255 and b"MariaDB" in data)):
        return "mysql"
    return ""


def _http(listener: Listener) -> str:
    answer = _exchange(listener, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", _PAGE_S)
    if not answer.startswith(b"HTTP/"):
        return ""
    return "https" if b" 400 " in answer[:20] and b"HTTPS" in answer else "http"


def _redis(listener: Listener) -> str:
    answer = _exchange(listener, b"PING\r\n")
    return "redis" if answer.startswith((b"+PONG", b"-NOAUTH", b"-DENIED")) else ""


def _postgresql(listener: Listener) -> str:
    # SSLRequest: the one message that every PostgreSQL answers with a single letter before any log-in.
    return "postgresql" if _exchange(listener, struct.pack(">II", 8, 80877103)) in (b"S", b"N") else ""


def _amqp(listener: Listener) -> str:
    answer = _exchange(listener, b"AMQP\x00\x00\x09\x01")
    return "amqp" if answer.startswith((b"AMQP", b"\x01\x00\x00")) else ""


def _mqtt(listener: Listener) -> str:
    hello = b"\x00\x04MQTT\x04\x02\x00\x0a\x00\x0abusta-init"
    return "mqtt" if _exchange(listener, bytes((0x10, len(hello))) + hello).startswith(b"\x20\x02") else ""


def _https(listener: Listener) -> str:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only whether TLS is spoken is asked here
    with (
        socket.create_connection((listener.host, listener.port), timeout=_ANSWER_S) as client,
        context.wrap_socket(client, server_hostname="localhost"),
    ):
        return "https"


_TALKS: dict[str, Callable[[Listener], str]] = {
    "http": _http,
    "https": _https,
    "redis": _redis,
    "postgresql": _postgresql,
    "amqp": _amqp,
    "mqtt": _mqtt,
}
