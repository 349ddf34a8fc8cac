"""The `dns` check against a real DNS server on loopback, right, wrong, silent and babbling."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds import dns as kind
from monitoring_pipeline.checks.kinds.dns import DnsCheck
from monitoring_pipeline.errors import CheckError, NetworkDenied, SourceFailure

ZONE = {
    ("www.example.com.", "A"): [("www.example.com.", 60, "CNAME", ["web.example.com."]),
                                ("web.example.com.", 30, "A", ["192.0.2.1", "192.0.2.2"])],
    ("example.com.", "MX"): [("example.com.", 300, "MX", ["10 mail.example.com."])],
    ("example.com.", "TXT"): [("example.com.", 300, "TXT", ['"v=spf1 -all"'])],
    ("example.com.", "A"): [],
    ("1.2.0.192.in-addr.arpa.", "PTR"): [("1.2.0.192.in-addr.arpa.", 9, "PTR", ["web.example.com."])],
    ("big.example.com.", "TXT"): [("big.example.com.", 5, "TXT", [f'"{n}{"x" * 200}"' for n in range(40)])],
}  # fmt: skip


def answer_to(wire: bytes, *, stream: bool) -> bytes:
    query = dns.message.from_wire(wire)
    name, record = str(query.question[0].name), query.question[0].rdtype.name
    answer = dns.message.make_response(query)
    if name == "broken.example.com.":
        answer.set_rcode(dns.rcode.SERVFAIL)
    elif (name, record) not in ZONE:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    else:
        answer.answer = [dns.rrset.from_text(owner, ttl, "IN", kind, *texts)
                         for owner, ttl, kind, texts in ZONE[name, record]]  # fmt: skip
    if not stream and len(answer.answer and answer.to_wire()) > 1232:
        answer.answer = []
        answer.flags |= dns.flags.TC
    return answer.to_wire()


class Server(asyncio.DatagramProtocol):
    """Answers over UDP; `lose` questions are lost first; `babble` answers with noise."""

    def __init__(self, lose: int = 0, babble: bool = False) -> None:
        self.lose, self.babble, self.asked = lose, babble, 0

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, wire: bytes, sender) -> None:
        self.asked += 1
        if self.asked > self.lose:
            self.transport.sendto(b"what?" if self.babble else answer_to(wire, stream=False), sender)


async def over_tcp(reader, writer):
    length = int.from_bytes(await reader.readexactly(2), "big")
    wire = answer_to(await reader.readexactly(length), stream=True)
    writer.write(len(wire).to_bytes(2, "big") + wire)
    writer.close()


@asynccontextmanager
async def serving(**fields):
    """A DNS server on one port of loopback, UDP and TCP. Yields `host:port` and the server."""
    stream = await asyncio.start_server(over_tcp, "127.0.0.1", 0)
    port = stream.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: Server(**fields), ("127.0.0.1", port))
    try:
        yield f"127.0.0.1:{port}", server
    finally:
        transport.close()
        stream.close()


@pytest.mark.parametrize(
    ("name", "record", "answers", "ttl"),
    [
        ("www.example.com", "A", ["192.0.2.1", "192.0.2.2"], 30),
        ("example.com", "MX", ["10 mail.example.com."], 300),
        ("example.com.", "TXT", ['"v=spf1 -all"'], 300),
        ("192.0.2.1", "PTR", ["web.example.com."], 9),
    ],
)
async def test_records_are_found(context, name, record, answers, ttl):
    async with serving() as (server, _):
        check = DnsCheck(name=name, record=record, server=server)
        probe = await check.probe(context)
    assert probe.values["answers"] == answers
    assert (probe.values["count"], probe.values["ttl"], probe.values["rcode"]) == (len(answers), ttl, "NOERROR")
    assert probe.values["response_time_ms"] > 0
    assert [c.evaluate(probe.values).holds for c in check.critical_conditions()] == [True, True]


@pytest.mark.parametrize(
    ("name", "rcode", "text"),
    [
        ("gone.example.com", "NXDOMAIN", 'rcode ("NXDOMAIN") == "NOERROR"'),
        ("broken.example.com", "SERVFAIL", 'rcode ("SERVFAIL") == "NOERROR"'),
        ("example.com", "NOERROR", "count (0) > 0"),
    ],
)
async def test_what_a_chosen_server_says_is_a_finding(context, name, rcode, text):
    async with serving() as (server, _):
        check = DnsCheck(name=name, server=server)
        probe = await check.probe(context)
    assert (probe.values["rcode"], probe.values["count"]) == (rcode, 0)
    verdicts = [condition.evaluate(probe.values) for condition in check.critical_conditions()]
    assert text in [verdict.text for verdict in verdicts if verdict.holds is False]


async def test_conditions_on_the_answers(context):
    async with serving() as (server, _):
        check = DnsCheck(name="www.example.com", server=server, conditions=['answers contains "192.0.2.2"'])
        probe = await check.probe(context)
    assert check.critical_conditions()[0].evaluate(probe.values).holds is True


async def test_an_answer_too_long_for_udp_is_fetched_over_tcp(context):
    async with serving() as (server, _):
        probe = await DnsCheck(name="big.example.com", record="TXT", server=server).probe(context)
    assert probe.values["count"] == 40
    assert len(probe.details["answers"]) == 10, "details stay small"


async def test_a_lost_question_is_sent_again(context):
    async with serving(lose=1) as (address, server):
        probe = await DnsCheck(name="example.com", record="MX", server=address).probe(context)
    assert probe.values["count"] == 1
    assert server.asked == 2


async def test_a_silent_server_is_left_to_the_callers_timeout(context):
    async with serving(lose=1000) as (server, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await DnsCheck(name="example.com", server=server).probe(context)


async def test_a_server_that_babbles(context):
    async with serving(babble=True) as (server, _):
        with pytest.raises(SourceFailure, match=f"{server} answered something that is not DNS"):
            await DnsCheck(name="example.com", server=server).probe(context)


async def test_nobody_listens(context):
    async with serving() as (server, _):
        pass
    with pytest.raises(SourceFailure, match=f"connection refused by {server}"):
        async with asyncio.timeout(30):
            await DnsCheck(name="example.com", server=server).probe(context)


async def test_a_server_whose_name_does_not_resolve(context):
    with pytest.raises(SourceFailure, match=r"the name nowhere\.invalid does not resolve"):
        await DnsCheck(name="example.com", server="nowhere.invalid").probe(context)


async def test_a_forbidden_network_is_never_asked(context):
    context.clients.denied.add("127.0.0.1")
    async with serving() as (address, server):
        with pytest.raises(NetworkDenied):
            await DnsCheck(name="example.com", server=address).probe(context)
    assert server.asked == 0


async def test_this_machines_resolvers_are_asked_without_a_server(context, monkeypatch):
    async with serving() as (server, _):
        monkeypatch.setattr(kind, "_PORT", int(server.rpartition(":")[2]))
        monkeypatch.setattr(kind, "_resolvers", lambda: ["127.0.0.3", "127.0.0.1"])
        probe = await DnsCheck(name="example.com", record="MX").probe(context)
        assert (probe.values["count"], probe.details["server"]) == (1, "127.0.0.1")
        gone = await DnsCheck(name="gone.example.com").probe(context)
        assert gone.values["rcode"] == "NXDOMAIN", "that a name is gone is a finding, whoever says so"
        with pytest.raises(CheckError, match=r"no resolver of this machine could answer.*SERVFAIL"):
            await DnsCheck(name="broken.example.com").probe(context)


async def test_a_name_that_is_none(context):
    with pytest.raises(CheckError, match="no name that DNS can be asked for"):
        await DnsCheck(name="x" * 70 + ".example.com", server="127.0.0.1").probe(context)


@pytest.mark.parametrize(
    ("server", "host", "port"),
    [
        ("192.0.2.53", "192.0.2.53", 53),
        ("ns.example.com:5353", "ns.example.com", 5353),
        ("2001:db8::1", "2001:db8::1", 53),
        ("[2001:db8::1]:54", "2001:db8::1", 54),
    ],
)
def test_ways_to_write_a_server(server, host, port):
    assert kind._split(server) == (host, port)


@pytest.mark.parametrize("fields", [{"server": "a:b"}, {"server": ":53"}, {"server": "a:0"}, {"record": "ANY"}])
def test_a_wrong_configuration_is_refused(fields):
    with pytest.raises(ValidationError):
        DnsCheck(**({"name": "example.com"} | fields))
