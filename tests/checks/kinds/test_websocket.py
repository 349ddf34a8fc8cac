"""The `websocket` check against servers that talk, refuse, redirect, babble and hang up."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from aiohttp import web
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.websocket import WebsocketCheck
from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from tests.servers import free_port


@asynccontextmanager
async def serving(handler, tls: ssl.SSLContext | None = None):
    """An HTTP server on loopback that gives every request to `handler`. Yields its port."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def echo(request: web.Request) -> web.WebSocketResponse:
    stream = web.WebSocketResponse(protocols=("v1",))
    await stream.prepare(request)
    if request.headers.get("X-Hello"):
        await stream.send_str(f"hello {request.headers['X-Hello']}")
    async for message in stream:
        await stream.send_str(f"you said {message.data}")
    return stream


def websocket(port: int, **fields) -> WebsocketCheck:
    return WebsocketCheck(url=f"ws://127.0.0.1:{port}/feed", **fields)


async def failure(check: WebsocketCheck, context) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        await check.probe(context)
    return caught.value


async def test_the_handshake_and_a_ping_are_measured(context):
    async with serving(echo) as port:
        probe = await websocket(port).probe(context)
        without = await websocket(port, ping=False).probe(context)
    assert probe.values["response_time_ms"] > 0
    assert probe.values["ping_ms"] > 0
    assert set(without.values) == {"response_time_ms"}


async def test_it_sends_and_waits_for_the_expected_text(context):
    async with serving(echo) as port:
        check = websocket(port, send="abc", expect="said abc", headers={"X-Hello": "ann"}, subprotocols=["v1"])
        probe = await check.probe(context)
    assert probe.values["answer"] == "you said abc"
    assert probe.values["answer_ms"] > 0


async def test_read_makes_the_first_message_a_value_for_conditions(context):
    async with serving(echo) as port:
        check = websocket(port, read=True, headers={"X-Hello": "ann"}, conditions=['answer == "hello ann"'])
        probe = await check.probe(context)
    assert check.critical_conditions()[0].evaluate(probe.values).holds is True


async def test_the_servers_own_pings_are_answered(context):
    async def demanding(request):
        stream = web.WebSocketResponse(autoping=False)
        await stream.prepare(request)
        await stream.ping(b"are you there")
        message = await stream.receive()
        await stream.send_str(f"{message.type.name} {message.data.decode()}")
        await stream.receive()
        return stream

    async with serving(demanding) as port:
        probe = await websocket(port, read=True, ping=False).probe(context)
    assert probe.values["answer"] == "PONG are you there"


async def test_wrong_answer_and_goodbye(context):
    async def wrong(request):
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        await stream.send_str("no")
        await stream.close(code=1011)
        return stream

    async with serving(wrong) as port:
        found = await failure(websocket(port, expect="yes"), context)
    expected = "closed the WebSocket with code 1011; it last said 'no', which does not hold 'yes'"
    assert str(found) == f"127.0.0.1:{port} {expected}"
    assert found.values["response_time_ms"] > 0


async def test_dies_without_goodbye(context):
    async def die(request):
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        request.transport.abort()
        return stream

    async with serving(die) as port:
        found = await failure(websocket(port, read=True), context)
    assert str(found) == f"127.0.0.1:{port} closed the WebSocket with code 1006"


async def test_a_message_beyond_max_message(context):
    async def flood(request):
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        await stream.send_str("x" * 10_000)
        await stream.receive()
        return stream

    async with serving(flood) as port:
        found = await failure(websocket(port, read=True, max_message=1000), context)
    assert str(found).startswith(f"127.0.0.1:{port} ")


@pytest.mark.parametrize("status", [200, 401, 404, 503])
async def test_no_websocket_there(context, status):
    async def refuse(request):
        return web.Response(status=status)

    async with serving(refuse) as port:
        found = await failure(websocket(port), context)
    assert str(found) == f"127.0.0.1:{port} answered {status} instead of opening a WebSocket"


async def test_redirects_are_not_followed(context):
    async def redirect(request):
        raise web.HTTPFound("http://127.0.0.1:1/")

    async with serving(redirect) as port:
        found = await failure(websocket(port), context)
    assert str(found) == f"127.0.0.1:{port} redirects instead of opening a WebSocket"


@asynccontextmanager
async def raw(data: bytes):
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("data", "message"), [(b"what?\r\n\r\n", "does not speak HTTP"), (b"", "closed the connection without an answer")]
)
async def test_garbage_and_silence_instead_of_http(context, data, message):
    async with raw(data) as port:
        assert str(await failure(websocket(port), context)) == f"127.0.0.1:{port} {message}"


async def test_refused(context):
    port = free_port()
    assert str(await failure(websocket(port), context)) == f"connection refused by 127.0.0.1:{port}"


async def test_a_name_that_does_not_resolve(context):
    found = await failure(WebsocketCheck(url="ws://nowhere.invalid/"), context)
    assert str(found) == "the name nowhere.invalid does not resolve"


async def test_a_silent_server_is_left_to_the_callers_timeout(context):
    async with serving(echo) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await websocket(port, read=True).probe(context)


async def test_a_server_that_ignores_our_goodbye_does_not_spoil_the_probe(context):
    async def stubborn(request):
        stream = web.WebSocketResponse(autoclose=False)
        await stream.prepare(request)
        await stream.send_str("hi")
        await asyncio.sleep(60)
        return stream

    async with serving(stubborn) as port:
        async with asyncio.timeout(30):
            probe = await websocket(port, read=True, ping=False).probe(context)
    assert probe.values["answer"] == "hi"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_forbidden_network_is_never_connected_to(context, host):
    asked = []

    async def note(request):
        asked.append(request)
        return web.Response()

    async with serving(note) as port:
        await failure(websocket(port), context)
        context.clients.denied.add("127.0.0.1")
        with pytest.raises(NetworkDenied):
            await WebsocketCheck(url=f"ws://{host}:{port}/").probe(context)
        with pytest.raises(NetworkDenied):
            await context.clients.opened["websocket"].get(f"http://{host}:{port}/")
    assert len(asked) == 1


async def test_wss_verifies_the_certificate(context, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with serving(echo, tls) as port:
        url = f"wss://127.0.0.1:{port}/"
        trusted = await WebsocketCheck(url=url, ca_file=tmp_path / "ca.pem").probe(context)
        found = await failure(WebsocketCheck(url=url), context)
        unverified = await WebsocketCheck(url=url, verify=False).probe(context)
    assert trusted.values["ping_ms"] > 0
    assert unverified.values["ping_ms"] > 0
    assert str(found) == (f"the certificate of 127.0.0.1:{port} is not trusted: unable to get local issuer certificate")


async def test_every_probe_opens_a_connection_of_its_own(context):
    peers = []

    async def note(request):
        peers.append(request.transport.get_extra_info("peername"))
        return await echo(request)

    async with serving(note) as port:
        for _ in range(2):
            await websocket(port).probe(context)
    assert len(set(peers)) == 2
    assert isinstance(context.clients.opened["websocket"], aiohttp.ClientSession)


@pytest.mark.parametrize("url", ["http://example.com/", "ws://", "ws://ann:pw@example.com/"])
def test_a_wrong_url_is_refused(url):
    with pytest.raises(ValidationError):
        WebsocketCheck(url=url)
