"""The `http` check against servers that answer well, badly, slowly, endlessly or not at all."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import gzip
import json
import resource
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
import uvloop
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.http import HttpCheck
from monitoring_pipeline.errors import CheckError, NetworkDenied, SourceFailure
from tests.servers import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-One: 1\r\nX-One: 2\r\nContent-Length: 32\r\n\r\n"
ITEMS = b'{"items": [{"age_days": 1.5}]}  '


@asynccontextmanager
async def serving(answer, tls: ssl.SSLContext | None = None):
    """A server on loopback; `answer(request, writer)` is given the whole request. Yields its port."""
    failures = []

    async def talk(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            request = head + await reader.readexactly(length[0] if length else 0)
            result = answer(request, writer)
            if asyncio.iscoroutine(result):
                await result
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except Exception as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
    assert not failures


def says(data: bytes):
    return lambda request, writer: writer.write(data)


def http(port: int, path: str = "/", **fields) -> HttpCheck:
    return HttpCheck(url=f"http://127.0.0.1:{port}{path}", **fields)


async def failure(check: HttpCheck, context) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        await check.probe(context)
    return caught.value


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def server_tls(authority: trustme.CA, *names: str, **fields) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **fields).configure_cert(context)
    return context


async def test_an_answer_gives_status_times_and_sizes(context):
    async with serving(says(OK + ITEMS)) as port:
        probe = await http(port).probe(context)
    assert probe.values["status"] == 200
    assert probe.values["body_bytes"] == 32
    assert probe.values["redirects"] == 0
    times = [probe.values[name] for name in ("connect_ms", "first_byte_ms")]
    assert 0 < sum(times) <= probe.values["response_time_ms"]
    assert "dns_ms" not in probe.values, "an IP address is not looked up"
    assert "tls_ms" not in probe.values
    assert set(probe.values) & {"body", "json", "headers"} == set(), "nobody asked for them"
    assert probe.details == {"address": "127.0.0.1"}


async def test_a_name_is_looked_up_and_the_time_of_it_is_told(context):
    async with serving(says(OK + ITEMS)) as port:
        probe = await HttpCheck(url=f"http://localhost:{port}/").probe(context)
    assert probe.values["dns_ms"] > 0
    assert probe.details["address"] == "127.0.0.1"


async def test_conditions_decide_what_is_parsed(context):
    conditions = ["json.items[0].age_days <= 2", 'headers.x-one == "1, 2"', 'body contains "items"']
    async with serving(says(OK + ITEMS)) as port:
        check = http(port, conditions=conditions)
        probe = await check.probe(context)
    assert probe.values["json"] == {"items": [{"age_days": 1.5}]}
    assert probe.values["headers"]["content-type"] == "application/json"
    verdicts = [condition.evaluate(probe.values) for condition in check.critical_conditions()]
    assert [verdict.holds for verdict in verdicts] == [True, True, True]


async def test_default_condition_is_a_status_below_400(context):
    async with serving(says(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")) as port:
        check = http(port)
        probe = await check.probe(context)
    assert [c.evaluate(probe.values).text for c in check.critical_conditions()] == ["status (503) < 400"]
    assert probe.details["body"] == "busy"


async def test_method_headers_auth_and_json_reach_the_server(context):
    seen = []

    def record(request, writer):
        seen.append(request)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with serving(record) as port:
        fields = {"method": "POST", "json": {"a": [1]}, "headers": {"X-Key": "k1"}}
        probe = await http(port, "/p?q=a b&r=%20", **fields, auth={"bearer": "t0ken"}).probe(context)
        await http(port, auth={"username": "ann", "password": "pw"}, method="HEAD").probe(context)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert probe.values["status"] == 204
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /p?q=a%20b&r=%20 HTTP/1.1"
    assert {b"X-Key: k1", b"Authorization: Bearer t0ken", b"Content-Type: application/json"} <= set(lines)
    assert json.loads(body) == {"a": [1]}
    assert b"Authorization: Basic YW5uOnB3" in seen[1]


async def test_a_head_request_does_not_wait_for_a_body(context):
    async with serving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")) as port:
        probe = await http(port, method="HEAD").probe(context)
    assert (probe.values["status"], probe.values["body_bytes"]) == (200, 0)


async def test_wrong_credentials_are_an_answer_with_status_401(context):
    async with serving(says(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")) as port:
        probe = await http(port, auth={"username": "ann", "password": "wrong"}).probe(context)
    assert probe.values["status"] == 401


async def test_interim_answers_are_passed_over(context):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with serving(says(early + OK + ITEMS)) as port:
        probe = await http(port, conditions=["headers.link not exists"]).probe(context)
    assert probe.values["status"] == 200
    assert "link" not in probe.values["headers"]


@pytest.mark.parametrize(
    "body",
    [
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        b"\r\nhello world",
        b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello world"),
    ],
    ids=["chunked", "until the end", "gzip"],
)
async def test_every_framing_of_a_body_is_read(context, body):
    async with serving(says(b"HTTP/1.1 200 OK\r\n" + body)) as port:
        probe = await http(port, conditions=['body == "hello world"']).probe(context)
    assert probe.values["body"] == "hello world"


async def test_charset_of_the_answer_is_used(context):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Length: 1\r\n\r\n\xe9"
    async with serving(says(head)) as port:
        probe = await http(port, conditions=['body contains "é"']).probe(context)
    assert probe.values["body"] == "é"


async def test_refused(context):
    port = free_port()
    assert str(await failure(http(port), context)) == f"connection refused by 127.0.0.1:{port}"


async def test_a_name_that_does_not_resolve(context):
    found = await failure(HttpCheck(url="http://nowhere.invalid/"), context)
    assert str(found) == "the name nowhere.invalid does not resolve"


async def test_a_slow_answer_is_left_to_the_callers_timeout_and_leaves_nothing_open(context):
    gone = asyncio.Event()

    async def stall(request, writer):
        try:
            while True:
                writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    async with serving(stall) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await http(port).probe(context)
        async with asyncio.timeout(30):
            await gone.wait()


async def test_garbage_instead_of_http(context):
    async with serving(says(b"SSH-2.0-OpenSSH_9.2\r\n")) as port:
        found = await failure(http(port), context)
    assert str(found).startswith(f"127.0.0.1:{port} does not speak HTTP: its answer begins with 'SSH-2.0")
    assert "connect_ms" in found.values


async def test_closed_without_an_answer(context):
    async with serving(says(b"")) as port:
        found = await failure(http(port), context)
    assert str(found) == f"127.0.0.1:{port} closed the connection without an answer"


async def test_dies_in_the_middle_of_the_body(context):
    async with serving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)) as port:
        found = await failure(http(port), context)
    assert str(found) == f"127.0.0.1:{port} closed the connection after 50 of 100 bytes of the body"


async def test_dies_in_the_middle_of_the_headers(context):
    async with serving(says(b"HTTP/1.1 200 OK\r\nContent-")) as port:
        found = await failure(http(port), context)
    assert str(found) == f"127.0.0.1:{port} closed the connection in the middle of the headers"


async def test_reset_by_the_server(context):
    async with serving(lambda request, writer: writer.transport.abort()) as port:
        found = await failure(http(port), context)
    assert "connection" in str(found)


async def test_headers_without_end_are_given_up(context):
    async def flood(request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.transport.is_closing():
            writer.write(b"X-Header: " + b"y" * 1000 + b"\r\n")
            await writer.drain()

    async with serving(flood) as port:
        assert str(await failure(http(port), context)) == f"127.0.0.1:{port} sends headers without end"


@pytest.mark.parametrize("padding", [b"X-Trailer: " + b"y" * 1000 + b"\r\n", b"y" * 1000], ids=["many", "one"])
async def test_trailers_without_end_are_given_up(context, padding):
    async def flood(request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-First: ")
        while not writer.transport.is_closing():
            writer.write(padding)
            await writer.drain()

    async with serving(flood) as port:
        found = await failure(http(port), context)
    assert str(found) == f"127.0.0.1:{port} sends padding without end around its body"


async def test_a_body_in_chunks_of_one_byte_is_read(context):
    body = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    async with serving(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)) as port:
        probe = await http(port).probe(context)
    assert probe.values["body_bytes"] == 100_000


async def test_nothing_is_left_behind_by_a_probe(context):
    async with serving(says(OK + ITEMS)) as port:
        check = http(port)
        await check.probe(context)
        await asyncio.sleep(0.01)
        gc.collect()
        gc.disable()
        try:
            await check.probe(context)
            await asyncio.sleep(0.01)
            left = [thing for thing in gc.get_objects() if type(thing).__name__ in ("_Exchange", "HttpResponseParser")]
        finally:
            gc.enable()
    assert left == [], "freed at once, without the garbage collector"


async def endless(request, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n")
    for _ in range(2048):
        writer.write(b"z" * 1_048_576)
        await writer.drain()


async def test_two_gigabytes_are_read_up_to_max_body_only(context):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving(endless) as port:
        probe = await http(port, max_body=100_000, conditions=['body contains "z"', "body_truncated"]).probe(context)
    assert len(probe.values["body"]) == 100_000
    assert probe.values["body_truncated"] is True
    assert probe.details["body_truncated"] is True
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kilobytes, server included"


async def test_a_gzip_bomb_is_unpacked_up_to_max_body_only(context):
    bomb = gzip.compress(bytes(200_000_000), 9)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with serving(says(head + bomb)) as port:
        probe = await http(port, conditions=['body contains "x"']).probe(context)
    assert len(probe.values["body"]) == 1_048_576


async def test_a_body_that_is_not_json_is_said_so(context):
    async with serving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")) as port:
        check = http(port, conditions=["json.ok == true"])
        found = await failure(check, context)
        lenient = await http(port, conditions=["status == 200", {"warning": "json.ok == true"}]).probe(context)
    expected = f"127.0.0.1:{port} answered 200 with a body that is not JSON: it begins with '<html>'"
    assert str(found) == expected
    assert found.values["status"] == 200
    assert lenient.warnings == (expected,)
    assert "json" not in lenient.values


async def test_json_beyond_max_body_is_the_checks_own_trouble(context):
    async with serving(says(OK + ITEMS)) as port:
        with pytest.raises(CheckError, match="max_body"):
            await http(port, max_body=10, conditions=["json.items exists"]).probe(context)


def redirecting(routes: dict[str, str], seen: list[bytes]):
    def answer(request, writer):
        seen.append(request)
        path = request.split(b" ")[1].decode()
        if path in routes:
            location = routes[path].encode()
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(OK + ITEMS)

    return answer


async def test_redirects_are_followed_and_counted(context):
    seen: list[bytes] = []
    async with serving(redirecting({"/a": "/b", "/b": "c?x=1"}, seen)) as port:
        probe = await http(port, "/a", method="POST", body="hello").probe(context)
        stay = await http(port, "/a", follow_redirects=False).probe(context)
    assert (probe.values["status"], probe.values["redirects"]) == (200, 2)
    assert probe.details["redirected_to"] == f"http://127.0.0.1:{port}/c", "queries may hold secrets"
    assert [request.split(b" HTTP")[0] for request in seen[:3]] == [b"POST /a", b"GET /b", b"GET /c?x=1"]
    assert stay.values["status"] == 302


async def test_a_redirect_loop_is_a_failure(context):
    async with serving(redirecting({"/a": "/b", "/b": "/a"}, [])) as port:
        found = await failure(http(port, "/a"), context)
    assert str(found) == f"redirect loop: http://127.0.0.1:{port}/a comes round again after 2 redirects"


async def test_redirects_end_at_max_redirects(context):
    routes = {f"/{n}": f"/{n + 1}" for n in range(50)}
    seen: list[bytes] = []
    async with serving(redirecting(routes, seen)) as port:
        found = await failure(http(port, "/0"), context)
    assert str(found) == f"more than 5 redirects, the last one to http://127.0.0.1:{port}/6"
    assert len(seen) == 6


async def test_a_redirect_to_something_else_than_http(context):
    async with serving(redirecting({"/": "file:///etc/passwd"}, [])) as port:
        found = await failure(http(port), context)
    assert "which is no http or https address" in str(found)


async def test_credentials_do_not_follow_a_redirect_to_another_origin(context):
    seen: list[bytes] = []
    async with (
        serving(redirecting({}, seen)) as other,
        serving(redirecting({"/": f"http://127.0.0.1:{other}/"}, [])) as port,
    ):
        await http(port, auth={"bearer": "t0ken"}, headers={"X-Key": "k1", "Accept": "text/x"}).probe(context)
    assert b"t0ken" not in seen[0]
    assert b"X-Key" not in seen[0]
    assert b"Accept: text/x" in seen[0]


async def test_a_forbidden_network_is_never_connected_to(context):
    seen: list[bytes] = []
    context.clients.denied.add("127.0.0.2")
    async with serving(redirecting({"/": "http://127.0.0.2:1/"}, seen)) as port:
        with pytest.raises(NetworkDenied, match=r"127\.0\.0\.2"):
            await http(port).probe(context)
        context.clients.denied.add("127.0.0.1")
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(NetworkDenied, match=r"127\.0\.0\.1"):
                await HttpCheck(url=f"http://{host}:{port}/").probe(context)
    assert len(seen) == 1


async def test_https_is_verified_and_its_certificate_measured(context, authority, ca_file):
    async with serving(says(OK + ITEMS), server_tls(authority, "localhost", "127.0.0.1")) as port:
        probe = await HttpCheck(url=f"https://localhost:{port}/", ca_file=ca_file).probe(context)
    assert probe.values["status"] == 200
    assert probe.values["tls_ms"] > 0
    assert probe.values["days_left"] > 30


@pytest.mark.parametrize(
    ("names", "fields", "trusted", "reason"),
    [
        (["127.0.0.1"], {"not_before": "2019-01-01", "not_after": "2020-01-01"}, True, "certificate has expired"),
        (["other.example.com"], {}, True, "IP address mismatch"),
        (["127.0.0.1"], {}, False, "unable to get local issuer certificate"),
    ],
    ids=["expired", "wrong host", "unknown authority"],
)
async def test_https_with_a_bad_certificate(context, authority, ca_file, names, fields, trusted, reason):
    from datetime import UTC, datetime

    dates = {name: datetime.fromisoformat(value).replace(tzinfo=UTC) for name, value in fields.items()}
    async with serving(says(OK + ITEMS), server_tls(authority, *names, **dates)) as port:
        url = f"https://127.0.0.1:{port}/"
        found = await failure(HttpCheck(url=url, ca_file=ca_file if trusted else None), context)
        unverified = await HttpCheck(url=url, verify=False).probe(context)
    assert str(found).startswith(f"the certificate of 127.0.0.1:{port} is not trusted: ")
    assert reason in str(found)
    assert unverified.values["status"] == 200


async def test_https_to_a_server_without_tls(context):
    async with serving(says(OK + ITEMS)) as port:
        server = await asyncio.start_server(lambda r, w: w.write(b"220 mail ready\r\n"), "127.0.0.1", 0)
        plain = server.sockets[0].getsockname()[1]
        found = await failure(HttpCheck(url=f"https://127.0.0.1:{plain}/"), context)
        server.close()
    assert str(found) == f"127.0.0.1:{plain} does not speak TLS"
    assert port


async def test_a_ca_file_that_cannot_be_read_is_the_checks_own_trouble(context, tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(CheckError, match=name):
            await HttpCheck(url="https://127.0.0.1:1/", ca_file=tmp_path / name).probe(context)


def test_it_works_on_uvloop_too(context_free, authority, ca_file):
    async def story():
        async with serving(says(OK + ITEMS), server_tls(authority, "127.0.0.1")) as port:
            probe = await HttpCheck(url=f"https://127.0.0.1:{port}/", ca_file=ca_file).probe(context_free)
            assert probe.values["status"] == 200
        async with serving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")) as port:
            found = await failure(http(port), context_free)
            assert "after 1 of 9 bytes" in str(found)
        port = free_port()
        assert str(await failure(http(port), context_free)) == f"connection refused by 127.0.0.1:{port}"

    uvloop.run(story())


@pytest.fixture
def context_free():
    """A context for a loop of the test's own."""
    from datetime import UTC, datetime

    from monitoring_pipeline.checks.check import ProbeContext
    from monitoring_pipeline.records import Source
    from tests.checks.kinds.conftest import DictClients, DictFacts

    return ProbeContext(datetime.now(UTC), Source(id="s"), "s/c", 5.0, DictClients(), DictFacts())


async def test_many_at_once(context):
    async with serving(says(OK + ITEMS)) as port:
        check = http(port)
        probes = await asyncio.gather(*(check.probe(dataclasses.replace(context)) for _ in range(200)))
    assert {probe.values["status"] for probe in probes} == {200}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "ftp://example.com/"}, "begins with http"),
        ({"url": "http:///x"}, "names no host"),
        ({"url": "http://example.com:99999/"}, "port"),
        ({"url": "http://ann:pw@example.com/"}, "use auth"),
        ({"headers": {"X Y": "1"}}, "not the name of a header"),
        ({"headers": {"X-Y": "1\r\nHost: evil"}}, "control character"),
        ({"body": "a", "json": {}}, "not both"),
        ({"auth": {"username": "ann", "bearer": "x"}}, "either username and password"),
        ({"auth": {}}, "either username and password"),
        ({"method": "BREW"}, "GET"),
    ],
)
def test_a_wrong_configuration_is_explained(fields, message):
    with pytest.raises(ValidationError, match=message):
        HttpCheck(**({"url": "http://example.com/"} | fields))


def test_secrets_show_nowhere():
    check = HttpCheck(url="http://example.com/", headers={"X-Key": "hush1"}, auth={"bearer": "hush2"})
    assert b"hush1" in check._first[1]
    assert b"hush2" in check._first[1]
    for text in (repr(check), str(check), str(check.model_dump()), check.model_dump_json(by_alias=True)):
        assert "hush" not in text
