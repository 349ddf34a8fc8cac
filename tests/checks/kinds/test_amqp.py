"""`amqp` against RabbitMQ on loopback, and against servers that are none."""

import asyncio
import uuid

import aio_pika
import pytest
import trustme
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.amqp import AmqpCheck
from monitoring_pipeline.errors import MissingExtra, NetworkDenied, SourceFailure
from tests.checks.kinds.bad_servers import dying_front, garbage, hanging_up, silent, tls_front, without_module
from tests.servers import free_port, need_server


@pytest.fixture
def rabbit():
    need_server("RabbitMQ", "127.0.0.1", 5672)
    return 5672


def check(port: int, *, login: str = "guest:guest", scheme: str = "amqp", path: str = "", **fields) -> AmqpCheck:
    return AmqpCheck(kind="amqp", url=f"{scheme}://{login}@127.0.0.1:{port}/{path}", **fields)


@pytest.fixture
async def queue(rabbit):
    name = f"check-{uuid.uuid4()}"
    async with await aio_pika.connect("amqp://guest:guest@127.0.0.1:5672/") as connection:
        channel = await connection.channel()
        made = await channel.declare_queue(name)
        for number in range(3):
            await channel.default_exchange.publish(aio_pika.Message(str(number).encode()), routing_key=name)
        yield name
        await made.delete(if_unused=False, if_empty=False)


async def test_connects_and_logs_in(rabbit, context):
    probe = await check(rabbit).probe(context)
    assert probe.values["response_time_ms"] > 0
    assert set(probe.values) == {"response_time_ms"}


async def test_a_queue_is_counted_and_left_alone(rabbit, queue, context):
    for _ in range(2):
        probe = await check(rabbit, queue=queue).probe(context)
        assert probe.values["messages"] == 3
        assert probe.values["consumers"] == 0


async def test_a_missing_queue_is_not_created(rabbit, context):
    for _ in range(2):
        with pytest.raises(SourceFailure, match="has no queue 'no-such-queue'") as caught:
            await check(rabbit, queue="no-such-queue").probe(context)
    assert caught.value.values["response_time_ms"] > 0


async def test_a_wrong_password(rabbit, context):
    with pytest.raises(SourceFailure, match="denied us access: the user or password is wrong") as caught:
        await check(rabbit, login="guest:wr0ng").probe(context)
    assert "wr0ng" not in str(caught.value)


async def test_a_virtual_host_that_is_not_there(rabbit, context):
    with pytest.raises(SourceFailure, match="denied us the virtual host"):
        await check(rabbit, path="nowhere").probe(context)


async def test_tls_is_verified(rabbit, context, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with tls_front(rabbit, authority) as port:
        probe = await check(port, scheme="amqps", ca_file=tmp_path / "ca.pem").probe(context)
        assert probe.values["response_time_ms"] > 0
        with pytest.raises(SourceFailure, match="is not trusted"):
            await check(port, scheme="amqps").probe(context)


async def test_refused(context):
    port = free_port()
    with pytest.raises(SourceFailure, match=f"^connection refused by 127.0.0.1:{port}$"):
        await check(port).probe(context)


async def test_another_protocol(context):
    async with garbage(b"AMQP\x03\x01\x00\x00") as port:  # a broker of AMQP 1.0 alone
        with pytest.raises(SourceFailure, match="does not speak AMQP 0-9-1"):
            await check(port).probe(context)


async def test_hangs_up_without_a_word(context):
    async with hanging_up() as port:
        with pytest.raises(SourceFailure, match=r"closed the connection before it answered|reset the connection"):
            await check(port).probe(context)


@pytest.mark.parametrize("after", [4, 200, 530])
async def test_dies_in_the_middle_of_its_answer(rabbit, context, after):
    async with dying_front(rabbit, after) as port:
        with pytest.raises(SourceFailure, match=r"closed the connection|reset the connection"):
            await check(port, queue="x").probe(context)


async def test_a_silent_server_is_left_to_the_time_limit(context):
    async with silent() as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await check(port).probe(context)


async def test_a_forbidden_network_is_not_touched(context):
    context.clients.denied.add("127.0.0.1")
    with pytest.raises(NetworkDenied):
        await check(free_port()).probe(context)


async def test_a_missing_client_names_its_install_command(context):
    with without_module("aio_pika", "aiormq"), pytest.raises(MissingExtra, match=r"monitoring-pipeline\[amqp\]"):
        await check(1).probe(context)


def test_a_wrong_url_is_refused():
    with pytest.raises(ValidationError, match="must start with amqp:// or amqps://"):
        AmqpCheck(kind="amqp", url="rabbit://x")
