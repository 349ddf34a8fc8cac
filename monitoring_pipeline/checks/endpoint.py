"""Where a probe connects to, and why it could not, in words.

`Endpoint` is the host and port of a URL without its secrets; `unreachable` turns what sockets and
client libraries raise into the `SourceFailure` that people read.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from monitoring_pipeline.errors import SourceFailure

__all__ = ["Endpoint", "causes", "tls_context", "unreachable", "unreachable_text"]

_CUT = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, EOFError)
_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The host, port and scheme of a URL; its text holds no user name and no password."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @staticmethod
    def parse(url: str, schemes: Mapping[str, int]) -> Endpoint:
        """Reads a URL whose scheme is one of `schemes` (scheme: default port).

        Raises ValueError with what is allowed, never with the URL, which may hold a password.
        """
        allowed = ", ".join(f"{scheme}://" for scheme in schemes)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(f"not a URL: expected {allowed} with a host and a port between 1 and 65535") from None
        if parts.scheme not in schemes:
            raise ValueError(f"the URL must start with {allowed}")
        if not parts.hostname:
            raise ValueError(f"the URL names no host: expected {parts.scheme}://host:port")
        return Endpoint(parts.scheme, parts.hostname, port or schemes[parts.scheme], parts.path)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def tls_context(ca_file: Path | None, verify: bool) -> ssl.SSLContext:
    """A client's TLS settings: trust the system or `ca_file`; with `verify` false, trust anyone.

    Raises OSError or ssl.SSLError when the file cannot be read.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was raised from, innermost last."""
    seen: set[int] = set()
    left: list[BaseException] = [error]
    while left:
        current = left.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            left.extend(current.exceptions)
        left.extend(cause for cause in (current.__cause__, current.__context__) if cause is not None)


def unreachable(error: BaseException, target: object) -> SourceFailure:
    """The failure to raise when `target` could not be reached or did not answer properly."""
    return SourceFailure(unreachable_text(error, target))


def unreachable_text(error: BaseException, target: object) -> str:
    """Why `target` could not be reached, looking through the errors that client libraries wrap."""
    for cause in reversed(list(causes(error))):
        text = _reason(cause, target)
        if text is not None:
            return text
    detail = str(error).strip().splitlines()
    return f"{target}: {detail[0][:200] if detail else type(error).__name__}"


def _reason(error: BaseException, target: object) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {target} is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake with {target} failed: {(error.reason or 'no TLS there').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return f"the name of {target} does not resolve"
    if isinstance(error, ConnectionRefusedError):
        return f"{target} refused the connection"
    if isinstance(error, (*_CUT, asyncio.IncompleteReadError)):
        return f"{target} closed the connection before it answered"
    if isinstance(error, TimeoutError):
        return f"{target} did not answer in time"
    return _os_reason(error, target) if isinstance(error, OSError) else None


def _os_reason(error: OSError, target: object) -> str:
    # asyncio and some clients fold the errors of several addresses into one text without a number.
    numbers = {error.errno} if error.errno else {int(n) for n in re.findall(r"\[Errno (\d+)\]", str(error))}
    if errno.ECONNREFUSED in numbers:
        return f"{target} refused the connection"
    if errno.ECONNRESET in numbers:
        return f"{target} closed the connection before it answered"
    if numbers & _NO_ROUTE:
        return f"there is no route to {target}"
    return f"{target}: {error.strerror or str(error) or type(error).__name__}"
