"""Servers named by a URL and reached through a client library: where they are, why they failed.

`Endpoint` is the host and port of a URL without its secrets; `unreachable` finds the socket error
inside what a client library raised and puts it in the words of `connection.py`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.reach.connection import addresses_of, failure_of, place, tls_context

if TYPE_CHECKING:
    from monitoring_pipeline.reach.context import ReachContext

__all__ = ["Endpoint", "causes", "unreachable"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a URL points. Its text and repr are `host:port`: no user name, no password."""

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @staticmethod
    def parse(url: str, schemes: Mapping[str, int]) -> Endpoint:
        """Reads a URL whose scheme is one of `schemes` (scheme: default port).

        Raises ValueError with what is allowed, never with the URL, which may hold a password.
        """
        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(f"not a URL: expected {allowed} with a host and a port from 1 to 65535") from None
        if parts.scheme not in schemes:
            raise ValueError(f"the URL must start with {allowed}")
        if not parts.hostname:
            raise ValueError(f"the URL names no host: expected {parts.scheme}://host:port")
        name, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
        return Endpoint(parts.scheme, parts.hostname, port or schemes[parts.scheme], name or None, password)

    def __str__(self) -> str:
        return place(self.host, self.port)

    def __repr__(self) -> str:
        return f"Endpoint({self})"

    async def permitted(self, context: ReachContext) -> None:
        """Raises NetworkDenied when it may not be reached, SourceFailure when its name does not resolve."""
        await addresses_of(context, self.host, self.port)

    def tls(self, *, verify: bool, ca_file: Path | None) -> ssl.SSLContext:
        """The TLS settings to reach it with. Raises CheckError when `ca_file` cannot be read."""
        return tls_context(verify, ca_file)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was raised from or while handling, outermost first."""
    seen: set[int] = set()
    left: list[BaseException] = [error]
    while left:
        current = left.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        left.extend(current.exceptions if isinstance(current, BaseExceptionGroup) else ())
        left.extend(cause for cause in (current.__cause__, current.__context__) if cause is not None)


def unreachable(error: BaseException, target: object) -> SourceFailure | CheckError:
    """The error to raise when `target` could not be reached or went away, in words for people."""
    where = str(target)
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, (EOFError, asyncio.IncompleteReadError)):
            return SourceFailure(f"{where} closed the connection before it answered")
        if isinstance(cause, OSError) and type(cause).__module__ in ("builtins", "ssl", "socket"):
            return failure_of(_numbered(cause), where)
    detail = str(error).strip().splitlines()
    return SourceFailure(f"{where} did not answer properly: {detail[0][:200] if detail else type(error).__name__}")


def _numbered(error: OSError) -> OSError:
    """asyncio folds the errors of several addresses into one text: the number of the first is meant."""
    if error.errno is None and not isinstance(error, (TimeoutError, ConnectionError)):
        found = re.search(r"\[Errno (\d+)\]", str(error))
        if found:
            return OSError(int(found[1]), str(error))
    return error
