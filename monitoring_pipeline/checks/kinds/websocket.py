"""The `websocket` check: opens a WebSocket, may send a message and wait for an answer."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from monitoring_pipeline.reach.connection import addresses_of, failure_of, tls_context
from monitoring_pipeline.reach.context import Clients
from monitoring_pipeline.reach.http_exchange import Target, target_of

if TYPE_CHECKING:
    from aiohttp import (
        ClientError,
        ClientHandlerType,
        ClientRequest,
        ClientResponse,
        ClientSession,
        ClientWebSocketResponse,
    )

__all__ = ["WebsocketCheck"]

_SHOWN = 80
_PING = b"busta"
_CLOSE_S = 0.5  # a server that ignores our goodbye must not spoil a finished probe


class WebsocketCheck(Check):
    """Opens a WebSocket and measures a ping.

    Values: `response_time_ms` (until the handshake is done), `ping_ms` (absent when `ping` is off),
    `answer` and `answer_ms` (when `expect` or `read` asks for one): the first text message, or the
    first that holds `expect`.
    """

    metrics: ClassVar[Mapping[str, str]] = {"response_time_ms": "ms", "ping_ms": "ms", "answer_ms": "ms"}

    kind: Literal["websocket"] = "websocket"
    url: str = Field(description="An absolute ws:// or wss:// address.")
    headers: Mapping[str, SecretStr] = Field(default_factory=dict, description="Request headers; values stay secret.")
    subprotocols: tuple[str, ...] = ()
    send: str | None = Field(None, description="A text message to send once open.")
    expect: str | None = Field(None, min_length=1, description="Text that one of the server's messages must hold.")
    read: bool = Field(False, description="Whether to wait for a message, whatever it is.")
    ping: bool = Field(True, description="Whether to measure a ping round trip.")
    max_message: int = Field(65_536, ge=1, le=16 * 1_048_576, description="Bytes of one message at most.")
    verify: bool = Field(True, description="Whether the server's certificate must be trusted.")
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")

    @field_validator("url")
    @classmethod
    def _url_is_absolute(cls, url: str) -> str:
        if not url.startswith(("ws://", "wss://")):
            raise ValueError("a WebSocket URL begins with ws:// or wss://")
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("credentials do not belong into the URL: use headers")
        target_of("http" + url[2:])
        return url

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        import aiohttp  # noqa: F401 - brought in

    async def probe(self, context: ProbeContext) -> Probe:
        """One handshake, then at most one message, one answer and one ping."""
        from aiohttp import ClientError

        target = target_of("http" + self.url[2:])
        session = await context.clients.get("websocket", lambda: _make_session(context.clients))
        begun = perf_counter()
        values: dict[str, Any] = {}
        try:
            await addresses_of(context, target.host, target.port)
            stream = await self._open(session, target)
            try:
                values["response_time_ms"] = _since(begun)
                await self._talk(stream, values)
            finally:
                await stream.close()
        except ClientError as error:
            raise _failure(error, target.where) from error
        except SourceFailure as failure:
            failure.values.update(values)
            raise
        return Probe(values)

    async def _open(self, session: ClientSession, target: Target) -> ClientWebSocketResponse[bool]:
        from aiohttp import ClientWSTimeout

        secure = target.scheme == "https"
        return await session.ws_connect(
            self.url,
            protocols=self.subprotocols,
            headers={name: value.get_secret_value() for name, value in self.headers.items()},
            ssl=tls_context(self.verify, self.ca_file) if secure else True,
            max_msg_size=self.max_message,
            autoping=False,
            timeout=ClientWSTimeout(ws_close=_CLOSE_S),
        )

    async def _talk(self, stream: ClientWebSocketResponse[bool], values: dict[str, Any]) -> None:
        begun = perf_counter()
        if self.send is not None:
            await stream.send_str(self.send)
        if self.read or self.expect is not None:
            values["answer"] = await self._answer(stream)
            values["answer_ms"] = _since(begun)
        if self.ping:
            begun = perf_counter()
            await stream.ping(_PING)
            await self._pong(stream)
            values["ping_ms"] = _since(begun)

    async def _answer(self, stream: ClientWebSocketResponse[bool]) -> str:
        from aiohttp import WSMsgType

        last = ""
        while True:
            message = await self._message(stream, last)
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                data = message.data
                last = data if isinstance(data, str) else data.decode("utf-8", errors="replace")
                if self.expect is None or self.expect in last:
                    return last

    async def _pong(self, stream: ClientWebSocketResponse[bool]) -> None:
        from aiohttp import WSMsgType

        while True:
            message = await self._message(stream, "")
            if message.type is WSMsgType.PONG and message.data == _PING:
                return

    async def _message(self, stream: ClientWebSocketResponse[bool], last: str) -> Any:
        """The next message; answers pings. Raises SourceFailure when the server ends the conversation."""
        from aiohttp import WSMsgType

        message = await stream.receive()
        if message.type is WSMsgType.PING:
            await stream.pong(message.data)
        if message.type is WSMsgType.ERROR:
            raise SourceFailure(f"{self._where} broke the WebSocket protocol: {message.data}")
        if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
            said = f"; it last said {last[:_SHOWN]!r}, which does not hold {self.expect!r}" if last else ""
            code = stream.close_code or 1006
            raise SourceFailure(f"{self._where} closed the WebSocket with code {code}{said}")
        return message

    @property
    def _where(self) -> str:
        return target_of("http" + self.url[2:]).where


def _since(begun: float) -> float:
    return (perf_counter() - begun) * 1000


async def _make_session(clients: Clients) -> ClientSession:
    """The session of all WebSocket probes: fresh connections, and only to permitted addresses."""
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

    def permitted_socket(address: Any) -> socket.socket:
        if not clients.permits(address[4][0]):
            raise NetworkDenied(f"{address[4][0]} lies in a network that execution.networks forbids")
        return socket.socket(address[0], address[1], address[2])

    async def no_redirect(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        if response.status in (301, 302, 303, 307, 308):
            response.close()
            raise SourceFailure(
                f"{request.url.host}:{request.url.port} redirects instead of opening a WebSocket", reached=True
            )
        return response

    connector = TCPConnector(force_close=True, limit=0, use_dns_cache=False, socket_factory=permitted_socket)
    no_limit = ClientTimeout(total=None, sock_connect=None)
    return ClientSession(connector=connector, cookie_jar=DummyCookieJar(), timeout=no_limit, middlewares=(no_redirect,))


def _failure(error: ClientError, where: str) -> Exception:
    """The client's error in words."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        return failure_of(cause if isinstance(cause, OSError) else OSError(), where)
    if isinstance(error, aiohttp.ClientConnectorError):
        return failure_of(error.os_error, where)
    if isinstance(error, aiohttp.ClientOSError):
        return failure_of(error, where)
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return SourceFailure(f"{where} answered {error.status} instead of opening a WebSocket")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return SourceFailure(f"{where} closed the connection without an answer")
    if isinstance(error, aiohttp.ClientResponseError):
        return SourceFailure(f"{where} does not speak HTTP")
    return SourceFailure(f"the WebSocket of {where} failed: {error}")
