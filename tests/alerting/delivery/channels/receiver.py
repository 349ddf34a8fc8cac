"""A real HTTP server on loopback that records what it is sent and answers what a test tells it.

async with Receiver() as receiver, sending() as context:
    receiver.answer(429, headers={"Retry-After": "7"})      # the next answer; 200 `{}` without
    await channel(url=f"{receiver.url}/hook").send(message(), context)
    assert receiver.requests[0].json()["title"] == "..."
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web

from monitoring_pipeline.alerting.delivery.channel import SendContext

__all__ = ["NOW", "Received", "Receiver", "Reply", "sending"]

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Received:
    """One request as it arrived. Names of headers are in lower case; `path` is as it was written, with its query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        fields = parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=True)
        return {name: values[0] for name, values in fields.items()}


@dataclass
class Reply:
    """An answer. `hang` gives none until the server ends; `drop` closes the connection instead; `cut` promises a
    longer body and closes in its middle."""

    code: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False
    cut: bool = False


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


class Receiver:
    """The server. `requests` in the order of their arrival; `handler`, when set, answers what no test queued."""

    def __init__(
        self,
        default: Any = None,
        *,
        tls: ssl.SSLContext | None = None,
        handler: Callable[[Received], Reply] | None = None,
    ) -> None:
        self.requests: list[Received] = []
        self.handler = handler
        self._default = Reply(body=_bytes({} if default is None else default))
        self._queued: deque[Reply] = deque()
        self._tls = tls
        self._ended = asyncio.Event()
        self.url = ""

    def answer(self, code: int = 200, body: Any = b"{}", headers: Mapping[str, str] | None = None, **how: bool) -> None:
        """Queues the answer to the next request that has none: `body` is bytes, text, or anything to write as JSON."""
        self._queued.append(Reply(code, _bytes(body), headers or {}, **how))

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve), access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        port = self._runner.addresses[0][1]
        self.url = f"https://localhost:{port}" if self._tls else f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.raw_path, headers, await request.content.read())
        self.requests.append(received)
        reply = self._queued.popleft() if self._queued else self.handler(received) if self.handler else self._default
        if reply.hang:
            await self._ended.wait()
        if (reply.drop or reply.hang) and request.transport is not None:
            request.transport.abort()
        if reply.cut:
            return await self._cut(request, reply)
        return web.Response(status=reply.code, body=reply.body, headers=reply.headers)

    async def _cut(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.code, headers={**reply.headers, "Content-Length": "1000000"})
        await response.prepare(request)
        await response.write(reply.body)
        assert request.transport is not None
        request.transport.close()
        return response


@asynccontextmanager
async def sending(
    *,
    recipient: str = "",
    reference: Mapping[str, Any] | None = None,
    now: datetime = NOW,
    seconds: float = 10.0,
    connector: aiohttp.BaseConnector | None = None,
) -> AsyncIterator[SendContext]:
    """A context to send in, with a session that has a time limit."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield SendContext(now=now, http=session, recipient=recipient, reference=reference)
