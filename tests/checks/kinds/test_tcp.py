"""The `tcp` check against servers that accept, refuse, talk, keep silent or hang up."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import resource
from contextlib import asynccontextmanager

import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.tcp import TcpCheck
from monitoring_pipeline.errors import CheckError, NetworkDenied, SourceFailure
from tests.checks.kinds.conftest import DictClients
from tests.servers import free_port


@asynccontextmanager
async def serving(talk):
    """A server on loopback; `talk(reader, writer)` handles one connection. Yields its port."""

    async def handle(reader, writer):
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def echo(reader, writer):
    writer.write(b"you said " + await reader.readline())
    await writer.drain()
    await reader.read()


async def silent(reader, writer):
    await reader.read()


def tcp(port: int, **fields) -> TcpCheck:
    return TcpCheck(host="127.0.0.1", port=port, **fields)


async def failure(check: TcpCheck, context) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        await check.probe(context)
    return caught.value


async def test_an_open_port_is_enough(context):
    async with serving(silent) as port:
        probe = await tcp(port).probe(context)
    assert 0 < probe.values["connect_ms"] <= probe.values["response_time_ms"]
    assert "banner" not in probe.values
    assert probe.details == {"address": "127.0.0.1"}


async def test_a_name_with_several_addresses_is_tried_until_one_accepts(context):
    async with serving(silent) as port:
        probe = await TcpCheck(host="localhost", port=port).probe(context)
    assert probe.values["dns_ms"] > 0
    assert probe.details == {"address": "127.0.0.1"}


class TwoAddresses(DictClients):
    """A name server's answer of two addresses, the first of which is dead."""

    def __init__(self, dead: str) -> None:
        super().__init__()
        self.dead = dead

    async def permit(self, host, port=None):
        return [self.dead, "127.0.0.1"]


@pytest.mark.parametrize("dead", ["127.0.0.9", "192.0.2.1"], ids=["refuses", "never answers"])
async def test_a_dead_address_leaves_time_for_the_next(context, dead):
    patient = dataclasses.replace(context, clients=TwoAddresses(dead), timeout_s=0.6)
    async with serving(silent) as port:
        probe = await TcpCheck(host="two.example.com", port=port).probe(patient)
    assert probe.details == {"address": "127.0.0.1"}


async def test_having_no_file_descriptors_left_is_our_own_trouble(context):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serving(silent) as port:
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            with pytest.raises(CheckError, match="this process has too many open files"):
                await tcp(port).probe(context)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_it_sends_and_reads_until_the_expected_text(context):
    async with serving(echo) as port:
        probe = await tcp(port, send="hello\n", expect="said hello").probe(context)
    assert probe.values["banner"] == "you said hello\n"


async def test_text_that_comes_in_pieces_is_put_together(context):
    async def stammer(reader, writer):
        for letter in b"220 ready":
            writer.write(bytes([letter]))
            await writer.drain()
            await asyncio.sleep(0.002)
        await reader.read()

    async with serving(stammer) as port:
        probe = await tcp(port, expect="220 ready").probe(context)
    assert probe.values["banner"] == "220 ready"


async def test_read_makes_the_banner_a_value_for_conditions(context):
    async def greet(reader, writer):
        writer.write(b"220 mail\r\n")
        await reader.read()

    async with serving(greet) as port:
        check = tcp(port, read=True, conditions=['banner contains "mail"'])
        probe = await check.probe(context)
    assert [c.evaluate(probe.values).holds for c in check.critical_conditions()] == [True]


async def test_wrong_answer(context):
    async def wrong(reader, writer):
        writer.write(b"421 too busy\r\n")

    async with serving(wrong) as port:
        found = await failure(tcp(port, expect="220"), context)
    assert str(found) == f"127.0.0.1:{port} answered '421 too busy\\r\\n', which does not hold '220'"
    assert found.values["banner"] == "421 too busy\r\n"


async def test_a_flood_is_read_up_to_max_read_only(context):
    async def flood(reader, writer):
        while True:
            writer.write(b"y" * 65536)
            await writer.drain()

    async with serving(flood) as port:
        found = await failure(tcp(port, expect="220", max_read=1000), context)
    assert len(found.values["banner"]) == 1000
    assert len(str(found)) < 200


async def test_closed_without_an_answer(context):
    async def shut(reader, writer):
        pass

    async with serving(shut) as port:
        found = await failure(tcp(port, read=True), context)
    assert str(found) == f"127.0.0.1:{port} closed the connection without an answer"


async def test_refused(context):
    port = free_port()
    assert str(await failure(tcp(port), context)) == f"connection refused by 127.0.0.1:{port}"
    named = TcpCheck(host="localhost", port=port)
    assert str(await failure(named, context)) == f"connection refused by localhost:{port}"


async def test_a_silent_server_is_left_to_the_callers_timeout(context):
    async with serving(silent) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await tcp(port, read=True).probe(context)


async def test_a_name_that_does_not_resolve(context):
    found = await failure(TcpCheck(host="nowhere.invalid", port=1), context)
    assert str(found) == "the name nowhere.invalid does not resolve"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_forbidden_network_is_never_connected_to(context, host):
    connected = []

    async def note(reader, writer):
        connected.append(1)

    context.clients.denied.add("127.0.0.1")
    async with serving(note) as port:
        with pytest.raises(NetworkDenied):
            await TcpCheck(host=host, port=port).probe(context)
        await asyncio.sleep(0.05)
    assert connected == []


def test_a_condition_on_a_banner_needs_something_to_be_read():
    with pytest.raises(ValidationError, match="read: true"):
        tcp(1, conditions=['banner contains "x"'])


@pytest.mark.parametrize("fields", [{"port": 0}, {"port": 65536}, {"host": ""}, {"expect": ""}])
def test_a_wrong_configuration_is_refused(fields):
    with pytest.raises(ValidationError):
        TcpCheck(**({"host": "127.0.0.1", "port": 1} | fields))
