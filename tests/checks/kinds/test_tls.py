"""The `tls` check against certificates good, old, foreign, self-made and for somebody else."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from monitoring_pipeline.checks.check import ProbeContext
from monitoring_pipeline.checks.kinds.tls import TlsCheck
from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from monitoring_pipeline.reach.certificates import read_certificate
from monitoring_pipeline.records import Source
from tests.checks.kinds.conftest import DictClients, DictFacts
from tests.servers import free_port

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def tls_of(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def self_signed(folder: Path, name: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - DAY, now + 90 * DAY)
    certificate = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    pem = certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "self.pem").write_bytes(pem + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "self.pem")
    return context


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None, talk=None):
    """A server on loopback; without `talk` it only makes the handshake. Yields its port."""

    async def handle(reader, writer):
        try:
            if talk is not None:
                await talk(reader, writer)
            else:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def failing(check: TlsCheck, values) -> list[str]:
    return [c.evaluate(values).text.split(" (")[0] for c in check.critical_conditions() if not c.evaluate(values).holds]


def warning(check: TlsCheck, values) -> list[str]:
    return [c.evaluate(values).text.split(" (")[0] for c in check.warning_conditions() if not c.evaluate(values).holds]


async def test_a_good_certificate(context, authority, ca_file):
    leaf = authority.issue_cert("localhost", "*.example.com", not_after=datetime.now(UTC) + 90 * DAY)
    async with serving(tls_of(leaf)) as port:
        check = TlsCheck(host="localhost", port=port, ca_file=ca_file)
        probe = await check.probe(context)
        other = await check.model_copy(update={"server_name": "a.example.com"}).probe(context)
    assert failing(check, probe.values) == warning(check, probe.values) == []
    assert 89 < probe.values["days_left"] < 90
    assert probe.values["self_signed"] is False
    assert probe.values["protocol"] == "TLSv1.3"
    assert "trustme" in probe.values["issuer"]
    assert datetime.fromisoformat(probe.values["not_after"]) > context.now
    assert 0 < probe.values["tls_ms"] <= probe.values["response_time_ms"]
    assert probe.warnings == ()
    assert other.values["hostname_valid"] is True


@pytest.mark.parametrize(("days", "is_failing", "is_warning"), [(2, True, True), (10, False, True), (30, False, False)])
async def test_days_left_warn_and_fail(context, authority, ca_file, days, is_failing, is_warning):
    leaf = authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + days * DAY)
    async with serving(tls_of(leaf)) as port:
        check = TlsCheck(host="127.0.0.1", port=port, ca_file=ca_file)
        probe = await check.probe(context)
    assert failing(check, probe.values) == (["days_left"] if is_failing else [])
    assert warning(check, probe.values) == (["days_left"] if is_warning else [])


async def test_expired_is_told_in_days_and_does_not_hide_a_good_chain(context, authority, ca_file):
    end = datetime.now(UTC) - 3 * DAY - timedelta(hours=1)
    leaf = authority.issue_cert("127.0.0.1", not_before=end - 30 * DAY, not_after=end)
    async with serving(tls_of(leaf)) as port:
        check = TlsCheck(host="127.0.0.1", port=port, ca_file=ca_file)
        probe = await check.probe(context)
        strangers = await TlsCheck(host="127.0.0.1", port=port).probe(context)
    assert -4 < probe.values["days_left"] < -3
    assert failing(check, probe.values) == ["days_left"]
    assert probe.warnings[0].startswith("the certificate expired 3 days ago, on ")
    assert strangers.values["chain_valid"] is False
    assert strangers.values["chain_error"] == "unable to get local issuer certificate"


async def test_not_valid_yet(context, authority, ca_file):
    start = datetime.now(UTC) + 5 * DAY
    leaf = authority.issue_cert("127.0.0.1", not_before=start, not_after=start + 90 * DAY)
    async with serving(tls_of(leaf)) as port:
        check = TlsCheck(host="127.0.0.1", port=port, ca_file=ca_file)
        probe = await check.probe(context)
    assert failing(check, probe.values) == ["chain_valid"]
    assert "not valid before" in probe.warnings[0]


async def test_a_wrong_host_is_not_a_wrong_chain(context, authority, ca_file):
    async with serving(tls_of(authority.issue_cert("other.example.com"))) as port:
        check = TlsCheck(host="127.0.0.1", port=port, ca_file=ca_file)
        probe = await check.probe(context)
    assert failing(check, probe.values) == ["hostname_valid"]
    assert probe.warnings == ("the certificate is not for 127.0.0.1, but for other.example.com",)


async def test_an_unknown_authority(context, authority):
    async with serving(tls_of(authority.issue_cert("127.0.0.1"))) as port:
        check = TlsCheck(host="127.0.0.1", port=port)
        probe = await check.probe(context)
    assert failing(check, probe.values) == ["chain_valid"]
    assert probe.values["chain_error"] == "unable to get local issuer certificate"
    assert probe.values["self_signed"] is False


async def test_self_signed(context, tmp_path):
    async with serving(self_signed(tmp_path, "localhost")) as port:
        probe = await TlsCheck(host="localhost", port=port).probe(context)
    assert probe.values["self_signed"] is True
    assert (probe.values["chain_valid"], probe.values["hostname_valid"]) == (False, True)
    assert probe.values["chain_error"] == "self-signed certificate"


async def test_an_intermediate_authority(context, authority, ca_file):
    intermediate = authority.create_child_ca()
    leaf = intermediate.issue_cert("127.0.0.1")
    lazy = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with leaf.private_key_pem.tempfile() as key, leaf.cert_chain_pems[0].tempfile() as only_leaf:
        lazy.load_cert_chain(only_leaf, key)
    async with serving(tls_of(leaf)) as port, serving(lazy) as lazy_port:
        whole = await TlsCheck(host="127.0.0.1", port=port, ca_file=ca_file).probe(context)
        missing = await TlsCheck(host="127.0.0.1", port=lazy_port, ca_file=ca_file).probe(context)
    assert whole.values["chain_valid"] is True
    assert missing.values["chain_valid"] is False


async def failure(check: TlsCheck, context) -> str:
    with pytest.raises(SourceFailure) as caught:
        await check.probe(context)
    return str(caught.value)


async def test_refused(context):
    port = free_port()
    assert await failure(TlsCheck(host="127.0.0.1", port=port), context) == f"connection refused by 127.0.0.1:{port}"


async def test_a_server_without_tls(context):
    async def greet(reader, writer):
        writer.write(b"220 mail ready\r\n")
        await reader.read()

    async with serving(None, greet) as port:
        assert await failure(TlsCheck(host="127.0.0.1", port=port), context) == f"127.0.0.1:{port} does not speak TLS"


async def test_a_server_that_hangs_up_in_the_handshake(context):
    async def leave(reader, writer):
        await reader.readexactly(5)

    async with serving(None, leave) as port:
        said = await failure(TlsCheck(host="127.0.0.1", port=port), context)
    assert said.startswith((f"127.0.0.1:{port} ", f"TLS with 127.0.0.1:{port} failed"))


async def test_a_server_that_insists_on_a_client_certificate_is_still_read(context, authority, ca_file):
    tls = tls_of(authority.issue_cert("127.0.0.1"))
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(tls)
    async with serving(tls) as port:
        probe = await TlsCheck(host="127.0.0.1", port=port, ca_file=ca_file).probe(context)
    assert probe.values["chain_valid"] is True


async def test_a_silent_server_is_left_to_the_callers_timeout(context):
    async def silence(reader, writer):
        await reader.read()
        await asyncio.sleep(0.5)

    async with serving(None, silence) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await TlsCheck(host="127.0.0.1", port=port).probe(context)


async def test_a_forbidden_network_is_never_connected_to(context):
    context.clients.denied.add("127.0.0.1")
    with pytest.raises(NetworkDenied):
        await TlsCheck(host="127.0.0.1", port=1).probe(context)


async def smtp(reader, writer):
    writer.write(b"220-hello\r\n220 mail.example.com\r\n")
    assert (await reader.readline()).startswith(b"EHLO ")
    writer.write(b"250-mail.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")
    assert await reader.readline() == b"STARTTLS\r\n"
    writer.write(b"220 go\r\n")


async def imap(reader, writer):
    writer.write(b"* OK ready\r\n")
    assert await reader.readline() == b"a STARTTLS\r\n"
    writer.write(b"* CAPABILITY IMAP4rev1\r\na OK begin\r\n")


async def postgres(reader, writer):
    assert await reader.readexactly(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
    writer.write(b"S")


@pytest.mark.parametrize("dialogue", [smtp, imap, postgres])
async def test_starttls(context, authority, ca_file, dialogue):
    tls = tls_of(authority.issue_cert("127.0.0.1"))

    async def upgrade(reader, writer):
        await dialogue(reader, writer)
        await writer.drain()
        await writer.start_tls(tls)
        await reader.read()

    async with serving(None, upgrade) as port:
        check = TlsCheck(host="127.0.0.1", port=port, starttls=dialogue.__name__, ca_file=ca_file)
        probe = await check.probe(context)
        stranger = await TlsCheck(host="127.0.0.1", port=port, starttls=dialogue.__name__).probe(context)
    assert (probe.values["chain_valid"], probe.values["hostname_valid"]) == (True, True)
    assert stranger.values["chain_valid"] is False


@pytest.mark.parametrize(
    ("starttls", "said", "message"),
    [
        ("smtp", b"554 go away\r\n", "does not offer smtp STARTTLS: it said '554 go away'"),
        ("smtp", b"220-" + b"x" * 100_000, "sends a line without end"),
        ("smtp", b"220-more\r\n" * 200, "talks without end"),
        ("imap", b"* BYE\r\n", "does not offer imap STARTTLS"),
        ("postgres", b"N", "does not offer TLS"),
        ("postgres", b"", "closed the connection before TLS"),
    ],
)
async def test_a_server_that_refuses_starttls(context, starttls, said, message):
    async def refuse(reader, writer):
        if starttls == "postgres":
            await reader.readexactly(8)
        writer.write(said)
        await writer.drain()
        if said:
            await reader.read()

    async with serving(None, refuse) as port:
        found = await failure(TlsCheck(host="127.0.0.1", port=port, starttls=starttls), context)
    assert found.startswith(f"127.0.0.1:{port} {message}")


def test_it_works_on_uvloop_too(authority, ca_file):
    async def story():
        context = ProbeContext(datetime.now(UTC), Source(id="s"), "s/c", 5.0, DictClients(), DictFacts())
        leaf = authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - DAY)
        async with serving(tls_of(leaf)) as port:
            probe = await TlsCheck(host="127.0.0.1", port=port, ca_file=ca_file).probe(context)
            assert (probe.values["chain_valid"], probe.values["days_left"] < 0) == (True, True)

    uvloop.run(story())


@pytest.mark.parametrize(
    ("host", "matches"),
    [
        ("example.com", True),
        ("EXAMPLE.com.", True),
        ("www.example.com", False),
        ("a.api.example.com", True),
        ("a.b.api.example.com", False),
        ("api.example.com", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8:0::1", True),
    ],
)
def test_names_of_a_certificate(authority, host, matches):
    leaf = authority.issue_cert("example.com", "*.api.example.com", "192.0.2.1", "2001:db8::1")
    der = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).public_bytes(serialization.Encoding.DER)
    assert read_certificate(der).is_for(host) is matches
