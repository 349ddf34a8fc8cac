"""The `dns` check: does a name resolve to what it should, and how fast?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.reach.connection import addresses_of, failure_of, place

if TYPE_CHECKING:
    from dns.message import Message, QueryMessage

__all__ = ["DnsCheck"]

_PORT = 53
_RESEND_S = 1.0


class DnsCheck(Check):
    """Asks a DNS server for the records of a name.

    Values: `answers` (list of texts such as `192.0.2.1` or `10 mail.example.com.`), `count`, `ttl`
    (seconds, the smallest), `rcode` (`NOERROR`, `NXDOMAIN`, `SERVFAIL`, ...) and `response_time_ms`.

    With a `server` of its own, whatever that server says is a finding. Without one the resolvers of
    this machine are asked, and when none of them works the check has failed, not the source.
    """

    metrics: ClassVar[Mapping[str, str]] = {"response_time_ms": "ms", "ttl": "s"}
    default_conditions: ClassVar[tuple[str, ...]] = ('rcode == "NOERROR"', "count > 0")

    kind: Literal["dns"] = "dns"
    name: str = Field(min_length=1, description="The name to ask for; for PTR an IP address will do.")
    record: Literal["A", "AAAA", "CNAME", "MX", "TXT", "NS", "SOA", "SRV", "PTR"] = "A"
    server: str | None = Field(None, description="The DNS server, host or host:port; this machine's if absent.")

    @field_validator("server")
    @classmethod
    def _server_has_a_port(cls, server: str | None) -> str | None:
        if server is not None:
            _split(server)
        return server

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        import dns.asyncquery
        import dns.resolver  # noqa: F401 - brought in

    async def probe(self, context: ProbeContext) -> Probe:
        """One question, sent again each second until it is answered."""
        query = self._query()
        begun = perf_counter()
        if self.server is None:
            answer, asked = await self._ask_this_machines(context, query)
        else:
            host, port = _split(self.server)
            address = (await addresses_of(context, host, port))[0]
            begun = perf_counter()
            answer, asked = await self._ask(query, address, port), place(host, port)
        elapsed = (perf_counter() - begun) * 1000
        values = {"response_time_ms": elapsed, **_found(answer)}
        details = {"server": asked, "answers": values["answers"][:10]}
        return Probe(values, details=details)

    def _query(self) -> QueryMessage:
        import dns.exception
        import dns.message
        import dns.name
        import dns.reversename

        try:
            name = dns.name.from_text(self.name)
            if self.record == "PTR" and not self.name.rstrip(".").endswith(".arpa"):
                name = dns.reversename.from_address(self.name)
            return dns.message.make_query(name, self.record)
        except (dns.exception.DNSException, UnicodeError) as error:
            raise CheckError(f"{self.name!r} is no name that DNS can be asked for: {error}") from error

    async def _ask(self, query: QueryMessage, address: str, port: int) -> Message:
        """The answer of one server; waits for it without end, because time-outs are the caller's."""
        import dns.asyncquery
        import dns.exception
        import dns.message

        where = place(address, port)
        try:
            try:
                return await _over_udp(query, address, port)
            except dns.message.Truncated:
                return await dns.asyncquery.tcp(query, address, port=port)
        except OSError as error:
            raise failure_of(error, where) from error
        except EOFError as error:
            raise SourceFailure(f"{where} closed the connection without an answer") from error
        except dns.exception.DNSException as error:
            raise SourceFailure(f"{where} answered something that is not DNS: {_words(error)}") from error

    async def _ask_this_machines(self, context: ProbeContext, query: QueryMessage) -> tuple[Message, str]:
        """The first usable answer of this machine's resolvers, and whose it was."""
        import dns.exception
        import dns.rcode

        troubles = []
        servers = _resolvers()
        share = context.timeout_s / (len(servers) + 1)
        for server in servers:
            try:
                async with asyncio.timeout(share):
                    address = (await addresses_of(context, server, _PORT))[0]
                    answer = await self._ask(query, address, _PORT)
            except (TimeoutError, SourceFailure) as error:
                troubles.append(str(error) or f"{server} does not answer")
                continue
            if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return answer, server
            troubles.append(f"{server} answered {dns.rcode.to_text(answer.rcode())}")
        raise CheckError("no resolver of this machine could answer: " + "; ".join(troubles))


class _Conversation(asyncio.DatagramProtocol):
    """Waits for the answer to `query` on a connected socket, where a refusal is heard of, too."""

    def __init__(self, query: QueryMessage) -> None:
        self.query = query
        self.answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        import dns.exception
        import dns.message

        if self.answer.done():
            return
        try:
            message = dns.message.from_wire(data, raise_on_truncation=True)
        except dns.exception.DNSException as error:
            self.answer.set_exception(error)
        else:
            if self.query.is_response(message):
                self.answer.set_result(message)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(query: QueryMessage, address: str, port: int) -> Message:
    """Asks again each second until there is an answer. Raises OSError or DNSException."""
    loop = asyncio.get_running_loop()
    conversation = _Conversation(query)
    transport, _ = await loop.create_datagram_endpoint(lambda: conversation, remote_addr=(address, port))
    wire = query.to_wire()
    try:
        while not conversation.answer.done():
            transport.sendto(wire)
            await asyncio.wait([conversation.answer], timeout=_RESEND_S)
        return conversation.answer.result()
    finally:
        transport.close()


def _resolvers() -> Sequence[str]:
    import dns.exception
    import dns.resolver

    try:
        return [str(server) for server in dns.resolver.Resolver().nameservers]
    except (dns.exception.DNSException, OSError) as error:
        raise CheckError(f"this machine has no DNS resolver configured: {error}") from error


def _found(answer: Message) -> dict[str, Any]:
    """What an answer holds, with CNAMEs followed within it."""
    import dns.exception
    import dns.rcode

    values: dict[str, Any] = {"rcode": dns.rcode.to_text(answer.rcode()), "answers": [], "count": 0}
    try:
        chain = answer.resolve_chaining()  # type: ignore[attr-defined]
    except dns.exception.DNSException:
        return values
    if chain.answer is not None:
        values["answers"] = sorted(record.to_text() for record in chain.answer)
        values["count"] = len(values["answers"])
        values["ttl"] = chain.minimum_ttl
    return values


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _split(server: str) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, `[v6]:port` or a bare IPv6 address."""
    host, port = server, str(_PORT)
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif server.count(":") == 1:
        host, _, port = server.partition(":")
    if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError("a DNS server is a host or host:port, such as 192.0.2.53 or ns.example.com:5353")
    return host, int(port)
