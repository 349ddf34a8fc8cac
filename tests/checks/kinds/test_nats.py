"""`nats` against a NATS server on loopback, and against servers that are none."""

import asyncio
import json
import os
import re
import socket
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.nats import NatsCheck, _moment
from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from tests.checks.kinds.bad_servers import dying_front, garbage, hanging_up, silent, starttls_front
from tests.servers import free_port, need_server

CUT = r"closed the connection before it answered|reset the connection"
INFO = b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"proto":1,"auth_required":true}\r\n'


@pytest.fixture
def server():
    need_server("NATS", "127.0.0.1", 4222)
    return 4222


def check(port: int, *, scheme: str = "nats", login: str = "", **fields) -> NatsCheck:
    return NatsCheck(kind="nats", url=f"{scheme}://{login}127.0.0.1:{port}", **fields)


def request(port: int, subject: str, body) -> bytes:
    """One request by hand, and the whole answer: what any client does."""
    payload = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB answers 1\r\n')
        connection.sendall(b"PUB %b answers %d\r\n%b\r\n" % (subject.encode(), len(payload), payload))
        received = b""
        while not re.search(rb"MSG [^\r]*\r\n.*\r\n", received, re.DOTALL):
            received += connection.recv(65536)
        return received.partition(b"MSG ")[2]


@pytest.fixture
def stream(server):
    name = f"check-{uuid.uuid4().hex}"
    answer = request(server, f"$JS.API.STREAM.CREATE.{name}", {"name": name, "subjects": [name], "storage": "memory"})
    if b'"error"' in answer or b" 503" in answer:
        reason = f"this NATS server has no JetStream ({answer.decode()[:200]}); start one with -js"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    yield name
    request(server, f"$JS.API.STREAM.DELETE.{name}", {})


async def test_connects_and_measures(server, context):
    probe = await check(server).probe(context)
    assert set(probe.values) == {"response_time_ms", "rtt_ms", "version"}
    assert probe.values["rtt_ms"] > 0


async def test_the_state_of_a_stream(server, context, stream):
    empty = await check(server, stream=stream).probe(context)
    assert (empty.values["messages"], empty.values["consumers"]) == (0, 0)
    assert "last_age_s" not in empty.values
    for _ in range(3):
        assert b'"seq"' in request(server, stream, "hello")
    probe = await check(server, stream=stream).probe(context)
    assert probe.values["messages"] == 3
    assert probe.values["bytes"] > 15
    assert 0 <= probe.values["last_age_s"] < 60


async def test_a_missing_stream(server, context, stream):
    with pytest.raises(SourceFailure, match="has no stream 'nothing'"):
        await check(server, stream="nothing").probe(context)


async def test_tls_is_verified(server, context, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with starttls_front(server, authority) as port:
        probe = await check(port, scheme="tls", ca_file=tmp_path / "ca.pem").probe(context)
        assert probe.values["rtt_ms"] > 0
        with pytest.raises(SourceFailure, match="is not trusted"):
            await check(port, scheme="tls").probe(context)


async def test_a_server_without_tls_is_not_trusted_with_the_password(server, context):
    with pytest.raises(SourceFailure, match="does not offer TLS"):
        await check(server, scheme="tls").probe(context)


async def test_access_denied(context):
    async with garbage(INFO + b"-ERR 'Authorization Violation'\r\n") as port:
        with pytest.raises(SourceFailure, match="denied us access") as caught:
            await check(port, login="me:wr0ng@").probe(context)
    assert "wr0ng" not in str(caught.value)


async def test_refused_and_quiet_about_it(context, caplog, capsys):
    port = free_port()
    with pytest.raises(SourceFailure, match=f"^connection refused by 127.0.0.1:{port}$"):
        await check(port).probe(context)
    printed = capsys.readouterr()
    assert not caplog.records
    assert not printed.out + printed.err


async def test_another_protocol(context):
    async with garbage() as port:
        with pytest.raises(SourceFailure, match="does not speak the NATS protocol"):
            await check(port).probe(context)


async def test_hangs_up_without_a_word(context):
    async with hanging_up() as port:
        with pytest.raises(SourceFailure, match=CUT):
            await check(port).probe(context)


@pytest.mark.parametrize("after", [10, 10_000])
async def test_dies_in_the_middle_of_its_answer(server, context, after):
    greeting = len(await _greeting(server))
    async with dying_front(server, min(after, greeting + 2)) as port:
        with pytest.raises(SourceFailure, match=CUT):
            await check(port).probe(context)


async def _greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


async def test_a_silent_server_is_left_to_the_time_limit(context):
    async with silent() as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await check(port).probe(context)


async def test_a_forbidden_network_is_not_touched(context):
    context.clients.denied.add("127.0.0.1")
    with pytest.raises(NetworkDenied):
        await check(free_port()).probe(context)


def test_moments_of_the_server_are_read():
    expected = datetime(2024, 5, 1, 12, 0, 3, 123456, tzinfo=UTC)
    assert _moment("2024-05-01T12:00:03.123456789Z") == expected
    assert _moment("2024-05-01T12:00:03.1Z") == expected.replace(microsecond=100_000)
    assert _moment("2024-05-01T12:00:03Z") == expected.replace(microsecond=0)
    assert _moment("2024-05-01T14:00:03.5+02:00") - expected.replace(microsecond=500_000) == timedelta(0)


def test_wrong_fields_are_refused():
    with pytest.raises(ValidationError, match="must start with nats:// or tls://"):
        NatsCheck(kind="nats", url="http://x")
    with pytest.raises(ValidationError, match="stream"):
        check(1, stream="a.b")
