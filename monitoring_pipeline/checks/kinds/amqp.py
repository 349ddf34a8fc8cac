"""`amqp`: an AMQP 0-9-1 broker such as RabbitMQ, and one queue of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import MissingExtra, SourceFailure
from monitoring_pipeline.reach.endpoint import Endpoint, causes, unreachable

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection

__all__ = ["AmqpCheck"]

_SCHEMES = {"amqp": 5672, "amqps": 5671}


class AmqpCheck(Check):
    """Logs in to a broker and, with `queue`, asks how full that queue is without changing it.

    Values: `response_time_ms` (connect, log-in and one channel), and of a queue `messages` (ready to
    be delivered) and `consumers`.
    """

    kind: Literal["amqp"]
    url: SecretStr = Field(description="amqp:// or amqps:// (TLS), with user, password, port and /virtual-host.")
    queue: str | None = Field(None, min_length=1, description="A queue that must exist.")
    verify: bool = Field(True, description="Whether the server's certificate must be trusted.")
    ca_file: Path | None = Field(None, description="PEM file of the authorities to trust instead of the system's.")

    metrics: ClassVar[Mapping[str, str]] = {"response_time_ms": "ms", "messages": "", "consumers": ""}
    extra: ClassVar[str | None] = "amqp"

    @field_validator("url")
    @classmethod
    def _url_is_one_of_amqp(cls, url: SecretStr) -> SecretStr:
        Endpoint.parse(url.get_secret_value(), _SCHEMES)
        return url

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        import aio_pika  # noqa: F401 - brought in

    async def probe(self, context: ProbeContext) -> Probe:
        """Connects and asks. Raises SourceFailure when it is refused, denied or the queue is missing."""
        try:
            from aio_pika.exceptions import AMQPException
        except ImportError:
            raise MissingExtra("amqp", "amqp") from None
        endpoint = Endpoint.parse(self.url.get_secret_value(), _SCHEMES)
        await endpoint.permitted(context)
        values: dict[str, Any] = {}
        started = time.perf_counter()
        try:
            async with self._connection(endpoint) as connection:
                channel = await connection.channel()
                values["response_time_ms"] = (time.perf_counter() - started) * 1000
                if self.queue is not None:
                    found = (await channel.declare_queue(self.queue, passive=True)).declaration_result
                    values |= {"messages": found.message_count, "consumers": found.consumer_count}
        except (AMQPException, OSError, EOFError) as error:
            failure = self._failure(error, endpoint)
            if isinstance(failure, SourceFailure):
                failure.values.update(values)
            raise failure from error
        return Probe(values)

    @asynccontextmanager
    async def _connection(self, endpoint: Endpoint) -> AsyncIterator[AbstractConnection]:
        import aio_pika

        tls = endpoint.tls(verify=self.verify, ca_file=self.ca_file) if endpoint.scheme == "amqps" else None
        connection = await aio_pika.connect(self.url.get_secret_value(), ssl_context=tls)
        try:
            yield connection
        finally:
            await connection.close()

    def _failure(self, error: Exception, endpoint: Endpoint) -> Exception:
        from aio_pika import exceptions
        from aiormq.exceptions import ChannelAccessRefused, ConnectionNotAllowed, InvalidFrameError, ProtocolSyntaxError

        if isinstance(error, exceptions.ChannelNotFoundEntity):
            return SourceFailure(f"{endpoint} has no queue {self.queue!r}", reached=True)
        if isinstance(error, ChannelAccessRefused):
            return SourceFailure(f"{endpoint} denied us the queue {self.queue!r}", reached=True)
        if isinstance(error, (exceptions.AuthenticationError, exceptions.ProbableAuthenticationError)):
            return SourceFailure(f"{endpoint} denied us access: the user or password is wrong", reached=True)
        # The client library shows a refusal of the virtual host only as a frame it did not expect.
        if isinstance(error, ConnectionNotAllowed) or ("OpenOk" in str(error) and "Connection.Close" in str(error)):
            return SourceFailure(f"{endpoint} denied us the virtual host", reached=True)
        if isinstance(error, (exceptions.IncompatibleProtocolError, InvalidFrameError, ProtocolSyntaxError)):
            cut = any(isinstance(cause, (EOFError, ConnectionError)) for cause in causes(error))
            return unreachable(error, endpoint) if cut else SourceFailure(f"{endpoint} does not speak AMQP 0-9-1")
        return unreachable(error, endpoint)
