"""The `tcp` check: does the port accept connections, and does it say what it should?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.reach.connection import Phases, connect, failure_of, place

__all__ = ["TcpCheck"]

_SHOWN = 80


class _Banner(asyncio.Protocol):
    """Collects what the server says until `expect` is in it, it ends, or `limit` bytes came."""

    def __init__(self, expect: bytes, limit: int) -> None:
        self.expect, self.limit = expect, limit
        self.data = b""
        self.enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.error: Exception | None = None
        self.closed = False

    def data_received(self, data: bytes) -> None:
        if not self.enough.done():
            self.data = (self.data + data)[: self.limit]
            if self.expect in self.data or len(self.data) >= self.limit:
                self.enough.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed, self.error = True, exc
        if not self.enough.done():
            self.enough.set_result(None)


class TcpCheck(Check):
    """Opens a TCP connection, may send a text, and may wait for an answer.

    Values: `response_time_ms`, `dns_ms` (absent for an IP address), `connect_ms`, and `banner`, the
    text the server sent (when `send`, `expect` or `read` asks for it).
    """

    metrics: ClassVar[Mapping[str, str]] = {"response_time_ms": "ms", "dns_ms": "ms", "connect_ms": "ms"}

    kind: Literal["tcp"] = "tcp"
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    send: str | None = Field(None, description="Text to send once connected.")
    expect: str | None = Field(None, min_length=1, description="Text that the server's answer must hold.")
    read: bool = Field(False, description="Whether to wait for the server to say something, whatever it is.")
    max_read: int = Field(4096, ge=1, le=65_536, description="Bytes of the answer that are read at most.")

    @model_validator(mode="after")
    def _conditions_have_a_banner(self) -> TcpCheck:
        conditions = self.critical_conditions() + self.warning_conditions()
        if not self._reads and any("banner" in condition.names for condition in conditions):
            raise ValueError("a condition names banner, but nothing is read: set read: true or expect")
        return self

    @property
    def _reads(self) -> bool:
        return self.read or self.expect is not None

    async def probe(self, context: ProbeContext) -> Probe:
        """Connects and, when asked to, talks."""
        phases = Phases()
        begun = perf_counter()
        protocol = _Banner((self.expect or "").encode(), self.max_read)
        transport = await connect(context, self.host, self.port, protocol, phases)
        try:
            if self.send is not None:
                transport.write(self.send.encode())
            if self._reads:
                await protocol.enough
        finally:
            transport.abort()
        values: dict[str, Any] = {"response_time_ms": (perf_counter() - begun) * 1000, **phases.values()}
        if self._reads:
            values["banner"] = protocol.data.decode("utf-8", errors="replace")
            self._judge(protocol, values)
        return Probe(values, details={"address": phases.address})

    def _judge(self, protocol: _Banner, values: Mapping[str, Any]) -> None:
        where, said = place(self.host, self.port), values["banner"][:_SHOWN]
        if protocol.data and (self.expect is None or protocol.expect in protocol.data):
            return
        if not protocol.data and isinstance(protocol.error, OSError):
            raise failure_of(protocol.error, where) from protocol.error
        if not protocol.data:
            raise SourceFailure(f"{where} closed the connection without an answer", values=values)
        raise SourceFailure(
            f"{where} answered {said!r}, which does not hold {self.expect!r}", values=values, reached=True
        )
