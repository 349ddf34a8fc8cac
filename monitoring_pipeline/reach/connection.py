"""Opening connections for probes: look the name up, ask the network policy, connect, start TLS.

Every probe that opens its own connection comes through here, so the policy cannot be bypassed by a
redirect or by a name that changes its address between the question and the connection: what was
permitted is exactly what is connected to. Names are looked up afresh each time, because a monitor
that remembers addresses cannot see DNS fail. Errors leave in words for people: `SourceFailure` when
the other side is at fault, `CheckError` when this machine is.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from monitoring_pipeline.errors import CheckError, NetworkDenied, SourceFailure

if TYPE_CHECKING:
    from monitoring_pipeline.reach.context import ReachContext

__all__ = ["Phases", "addresses_of", "connect", "failure_of", "is_address", "place", "start_tls", "tls_context"]

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for.
_NO_CHECK_TIME = 0x200000
_OUR_FAULT = {
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
    errno.EADDRNOTAVAIL: "this machine has no free local port or address for the connection",
    errno.EACCES: "this machine forbids the connection",
    errno.EPERM: "this machine forbids the connection",
    errno.ENOBUFS: "this machine has no network buffers left",
}


class Phases:
    """How long the phases of a probe took, in milliseconds; None for a phase that did not happen.

    Phases that happen more than once (redirects) add up.
    """

    __slots__ = ("address", "connect_ms", "dns_ms", "first_byte_ms", "tls_ms")

    def __init__(self) -> None:
        self.dns_ms: float | None = None
        self.connect_ms: float | None = None
        self.tls_ms: float | None = None
        self.first_byte_ms: float | None = None
        self.address = ""

    def add(self, phase: str, begun: float, ended: float | None = None) -> None:
        """Adds the time from `begun` until `ended` (or now), both of `time.perf_counter()`."""
        spent = ((perf_counter() if ended is None else ended) - begun) * 1000
        setattr(self, phase, spent + (getattr(self, phase) or 0.0))

    def values(self) -> dict[str, float]:
        """The phases that happened, by name."""
        names = ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@lru_cache(maxsize=8192)
def is_address(host: str) -> bool:
    """Whether `host` is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=8192)
def place(host: str, port: int) -> str:
    """`host:port` as people read it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def failure_of(error: OSError, where: str) -> SourceFailure | CheckError:
    """The error of a connection to `where` in words; a CheckError when this machine is at fault."""
    if isinstance(error, ssl.SSLError):
        return SourceFailure(_tls_words(error, where))
    if error.errno in _OUR_FAULT:
        return CheckError(f"cannot connect to {where}: {_OUR_FAULT[error.errno]}")
    if isinstance(error, ConnectionRefusedError):
        return SourceFailure(f"connection refused by {where}")
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return SourceFailure(f"{where} reset the connection")
    if isinstance(error, ConnectionAbortedError):
        return SourceFailure(f"{where} ended the connection too early")
    if isinstance(error, TimeoutError):
        return SourceFailure(f"no answer from {where}")
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return SourceFailure(f"no route to {where}")
    return SourceFailure(f"cannot connect to {where}: {error.strerror or type(error).__name__}")


def _tls_words(error: ssl.SSLError, where: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {where} is not trusted: {error.verify_message}"
    if error.reason in ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return f"{where} does not speak TLS"
    return f"TLS with {where} failed: {(error.reason or 'unknown error').replace('_', ' ').lower()}"


def _lookup_failure(error: OSError, host: str) -> SourceFailure | CheckError:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return CheckError(f"the name {host} cannot be looked up: the resolver of this machine does not answer")
    return SourceFailure(f"the name {host} does not resolve")


async def addresses_of(context: ReachContext, host: str, port: int) -> Sequence[str]:
    """The permitted addresses of `host`, at least one.

    Raises NetworkDenied for a forbidden one, SourceFailure for a name that does not exist, and
    CheckError when the resolver of this machine fails.
    """
    if is_address(host):
        if not context.clients.permits(host):
            raise NetworkDenied(f"{host} lies in a network that execution.networks forbids")
        return (host,)
    try:
        addresses = await context.clients.permit(host, port)
    except (OSError, UnicodeError) as error:
        raise _lookup_failure(error if isinstance(error, OSError) else OSError(), host) from error
    if not addresses:
        raise SourceFailure(f"the name {host} has no address")
    return addresses


async def connect(
    context: ReachContext, host: str, port: int, protocol: asyncio.BaseProtocol, phases: Phases
) -> asyncio.Transport:
    """A TCP connection of `protocol` to the first address of `host` that accepts one.

    Fills `dns_ms` (only for a name), `connect_ms` and `address` of `phases`. Raises what
    `addresses_of` raises, and `failure_of` the last address tried.
    """
    begun = perf_counter()
    addresses = await addresses_of(context, host, port)
    resolved = perf_counter()
    if not is_address(host):
        phases.add("dns_ms", begun, resolved)
    # With several addresses, one that never answers must leave time for the others.
    share = context.timeout_s / len(addresses) if len(addresses) > 1 else None
    for position, address in enumerate(addresses):
        last = position == len(addresses) - 1
        try:
            transport = await _connect_to(address, port, protocol, None if last else share)
        except OSError as error:
            if last:
                raise failure_of(error, place(host, port)) from error
        else:
            phases.add("connect_ms", resolved)
            phases.address = address
            return transport
    raise AssertionError("unreachable: the last address returns or raises")


async def _connect_to(
    address: str, port: int, protocol: asyncio.BaseProtocol, share: float | None
) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    if share is None:
        transport, _ = await loop.create_connection(lambda: protocol, address, port)
    else:
        async with asyncio.timeout(share):
            transport, _ = await loop.create_connection(lambda: protocol, address, port)
    return transport


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    context: ssl.SSLContext,
    server_name: str,
    where: str,
    phases: Phases,
) -> asyncio.Transport:
    """The TLS transport over `transport`; fills `tls_ms`. Raises SourceFailure in words."""
    begun = perf_counter()
    loop = asyncio.get_running_loop()
    try:
        secured = await loop.start_tls(transport, protocol, context, server_hostname=server_name)
    except OSError as error:
        transport.abort()
        raise failure_of(error, where) from error
    if secured is None:
        raise SourceFailure(f"{where} closed the connection during the TLS handshake")
    phases.add("tls_ms", begun)
    return secured


def tls_context(
    verify: bool, ca_file: Path | None = None, *, check_hostname: bool = True, check_time: bool = True
) -> ssl.SSLContext:
    """A shared client context; with `ca_file`, only its authorities are trusted.

    Host name and dates can be left out of the verification, to judge them apart. Raises CheckError
    when `ca_file` cannot be read. A file that changes is read again.
    """
    try:
        stamp = ca_file.stat().st_mtime_ns if ca_file is not None else 0
        return _tls_context(verify, ca_file, check_hostname, check_time, stamp)
    except (OSError, ssl.SSLError) as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise CheckError(f"the CA file {ca_file} cannot be read: {reason}") from error


@lru_cache(maxsize=256)
def _tls_context(
    verify: bool,
    ca_file: Path | None,
    check_hostname: bool,
    check_time: bool,
    stamp: int,
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.check_hostname = verify and check_hostname
    if not verify:
        context.verify_mode = ssl.CERT_NONE
    if not check_time:
        context.verify_flags |= _NO_CHECK_TIME
    return context
