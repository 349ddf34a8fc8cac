"""`grpc` against a real server with the health service, and against servers that are none."""

import asyncio
import contextlib

import grpc
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.grpc import GrpcCheck
from monitoring_pipeline.errors import CheckError, MissingExtra, NetworkDenied, SourceFailure
from tests.checks.kinds.bad_servers import dying_front, garbage, hanging_up, silent, without_module
from tests.servers import free_port

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Guarded(health_pb2_grpc.HealthServicer):
    """Answers only to who brings the token."""

    async def Check(self, request, context):  # noqa: N802 - gRPC's name
        if dict(context.invocation_metadata()).get("authorization") != "Bearer s3cret":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "bring a token")
        return health_pb2.HealthCheckResponse(status=SERVING)


@contextlib.asynccontextmanager
async def serving(servicer=None, credentials=None):
    server = grpc.aio.server()
    if servicer is not None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    address = "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@pytest.fixture
async def server():
    servicer = health.aio.HealthServicer()
    await servicer.set("", SERVING)
    await servicer.set("orders", NOT_SERVING)
    async with serving(servicer) as port:
        yield port


def check(port: int, **fields) -> GrpcCheck:
    return GrpcCheck(kind="grpc", target=f"127.0.0.1:{port}", **fields)


async def test_serving(server, context):
    probe = await check(server).probe(context)
    assert probe.values["status"] == "SERVING"
    assert probe.values["response_time_ms"] > 0
    assert check(server).critical_conditions()[0].holds(probe.values) is True


async def test_a_service_that_does_not_serve(server, context):
    found = check(server, service="orders")
    verdict = found.critical_conditions()[0].evaluate((await found.probe(context)).values)
    assert verdict == (False, 'status ("NOT_SERVING") == "SERVING"')


async def test_an_unknown_service(server, context):
    with pytest.raises(SourceFailure, match="does not know the service 'payments'"):
        await check(server, service="payments").probe(context)


async def test_a_server_without_the_health_service(context):
    async with serving() as port:
        with pytest.raises(SourceFailure, match="does not offer the gRPC health service"):
            await check(port).probe(context)


async def test_access_denied_and_granted(context):
    async with serving(Guarded()) as port:
        with pytest.raises(SourceFailure, match="denied us access: bring a token"):
            await check(port).probe(context)
        granted = check(port, metadata={"Authorization": "Bearer s3cret"})
        assert (await granted.probe(context)).values["status"] == "SERVING"
        assert "s3cret" not in repr(granted)


async def test_tls_is_verified(context, tmp_path):
    authority, servicer = trustme.CA(), health.aio.HealthServicer()
    await servicer.set("", SERVING)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("127.0.0.1")
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    async with serving(servicer, grpc.ssl_server_credentials([pair])) as port:
        probe = await check(port, tls=True, ca_file=tmp_path / "ca.pem").probe(context)
        assert probe.values["status"] == "SERVING"
        with pytest.raises(SourceFailure, match=r"certificate of .* is not trusted"):
            await check(port, tls=True).probe(context)
        with pytest.raises(SourceFailure, match=r"closed the connection|reset|unavailable"):
            await check(port).probe(context)


async def test_no_tls_where_tls_is_expected(server, context):
    with pytest.raises(SourceFailure, match=r"does not speak TLS|TLS with .* failed"):
        await check(server, tls=True).probe(context)


async def test_a_ca_file_that_is_not_there_is_our_fault(context, tmp_path):
    with pytest.raises(CheckError, match=r"ca\.pem cannot be read"):
        await check(1, tls=True, ca_file=tmp_path / "ca.pem").probe(context)


async def test_refused_is_forgotten_when_the_server_is_back(context):
    servicer = health.aio.HealthServicer()
    await servicer.set("", SERVING)
    port = free_port()
    with pytest.raises(SourceFailure, match=f"^connection refused by 127.0.0.1:{port}$"):
        await check(port).probe(context)
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    assert (await check(port).probe(context)).values["status"] == "SERVING"
    await server.stop(None)


async def test_another_protocol(context):
    async with garbage() as port:
        with pytest.raises(SourceFailure):
            await check(port).probe(context)


async def test_hangs_up_without_a_word(context):
    async with hanging_up() as port:
        with pytest.raises(SourceFailure, match=r"closed the connection|reset the connection"):
            await check(port).probe(context)


async def test_dies_in_the_middle_of_its_answer(server, context):
    async with dying_front(server, after=60) as port:
        with pytest.raises(SourceFailure, match=r"closed the connection|reset the connection"):
            await check(port).probe(context)


async def test_a_silent_server_is_left_to_the_time_limit(context):
    async with silent() as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await check(port).probe(context)


async def test_a_forbidden_network_is_not_touched(server, context):
    context.clients.denied.add("127.0.0.1")
    with pytest.raises(NetworkDenied):
        await check(server).probe(context)


async def test_a_missing_client_names_its_install_command(context):
    with without_module("grpc_health"), pytest.raises(MissingExtra, match=r"monitoring-pipeline\[grpc\]"):
        await check(1).probe(context)


@pytest.mark.parametrize("target", ["http://example.com:1", ":50051", "example.com:x"])
def test_a_wrong_target_is_refused(target):
    with pytest.raises(ValidationError, match="target"):
        GrpcCheck(kind="grpc", target=target)
