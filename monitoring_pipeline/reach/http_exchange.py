"""One HTTP/1.1 request and its answer over a connection of its own.

Probes of `http` checks are the hot path of the house: this protocol over httptools' parser costs a
third of the CPU of a general client, sees every phase of a request, and stops reading a body at a
limit. It does one exchange and closes: no keep-alive, cookies, proxies or retries, because a
monitor wants to see each connection fail.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.reach.connection import Phases, connect, failure_of, place, start_tls

if TYPE_CHECKING:
    import ssl

    from monitoring_pipeline.reach.context import ReachContext

__all__ = ["Answer", "Target", "decoded", "exchange", "request_bytes", "target_of"]

_MAX_HEAD = 128 * 1024
_MAX_FRAMING = 16  # bytes on the wire for one of the body: a chunk of one byte takes six
_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """Where a request goes: `path` begins with `/` and carries the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def where(self) -> str:
        """`host:port` for messages."""
        return place(self.host, self.port)

    @property
    def origin(self) -> tuple[str, str, int]:
        return (self.scheme, self.host, self.port)

    def __str__(self) -> str:
        """The URL without its query, which may carry secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path.partition('?')[0]}"


@lru_cache(maxsize=4096)
def target_of(url: str) -> Target:
    """The target of an absolute http or https URL. Raises ValueError with what is allowed."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("a URL begins with http:// or https://")
    if not parts.hostname:
        raise ValueError("the URL names no host")
    try:
        host = parts.hostname.encode("ascii" if parts.hostname.isascii() else "idna").decode()
        port = parts.port if parts.port is not None else _PORTS[parts.scheme]
    except UnicodeError:
        raise ValueError(f"{parts.hostname!r} is not a host name") from None
    except ValueError:
        raise ValueError("the port of the URL must lie between 0 and 65535") from None
    path = parts.path or "/"
    path += f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, port, quote(path, safe="/%:=&?~#+!$,;'@()*[]-._|"))


def request_bytes(method: str, target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    """The request as it goes over the wire."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    if target.port != _PORTS[target.scheme]:
        host += f":{target.port}"
    lines = {"Host": host, "User-Agent": "busta", "Accept": "*/*", "Connection": "close"}
    if body or method in ("POST", "PUT", "PATCH"):
        lines["Content-Length"] = str(len(body))
    given = {name.lower() for name in headers}
    text = [f"{method} {target.path} HTTP/1.1"]
    text += [f"{name}: {value}" for name, value in lines.items() if name.lower() not in given]
    text += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(text) + "\r\n\r\n").encode("utf-8") + body


@dataclass(slots=True)
class Answer:
    """What came back. `body_bytes` counts what was received, before decompression."""

    status: int
    raw_headers: dict[bytes, bytes]
    body: bytes
    body_bytes: int
    truncated: bool
    certificate: bytes | None = None

    def header(self, name: str) -> str:
        """A header's value, empty when it is missing."""
        return self.raw_headers.get(name.lower().encode(), b"").decode("latin-1")

    def headers(self) -> dict[str, str]:
        """All headers, names in lower case; repeated ones joined by a comma."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.raw_headers.items()}


class _Exchange(asyncio.Protocol):
    """Collects one answer; the parser calls the `on_...` methods."""

    __slots__ = (
        "body", "body_bytes", "done", "first_byte", "head_only", "headers", "in_body", "limit", "parser", "received",
        "seen", "status", "transport", "truncated", "where",
    )  # fmt: skip

    def __init__(self, where: str, *, head_only: bool, limit: int) -> None:
        import httptools

        self.where, self.head_only, self.limit = where, head_only, limit
        self.done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.parser: Any = httptools.HttpResponseParser(self)
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.transport: asyncio.Transport | None = None
        self.first_byte = 0.0
        self.status = self.received = self.body_bytes = 0
        self.in_body = self.truncated = False
        self.seen = b""

    # asyncio's side

    def data_received(self, data: bytes) -> None:
        if not self.first_byte:
            self.first_byte = perf_counter()
            self.seen = data[:40]
        self.received += len(data)
        try:
            self.parser.feed_data(data)
        except Exception as error:
            self._parser_stopped(error)
        if self.received > _MAX_HEAD and not self.in_body:
            self._fail(f"{self.where} sends headers without end")
        elif self.received > 2 * _MAX_HEAD + _MAX_FRAMING * self.body_bytes:
            self._fail(f"{self.where} sends padding without end around its body")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._lost(exc)
        # Parser and transport refer to this object: without the cycle it is freed at once.
        self.parser = self.transport = None

    def _lost(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError):
            self.done.set_exception(failure_of(exc, self.where))
        elif not self.first_byte:
            self._fail(f"{self.where} closed the connection without an answer")
        elif not self.in_body:
            self._fail(f"{self.where} closed the connection in the middle of the headers")
        elif b"content-length" in self.headers or b"transfer-encoding" in self.headers:
            expected = self.headers.get(b"content-length", b"").decode("latin-1")
            of = f" of {expected}" if expected else ""
            self._fail(f"{self.where} closed the connection after {self.body_bytes}{of} bytes of the body")
        else:
            self._finish()

    # the parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.lower()
        self.headers[key] = self.headers[key] + b", " + value if key in self.headers else value

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        if self.status >= 200 or self.status == 101:
            self.in_body = True
            if self.head_only or self.status == 101:
                self._finish()

    def on_body(self, data: bytes) -> None:
        self.body_bytes += len(data)
        if self.done.done():
            return
        self.body += data
        if self.body_bytes > self.limit:
            self.truncated = True
            self._finish()

    def on_message_complete(self) -> None:
        if self.in_body:
            self._finish()
        else:
            self.headers.clear()

    def _parser_stopped(self, error: Exception) -> None:
        # A 101 makes the parser raise its upgrade notice after the answer is complete.
        if self.done.done():
            return
        if self.in_body:
            self._fail(f"{self.where} broke off in the middle of the body: {error}")
        else:
            begin = self.seen.decode("latin-1")
            self._fail(f"{self.where} does not speak HTTP: its answer begins with {begin!r}")

    def _finish(self) -> None:
        if not self.done.done():
            body = bytes(self.body[: self.limit])
            self.done.set_result(Answer(self.status, self.headers, body, self.body_bytes, self.truncated))
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, message: str) -> None:
        if not self.done.done():
            self.done.set_exception(SourceFailure(message))
        if self.transport is not None:
            self.transport.abort()


async def exchange(
    context: ReachContext,
    target: Target,
    request: bytes,
    *,
    phases: Phases,
    tls: ssl.SSLContext | None,
    head_only: bool = False,
    limit: int,
) -> Answer:
    """Sends `request` to `target` and reads the answer, at most `limit` bytes of its body.

    Adds its times to `phases`. Raises SourceFailure for anything but an answer, and what
    `connection.connect` raises.
    """
    where = target.where
    protocol = _Exchange(where, head_only=head_only, limit=limit)
    transport = await connect(context, target.host, target.port, protocol, phases)
    certificate = None
    try:
        if tls is not None:
            transport = await start_tls(transport, protocol, tls, target.host.rstrip("."), where, phases)
            certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        protocol.transport = transport
        sent = perf_counter()
        transport.write(request)
        answer = await protocol.done
        phases.add("first_byte_ms", sent, protocol.first_byte)
        answer.certificate = certificate
        return answer
    finally:
        transport.abort()
        if protocol.done.done() and not protocol.done.cancelled():
            protocol.done.exception()  # mark as seen: TLS may have failed first


def decoded(answer: Answer, limit: int) -> bytes:
    """The body without its content encoding, at most `limit` bytes of it.

    Raises SourceFailure for an encoding nobody asked for or a body that is not in it.
    """
    encoding = answer.header("content-encoding").strip().lower()
    if encoding in ("", "identity"):
        return answer.body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise SourceFailure(f"the body is encoded as {encoding!r}, which was not asked for", reached=True)
    raw = encoding == "deflate" and answer.body[:1] != b"\x78"
    inflater = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS | 32)
    try:
        body = inflater.decompress(answer.body, limit + 1)
    except zlib.error:
        raise SourceFailure(f"the body is not the {encoding} it says it is", reached=True) from None
    answer.truncated = answer.truncated or len(body) > limit
    return body[:limit]
