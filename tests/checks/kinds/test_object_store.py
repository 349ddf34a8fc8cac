"""The `object_store` kind against a real S3 server on loopback."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.check import ProbeContext
from monitoring_pipeline.checks.kinds.object_store import ObjectStoreCheck
from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from tests.servers import free_port

SECRET = "wJalrXUtnFEMIbPxRfiCY"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Iterator[str]:
    """A bucket with five objects: in/0.csv of 0 bytes to in/3.csv of 3 bytes, and done."""
    _ask(endpoint, "/moto-api/reset", b"")
    boto = _boto(endpoint)
    boto.create_bucket(Bucket="orders")
    for number in range(4):
        boto.put_object(Bucket="orders", Key=f"in/{number}.csv", Body=b"x" * number)
    boto.put_object(Bucket="orders", Key="done", Body=b"")
    yield "orders"
    boto.close()


def _boto(endpoint: str) -> Any:
    import boto3

    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key=SECRET
    )


def _ask(endpoint: str, path: str, body: bytes) -> None:
    # With urllib's own content type the server would take the body for a form.
    request = urllib.request.Request(endpoint + path, data=body, headers={"Content-Type": "text/plain"})
    urllib.request.urlopen(request, timeout=30).close()


def store(endpoint: str | None, **fields: Any) -> ObjectStoreCheck:
    given = {"bucket": "orders", "access_key": "key", "secret_key": SECRET, **fields}
    return ObjectStoreCheck(kind="object_store", endpoint=endpoint, **given)


async def test_a_listing(endpoint: str, bucket: str, context: ProbeContext) -> None:
    later = dataclasses.replace(context, now=context.now + timedelta(hours=1))
    probe = await store(endpoint).probe(later)
    values = dict(probe.values)
    assert values.pop("response_time_ms") > 0
    assert 3500 < values.pop("newest_age_s") <= values.pop("oldest_age_s") < 3900
    assert values.pop("newest_key") in {"in/0.csv", "in/1.csv", "in/2.csv", "in/3.csv", "done"}
    assert values == {"reachable": True, "count": 5, "bytes_total": 6, "truncated": False}
    assert SECRET not in str(probe)


async def test_a_prefix_is_a_folder(endpoint: str, bucket: str, context: ProbeContext) -> None:
    assert (await store(endpoint, prefix="in").probe(context)).values["count"] == 4
    assert (await store(endpoint, prefix="in/").probe(context)).values["count"] == 4
    empty = (await store(endpoint, prefix="out").probe(context)).values
    assert (empty["count"], empty["bytes_total"]) == (0, 0)
    assert "newest_age_s" not in empty


async def test_the_bound_is_told(endpoint: str, bucket: str, context: ProbeContext) -> None:
    exact = (await store(endpoint, max_keys=5).probe(context)).values
    bounded = (await store(endpoint, max_keys=4).probe(context)).values
    assert (exact["count"], exact["truncated"]) == (5, False)
    assert (bounded["count"], bounded["truncated"]) == (4, True)


async def test_more_than_one_page(endpoint: str, bucket: str, context: ProbeContext) -> None:
    boto = _boto(endpoint)
    for number in range(1100):
        boto.put_object(Bucket="orders", Key=f"many/{number}", Body=b"")
    boto.close()
    assert (await store(endpoint, prefix="many").probe(context)).values["count"] == 1100


async def test_one_object(endpoint: str, bucket: str, context: ProbeContext) -> None:
    later = dataclasses.replace(context, now=context.now + timedelta(hours=1))
    values = (await store(endpoint, key="in/3.csv").probe(later)).values
    assert values["size"] == 3
    assert 3500 < values["age_s"] < 3900
    assert "count" not in values
    both = (await store(endpoint, key="in/3.csv", prefix="in").probe(later)).values
    assert (both["size"], both["count"]) == (3, 4)


async def test_a_missing_object(endpoint: str, bucket: str, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match=r"in/9\.csv does not exist"):
        await store(endpoint, key="in/9.csv").probe(context)


async def test_a_missing_bucket(endpoint: str, bucket: str, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match=r"bucket does not exist \(NoSuchBucket\)") as caught:
        await store(endpoint, bucket="returns").probe(context)
    assert caught.value.reached


async def test_refused_credentials(endpoint: str, bucket: str, context: ProbeContext) -> None:
    _ask(endpoint, "/moto-api/reset-auth", b"0")
    try:
        with pytest.raises(SourceFailure, match="InvalidAccessKeyId") as caught:
            await store(endpoint).probe(context)
        with pytest.raises(SourceFailure, match="403"):
            await store(endpoint, key="done").probe(context)
    finally:
        _ask(endpoint, "/moto-api/reset-auth", b"Infinity")
    assert SECRET not in str(caught.value)


async def test_a_refused_connection(context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match="Connection refused") as caught:
        await store(f"http://127.0.0.1:{free_port()}").probe(context)
    assert not caught.value.reached


async def test_an_unknown_host(context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match="does not resolve"):
        await store("http://store.invalid").probe(context)


def _serve_once(listener: socket.socket, reply: bytes) -> None:
    line, _ = listener.accept()
    with line:
        line.recv(65536)
        line.sendall(reply)


@pytest.mark.parametrize(("reply", "message"), [
    (b"", "."),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<?xml version='1.0'?><ListBucketResult>", "."),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "."),
    (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503 Service Unavailable"),
])  # fmt: skip
async def test_a_server_that_dies_or_talks_nonsense(reply: bytes, message: str, context: ProbeContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve_once, args=(listener, reply), daemon=True)
        thread.start()
        with pytest.raises(SourceFailure, match=message) as caught:
            await store(f"http://127.0.0.1:{listener.getsockname()[1]}").probe(context)
        thread.join(30)
    assert "\n" not in str(caught.value)


async def test_a_server_that_never_answers(context: ProbeContext) -> None:
    impatient = dataclasses.replace(context, timeout_s=0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(SourceFailure, match="did not answer"):
        await store(f"http://127.0.0.1:{listener.getsockname()[1]}").probe(impatient)


async def test_without_credentials_requests_go_unsigned(
    endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch, context: ProbeContext
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard: list[bytes] = []

        def listen() -> None:
            line, _ = listener.accept()
            with line:
                heard.append(line.recv(65536))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(SourceFailure):
            await store(url, access_key=None, secret_key=None).probe(context)
        thread.join(30)
    assert heard[0].startswith(b"GET /orders?list-type=2")
    assert b"authorization" not in heard[0].lower()


async def test_credentials_from_the_environment(
    endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch, context: ProbeContext
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    probe = await store(endpoint, access_key=None, secret_key=None).probe(context)
    assert probe.values["count"] == 5


async def test_a_forbidden_network(context: ProbeContext) -> None:
    context.clients.denied.add("192.0.2.7")
    with pytest.raises(NetworkDenied):
        await store("http://192.0.2.7:9000").probe(context)


@pytest.mark.parametrize("fields", [
    {"endpoint": "s3.example.com"},
    {"endpoint": "ftp://s3.example.com"},
    {"endpoint": "https://user:pass@s3.example.com"},
    {"endpoint": None, "secret_key": None},
    {"endpoint": None, "bucket": ""},
])  # fmt: skip
def test_wrong_settings_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        store(**fields)
