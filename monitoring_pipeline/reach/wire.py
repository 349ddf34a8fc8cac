"""A connection that a probe reads and writes by hand, for protocols small enough not to need a library.

It is opened through `connection.py`, holds little memory however much the other side sends, and
says in words when the other side goes away.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.reach.connection import Phases, connect, failure_of, place, start_tls

if TYPE_CHECKING:
    from monitoring_pipeline.reach.context import ReachContext

__all__ = ["Wire"]

_LIMIT = 256 * 1024


class _Protocol(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        super().eof_received()
        return False  # nobody writes after the other side has finished


class Wire:
    """One connection to `where`; `phases` tells what opening it took. Close it, whatever happens."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.where = place(host, port)
        self.phases = Phases()
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._new_reader()

    def _new_reader(self) -> None:
        self._reader = asyncio.StreamReader(limit=_LIMIT)
        self._protocol = _Protocol(self._reader)

    async def open(self, context: ReachContext) -> None:
        """Connects. Raises what `connection.connect` raises."""
        self._transport = await connect(context, self.host, self._port, self._protocol, self.phases)

    async def secure(self, tls: ssl.SSLContext) -> None:
        """Starts TLS; whatever arrived before in the clear is not believed. Raises SourceFailure."""
        assert self._transport is not None  # noqa: S101 - opened first
        self._new_reader()
        self._transport = await start_tls(self._transport, self._protocol, tls, self.host, self.where, self.phases)
        self._reader.set_transport(self._transport)

    def send(self, data: bytes) -> None:
        """Sends something small."""
        assert self._transport is not None  # noqa: S101 - opened first
        self._transport.write(data)

    async def line(self) -> bytes:
        """The next line without its end. Raises SourceFailure when there is none, or none that short."""
        try:
            return (await self._reader.readuntil(b"\n")).rstrip(b"\r\n")
        except asyncio.LimitOverrunError:
            raise SourceFailure(f"{self.where} sent a line without end") from None
        except (asyncio.IncompleteReadError, OSError) as error:
            raise self._gone(error) from error

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes. Raises SourceFailure when they do not come."""
        try:
            return await self._reader.readexactly(count)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise self._gone(error) from error

    def _gone(self, error: Exception) -> Exception:
        if isinstance(error, OSError):
            return failure_of(error, self.where)
        return SourceFailure(f"{self.where} closed the connection before it answered")

    def close(self) -> None:
        """Drops the connection at once."""
        if self._transport is not None:
            self._transport.abort()
