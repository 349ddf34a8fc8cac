"""`mqtt` against Mosquitto on loopback, and against servers that are none."""

import asyncio
import socket
import uuid

import pytest
import trustme
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.mqtt import MqttCheck
from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from tests.checks.kinds.bad_servers import dying_front, garbage, hanging_up, silent, tls_front
from tests.servers import free_port, need_server

CUT = r"closed the connection before it answered|reset the connection"


@pytest.fixture
def mosquitto():
    need_server("Mosquitto", "127.0.0.1", 1883)
    return 1883


@pytest.fixture
def topic():
    return f"check/{uuid.uuid4()}"


def publish_retained(port: int, topic: str, payload: bytes) -> None:
    """What any client does: CONNECT, a retained PUBLISH of quality 1, and wait for its PUBACK."""
    body = len(topic).to_bytes(2, "big") + topic.encode() + b"\x00\x01" + payload
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test")
        assert connection.recv(4) == b"\x20\x02\x00\x00"
        connection.sendall(b"\x33" + bytes([len(body)]) + body)
        assert connection.recv(4) == b"\x40\x02\x00\x01"


def check(port: int, *, scheme: str = "mqtt", login: str = "", **fields) -> MqttCheck:
    return MqttCheck(kind="mqtt", url=f"{scheme}://{login}127.0.0.1:{port}", **fields)


async def test_connects(mosquitto, context):
    probe = await check(mosquitto).probe(context)
    assert set(probe.values) == {"response_time_ms"}
    assert probe.values["response_time_ms"] > 0


async def test_a_message_comes_back(mosquitto, context, topic):
    probe = await check(mosquitto, topic=topic).probe(context)
    assert probe.values["round_trip_ms"] > 0


async def test_two_probes_of_one_topic_do_not_confuse_each_other(mosquitto, context, topic):
    probes = await asyncio.gather(*(check(mosquitto, topic=topic).probe(context) for _ in range(4)))
    assert all(probe.values["round_trip_ms"] > 0 for probe in probes)


async def test_a_retained_message_is_read(mosquitto, context, topic):
    publish_retained(mosquitto, topic, b'{"level": 7}')
    probe = await check(mosquitto, topic=topic, expect="retained").probe(context)
    publish_retained(mosquitto, topic, b"")
    assert probe.values["payload"] == '{"level": 7}'
    assert probe.values["payload_bytes"] == 12
    assert probe.values["json"] == {"level": 7}


async def test_nothing_retained(mosquitto, context, topic):
    with pytest.raises(SourceFailure, match="has no retained message on 'check/") as caught:
        await check(mosquitto, topic=topic, expect="retained", wait="200ms").probe(context)
    assert caught.value.values["response_time_ms"] > 0


async def test_tls_is_verified(mosquitto, context, tmp_path, topic):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with tls_front(mosquitto, authority) as port:
        probe = await check(port, scheme="mqtts", topic=topic, ca_file=tmp_path / "ca.pem").probe(context)
        assert probe.values["round_trip_ms"] > 0
        with pytest.raises(SourceFailure, match="is not trusted"):
            await check(port, scheme="mqtts").probe(context)


async def test_access_denied_by_the_broker(context):
    async with garbage(b"\x20\x02\x00\x05") as port:  # CONNACK: not authorised, as a broker with passwords says
        with pytest.raises(SourceFailure, match="denied us access") as caught:
            await check(port, login="me:wr0ng@").probe(context)
    assert "wr0ng" not in str(caught.value)


async def test_refused(context):
    port = free_port()
    with pytest.raises(SourceFailure, match=f"^connection refused by 127.0.0.1:{port}$"):
        await check(port).probe(context)


async def test_another_protocol(context):
    async with garbage() as port:
        with pytest.raises(SourceFailure, match="does not speak MQTT"):
            await check(port).probe(context)


async def test_no_tls_where_tls_is_expected(mosquitto, context):
    async with garbage() as port:
        with pytest.raises(SourceFailure, match="does not speak TLS"):
            await check(port, scheme="mqtts").probe(context)


async def test_hangs_up_without_a_word(context):
    async with hanging_up() as port:
        with pytest.raises(SourceFailure, match=CUT):
            await check(port).probe(context)


@pytest.mark.parametrize("after", [2, 4])
async def test_dies_in_the_middle_of_its_answer(mosquitto, context, topic, after):
    async with dying_front(mosquitto, after) as port:
        with pytest.raises(SourceFailure, match=CUT):
            await check(port, topic=topic).probe(context)


async def test_a_silent_server_is_left_to_the_time_limit(context):
    async with silent() as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await check(port).probe(context)


async def test_a_forbidden_network_is_not_touched(context):
    context.clients.denied.add("127.0.0.1")
    with pytest.raises(NetworkDenied):
        await check(free_port()).probe(context)


def test_wildcards_and_wrong_urls_are_refused():
    with pytest.raises(ValidationError, match="topic"):
        check(1, topic="a/#")
    with pytest.raises(ValidationError, match="must start with mqtt:// or mqtts://"):
        MqttCheck(kind="mqtt", url="tcp://x")
