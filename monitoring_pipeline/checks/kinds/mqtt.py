"""`mqtt`: an MQTT broker, and one topic of it.

The few packets of MQTT 3.1.1 that a probe needs are written here: the client libraries connect in
threads that cannot be cancelled, and miss a broker that hangs up before it has answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import struct
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.clock import Duration
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.reach.endpoint import Endpoint
from monitoring_pipeline.reach.wire import Wire

__all__ = ["MqttCheck"]

_SCHEMES = {"mqtt": 1883, "mqtts": 8883}
_LARGEST = 1024 * 1024
_SHOWN = 65_536
_CONNACK, _PUBLISH, _SUBACK = 2, 3, 9
_DISCONNECT = b"\xe0\x00"
_REFUSALS = {
    1: "does not speak MQTT 3.1.1",
    2: "refused our client id",
    3: "is not available for clients",
    4: "denied us access: the user or password is wrong",
    5: "denied us access: the user or password is wrong",
}


class _Packet(NamedTuple):
    type: int
    flags: int
    body: bytes


class MqttCheck(Check):
    """Connects to a broker and, with `topic`, sends a message to itself or waits for a retained one.

    Values: `response_time_ms` (connect and log-in), `round_trip_ms`; of a retained message `payload`
    (text), `payload_bytes` and `json`.
    """

    kind: Literal["mqtt"]
    url: SecretStr = Field(description="mqtt:// or mqtts:// (TLS), with user, password and port.")
    topic: str | None = Field(None, min_length=1, pattern=r"^[^#+\x00]+$", description="A topic, without wildcards.")
    expect: Literal["round_trip", "retained"] = Field(
        "round_trip", description="round_trip publishes to the topic and waits for it; retained only listens."
    )
    wait: Duration = Field(timedelta(seconds=2), description="How long the broker may take to send the message.")
    verify: bool = Field(True, description="Whether the server's certificate must be trusted.")
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")

    metrics: ClassVar[Mapping[str, str]] = {"response_time_ms": "ms", "round_trip_ms": "ms", "payload_bytes": "bytes"}

    @field_validator("url")
    @classmethod
    def _url_is_one_of_mqtt(cls, url: SecretStr) -> SecretStr:
        Endpoint.parse(url.get_secret_value(), _SCHEMES)
        return url

    async def probe(self, context: ProbeContext) -> Probe:
        """Connects and asks. Raises SourceFailure when it is refused, denied or no message comes."""
        values: dict[str, Any] = {}
        started = time.perf_counter()
        try:
            async with self._session(context) as wire:
                values["response_time_ms"] = (time.perf_counter() - started) * 1000
                if self.topic is not None:
                    values |= await self._message(wire, self.topic)
        except SourceFailure as failure:
            failure.values.update(values)
            raise
        return Probe(values)

    @asynccontextmanager
    async def _session(self, context: ProbeContext) -> AsyncIterator[Wire]:
        endpoint = Endpoint.parse(self.url.get_secret_value(), _SCHEMES)
        wire = Wire(endpoint.host, endpoint.port)
        try:
            await wire.open(context)
            if endpoint.scheme == "mqtts":
                await wire.secure(endpoint.tls(verify=self.verify, ca_file=self.ca_file))
            wire.send(_connect(endpoint))
            answer = await _read(wire)
            if answer.type != _CONNACK or len(answer.body) != 2:
                raise SourceFailure(f"{endpoint} does not speak MQTT")
            if answer.body[1]:
                raise SourceFailure(f"{endpoint} {_REFUSALS.get(answer.body[1], 'refused us')}")
            yield wire
            wire.send(_DISCONNECT)
        finally:
            wire.close()

    async def _message(self, wire: Wire, topic: str) -> dict[str, Any]:
        token = secrets.token_hex(16).encode()
        wire.send(_packet(0x82, struct.pack(">H", 1) + _text(topic) + b"\x00"))
        sent = False
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.wait.total_seconds()):
                while True:
                    packet = await _read(wire)
                    if packet.type == _SUBACK and packet.body[2:3] == b"\x80":
                        raise SourceFailure(f"{wire.where} denied us the topic {topic!r}", reached=True)
                    if packet.type == _SUBACK and self.expect == "round_trip" and not sent:
                        sent, started = True, time.perf_counter()
                        wire.send(_packet(0x30, _text(topic) + token))
                    found = self._found(packet, token, started) if packet.type == _PUBLISH else None
                    if found is not None:
                        return found
        except TimeoutError:
            raise SourceFailure(f"{wire.where} {self._nothing_came()} {topic!r}") from None

    def _nothing_came(self) -> str:
        return "has no retained message on" if self.expect == "retained" else "did not return our message from"

    def _found(self, packet: _Packet, token: bytes, started: float) -> dict[str, Any] | None:
        payload = packet.body[2 + int.from_bytes(packet.body[:2], "big") :]
        if self.expect == "retained":
            return _payload(payload) if packet.flags & 1 else None
        return {"round_trip_ms": (time.perf_counter() - started) * 1000} if payload == token else None


def _text(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">H", len(data)) + data


def _packet(head: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([head]) + bytes(length) + body


def _connect(endpoint: Endpoint) -> bytes:
    """CONNECT with a clean session and no keep-alive: the probe is gone before it would matter."""
    flags = 0x02
    login = b""
    if endpoint.username is not None:
        flags |= 0x80
        login += _text(endpoint.username)
        if endpoint.password is not None:
            flags |= 0x40
            login += _text(endpoint.password)
    body = _text("MQTT") + bytes([4, flags]) + struct.pack(">H", 0) + _text(f"probe-{secrets.token_hex(8)}") + login
    return _packet(0x10, body)


async def _read(wire: Wire) -> _Packet:
    head = (await wire.exactly(1))[0]
    length = 0
    for place in range(4):
        digit = (await wire.exactly(1))[0]
        length |= (digit & 0x7F) << (7 * place)
        if not digit & 0x80:
            break
    if head >> 4 == _PUBLISH and length > _LARGEST:
        raise CheckError(f"{wire.where} sent a message of {length} bytes; a probe reads at most {_LARGEST}")
    if length > _LARGEST or (head >> 4) not in (_CONNACK, _PUBLISH, _SUBACK):
        raise SourceFailure(f"{wire.where} does not speak MQTT")
    return _Packet(head >> 4, head & 0x0F, await wire.exactly(length))


def _payload(payload: bytes) -> dict[str, Any]:
    text = payload[:_SHOWN].decode(errors="replace")
    values: dict[str, Any] = {"payload": text, "payload_bytes": len(payload)}
    with contextlib.suppress(ValueError, RecursionError):
        values["json"] = json.loads(text)
    return values
