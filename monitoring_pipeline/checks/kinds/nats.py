"""`nats`: a NATS server, and one JetStream stream of it.

The few lines of the NATS protocol that a probe needs are written here: the client library goes on
without TLS when a server does not offer it, and takes a greeting that breaks off for an answer.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.reach.endpoint import Endpoint
from monitoring_pipeline.reach.wire import Wire

__all__ = ["NatsCheck"]

_SCHEMES = {"nats": 4222, "tls": 4222}
_LARGEST = 1024 * 1024


class NatsCheck(Check):
    """Connects to a server, measures a round trip and, with `stream`, reads that stream's state.

    Values: `response_time_ms` (connect and log-in), `rtt_ms`, `version`; of a stream `messages`,
    `bytes`, `consumers` and `last_age_s` (absent while it never held a message).
    """

    kind: Literal["nats"]
    url: SecretStr = Field(description="nats:// or tls://, with user:password@ or token@, and port.")
    stream: str | None = Field(None, pattern=r"^[^\s.*>/\\]+$", description="A JetStream stream that must exist.")
    verify: bool = Field(True, description="Whether the server's certificate must be trusted.")
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")

    metrics: ClassVar[Mapping[str, str]] = {
        "response_time_ms": "ms",
        "rtt_ms": "ms",
        "messages": "",
        "bytes": "bytes",
        "consumers": "",
        "last_age_s": "s",
    }

    @field_validator("url")
    @classmethod
    def _url_is_one_of_nats(cls, url: SecretStr) -> SecretStr:
        Endpoint.parse(url.get_secret_value(), _SCHEMES)
        return url

    async def probe(self, context: ProbeContext) -> Probe:
        """Connects and asks. Raises SourceFailure when it is refused, denied or the stream is missing."""
        values: dict[str, Any] = {}
        started = time.perf_counter()
        try:
            async with self._session(context, values) as wire:
                values["response_time_ms"] = (time.perf_counter() - started) * 1000
                values["rtt_ms"] = await _round_trip(wire)
                if self.stream is not None:
                    values |= await _stream(wire, self.stream, context.now)
        except SourceFailure as failure:
            failure.values.update(values)
            raise
        return Probe(values)

    @asynccontextmanager
    async def _session(self, context: ProbeContext, values: dict[str, Any]) -> AsyncIterator[Wire]:
        endpoint = Endpoint.parse(self.url.get_secret_value(), _SCHEMES)
        wire = Wire(endpoint.host, endpoint.port)
        try:
            await wire.open(context)
            info = await _greeting(wire)
            values["version"] = str(info.get("version", ""))
            if endpoint.scheme == "tls" and not (info.get("tls_required") or info.get("tls_available")):
                raise SourceFailure(f"{endpoint} does not offer TLS")
            if endpoint.scheme == "tls" or info.get("tls_required"):
                await wire.secure(endpoint.tls(verify=self.verify, ca_file=self.ca_file))
            wire.send(_connect(endpoint))
            await _round_trip(wire)
            yield wire
        finally:
            wire.close()


async def _greeting(wire: Wire) -> dict[str, Any]:
    line = await wire.line()
    try:
        info = json.loads(line.removeprefix(b"INFO ")) if line.startswith(b"INFO ") else None
    except ValueError:
        info = None
    if not isinstance(info, dict):
        raise SourceFailure(f"{wire.where} does not speak the NATS protocol")
    return info


def _connect(endpoint: Endpoint) -> bytes:
    options: dict[str, Any] = {
        "verbose": False, "pedantic": False, "lang": "python", "version": "1", "protocol": 1,
        "name": "monitoring-pipeline", "headers": True, "no_responders": True,
    }  # fmt: skip
    if endpoint.username is not None and endpoint.password is not None:
        options |= {"user": endpoint.username, "pass": endpoint.password}
    elif endpoint.username is not None:
        options["auth_token"] = endpoint.username
    return b"CONNECT " + json.dumps(options).encode() + b"\r\n"


async def _round_trip(wire: Wire) -> float:
    """Milliseconds from PING to PONG; the first one also tells whether the log-in was accepted."""
    started = time.perf_counter()
    wire.send(b"PING\r\n")
    await _await(wire, b"PONG")
    return (time.perf_counter() - started) * 1000


async def _await(wire: Wire, *starts: bytes) -> bytes:
    """The next line that begins with one of `starts`; serves the server's own pings meanwhile."""
    while True:
        line = await wire.line()
        if line.startswith(starts):
            return line
        if line == b"PING":
            wire.send(b"PONG\r\n")
        elif line.startswith(b"-ERR"):
            raise _error(wire, line[4:].decode(errors="replace").strip(" '"))
        elif not line.startswith((b"INFO ", b"+OK")):
            raise SourceFailure(f"{wire.where} does not speak the NATS protocol")


def _error(wire: Wire, text: str) -> SourceFailure:
    if text.lower().startswith(("authorization", "authentication", "user authentication")):
        return SourceFailure(f"{wire.where} denied us access: the user, password or token is wrong", reached=True)
    return SourceFailure(f"{wire.where} says: {text[:200]}", reached=True)


async def _stream(wire: Wire, name: str, now: datetime) -> dict[str, Any]:
    inbox = f"_INBOX.{secrets.token_hex(11)}"
    wire.send(f"SUB {inbox} 1\r\nPUB $JS.API.STREAM.INFO.{name} {inbox} 0\r\n\r\n".encode())
    answer = await _answer(wire)
    if "error" in answer:
        missing = answer["error"].get("code") == 404
        problem = f"has no stream {name!r}" if missing else f"says: {answer['error'].get('description')}"
        raise SourceFailure(f"{wire.where} {problem}", reached=True)
    state = answer["state"]
    values = {"messages": state["messages"], "bytes": state["bytes"], "consumers": state["consumer_count"]}
    if state.get("last_seq", 0) > 0:
        values["last_age_s"] = max(0.0, (now - _moment(state["last_ts"])).total_seconds())
    return values


async def _answer(wire: Wire) -> dict[str, Any]:
    words = (await _await(wire, b"MSG ", b"HMSG ")).split()
    try:
        total, head = int(words[-1]), int(words[-2]) if words[0] == b"HMSG" else 0
    except ValueError:
        raise SourceFailure(f"{wire.where} does not speak the NATS protocol") from None
    if total > _LARGEST:
        raise SourceFailure(f"{wire.where} sent an answer of {total} bytes")
    body = await wire.exactly(total)
    if b" 503" in body[:head].partition(b"\r\n")[0]:
        raise SourceFailure(f"{wire.where} has no JetStream for us", reached=True)
    answer: dict[str, Any] = json.loads(body[head:])
    return answer


def _moment(text: str) -> datetime:
    """A moment of RFC 3339 with nanoseconds, which Python reads only up to microseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).astimezone(UTC)
