"""Servers that misbehave on purpose, and a TLS front for servers that speak none."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator, Sequence

import trustme

__all__ = ["dying_front", "garbage", "hanging_up", "silent", "starttls_front", "tls_front", "without_module"]

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def _serving(handle, **options) -> AsyncIterator[int]:
    """Serves connections with `handle`; yields the port and ends every connection at the end."""
    tasks: set[asyncio.Task] = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            await handle(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def garbage(text: bytes = b"HTTP/1.0 400 Bad Request\r\n\r\nwho are you?\r\n") -> AsyncIterator[int]:
    """Answers whatever comes, or nothing at all, with the wrong protocol."""

    async def handle(reader, writer):
        writer.write(text)
        await writer.drain()
        while await reader.read(65536):
            writer.write(text)
            await writer.drain()

    async with _serving(handle) as port:
        yield port


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """Accepts, reads and never answers."""

    async def handle(reader, writer):
        while await reader.read(65536):
            pass

    async with _serving(handle) as port:
        yield port


@contextlib.asynccontextmanager
async def hanging_up() -> AsyncIterator[int]:
    """Accepts and closes in good order without a word."""

    async def handle(reader, writer):
        writer.close()
        await writer.wait_closed()

    async with _serving(handle) as port:
        yield port


@contextlib.asynccontextmanager
async def dying_front(target_port: int, after: int) -> AsyncIterator[int]:
    """Passes a real server's answers on, but drops the connection after so many of their bytes."""

    async def handle(reader, writer):
        upstream = await asyncio.open_connection("127.0.0.1", target_port)
        forward = asyncio.ensure_future(_copy(reader, upstream[1]))
        try:
            left = after
            while left > 0 and (data := await upstream[0].read(left)):
                left -= len(data)
                writer.write(data)
                await writer.drain()
        finally:
            forward.cancel()
            upstream[1].transport.abort()

    async with _serving(handle) as port:
        yield port


@contextlib.asynccontextmanager
async def tls_front(target_port: int, authority: trustme.CA, name: str = "127.0.0.1") -> AsyncIterator[int]:
    """Ends TLS, with a certificate for `name`, in front of a real server that speaks none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    async def handle(reader, writer):
        upstream = await asyncio.open_connection("127.0.0.1", target_port)
        forward = asyncio.ensure_future(_copy(reader, upstream[1]))
        try:
            await _copy(upstream[0], writer)
        finally:
            forward.cancel()
            upstream[1].transport.abort()

    async with _serving(handle, ssl=context) as port:
        yield port


@contextlib.asynccontextmanager
async def starttls_front(target_port: int, authority: trustme.CA, name: str = "127.0.0.1") -> AsyncIterator[int]:
    """A NATS server that greets in the clear, demands TLS, and then passes on to a real one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    async def handle(reader, writer):
        upstream = await asyncio.open_connection("127.0.0.1", target_port)
        greeting = await upstream[0].readline()
        writer.write(greeting.replace(b"INFO {", b'INFO {"tls_required":true,', 1))
        await writer.start_tls(context)
        forward = asyncio.ensure_future(_copy(reader, upstream[1]))
        try:
            await _copy(upstream[0], writer)
        finally:
            forward.cancel()
            upstream[1].transport.abort()

    async with _serving(handle) as port:
        yield port


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


class _Blocker:
    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextlib.contextmanager
def without_module(*names: str):
    """As if these packages were not installed."""
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in names}
    blocker = _Blocker(names)
    sys.meta_path.insert(0, blocker)
    try:
        yield
    finally:
        sys.meta_path.remove(blocker)
        sys.modules.update(hidden)
