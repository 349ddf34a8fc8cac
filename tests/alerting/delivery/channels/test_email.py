"""The email channel against a real SMTP server: what arrives, what is secured, what its refusals mean."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Sent, Undelivered
from monitoring_pipeline.alerting.delivery.channels.email import EmailChannel
from monitoring_pipeline.alerting.delivery.letter import address_of, message_id
from monitoring_pipeline.alerting.message import Kind, Message
from tests.alerting.delivery.channels.messages import STRANGE, alert, many, message, over
from tests.alerting.delivery.channels.postbox import Postbox, Received
from tests.alerting.delivery.channels.receiver import NOW, sending
from tests.servers import free_port

PASSWORD = "s3cr3t-passw0rd"
PNG = b"\x89PNG"


def channel(postbox: Postbox | int, **fields: Any) -> EmailChannel:
    port = postbox if isinstance(postbox, int) else postbox.port
    known = {"host": "127.0.0.1", "port": port, "sender": "Monitoring <alerts@example.com>", "to": "team@example.com"}
    return EmailChannel(kind="email", **{**known, **fields})


def values(source: str, metric: str, check: str) -> Sequence[tuple[datetime, float]]:
    assert (source, metric, check) == ("orders-api", "response_time_ms", "http")
    return [(NOW - timedelta(minutes=n), 100.0 + n) for n in range(60)][::-1]


async def post(
    postbox: Postbox | int, told: Message | None = None, *, recipient: str = "", series: Any = None,
    reference: Mapping[str, Any] | None = None, **fields: Any,
) -> Sent:  # fmt: skip
    async with sending(recipient=recipient, reference=reference) as context:
        return await channel(postbox, **fields).send(told or message(), replace(context, series=series))


async def arrived(told: Message | None = None, **how: Any) -> Received:
    async with Postbox() as postbox:
        await post(postbox, told, **how)
    assert len(postbox.mails) == 1
    return postbox.mails[0]


async def refused(postbox: Postbox | int, **how: Any) -> Undelivered:
    with pytest.raises(Undelivered) as failed:
        await post(postbox, **how)
    assert PASSWORD not in str(failed.value)
    return failed.value


async def test_text_and_html_and_headers_arrive() -> None:
    got = await arrived(reply_to="oncall@example.com")
    mail = got.mail
    assert (got.sender, got.recipients) == ("alerts@example.com", ["team@example.com"])
    assert mail["Subject"] == "[CRITICAL] Orders API: response_time_ms (812) > 300"
    assert (mail["From"], mail["To"]) == ("Monitoring <alerts@example.com>", "team@example.com")
    assert (mail["Reply-To"], mail["Auto-Submitted"]) == ("oncall@example.com", "auto-generated")
    assert (mail["Message-ID"], mail["X-Idempotency-Key"]) == ("<3f2c9a@example.com>", "3f2c9a")
    assert mail["Date"].datetime == NOW
    assert mail["Importance"] == "high"
    assert mail.get_content_type() == "multipart/alternative"
    assert got.part("text/plain").replace("\r\n", "\n") == wording.text(message())
    html = got.part("text/html")
    assert "Orders API (orders-api)" in html
    assert 'href="https://monitoring.example.com/alerts/7/acknowledge?token=t0k&amp;x=1"' in html
    assert "80 to 140 ms" in html
    assert "http-equiv" not in html
    assert "src=" not in html
    assert 'name="color-scheme" content="light dark"' in html
    assert not any(line.strip(b"\r\n") == b"." or len(line) > 1000 for line in got.raw.splitlines())


async def test_the_series_is_drawn_inline() -> None:
    got = await arrived(series=values)
    picture = next(part for part in got.mail.walk() if part.get_content_type() == "image/png")
    assert picture.get_content().startswith(PNG)
    assert picture["Content-Disposition"].content_disposition == "inline"
    assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in got.part("text/html")
    assert len(got.raw) < 70_000


def failing(source: str, metric: str, check: str) -> Any:
    raise OSError("the warehouse is gone")


@pytest.mark.parametrize("series", [None, failing, lambda *_: [], lambda *_: [(NOW, float("nan"))], lambda *_: "wrong"])
async def test_without_a_picture_the_message_goes_out_all_the_same(series: Any) -> None:
    got = await arrived(series=series)
    assert {part.get_content_type() for part in got.mail.walk()} == {"multipart/alternative", "text/plain", "text/html"}


async def test_a_picture_that_takes_too_long_is_left_out() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(*_: str) -> Any:
        asyncio.run_coroutine_threadsafe(ended.wait(), loop).result()
        return values("orders-api", "response_time_ms", "http")

    async with Postbox() as postbox:
        await post(postbox, series=slow, timeout="500ms")
        ended.set()
    assert "image/png" not in {part.get_content_type() for part in postbox.mails[0].mail.walk()}


async def test_no_picture_where_none_is_wanted_or_nothing_is_measured() -> None:
    for how in ({"plot": False}, {"told": message(Kind.FIRING, alert(metric=""))}, {"templates": {"html": "<p>x</p>"}}):
        got = await arrived(series=values, **how)
        assert "image/png" not in {part.get_content_type() for part in got.mail.walk()}


async def test_a_persons_address_replaces_the_channels() -> None:
    got = await arrived(recipient="Ada Lovelace <ada@example.org>")
    assert got.recipients == ["ada@example.org"]
    assert got.mail["To"] == "Ada Lovelace <ada@example.org>"


async def test_several_addresses_get_one_mail() -> None:
    got = await arrived(to=["a@example.com", "B <b@example.com>", "a@example.com"])
    assert got.recipients == ["a@example.com", "b@example.com"]


async def test_a_threads_mails_belong_together() -> None:
    async with Postbox() as postbox:
        first = await post(postbox, message(key="k1"))
        second = await post(postbox, message(Kind.REMINDER, key="k2"), reference=first.reference)
        await post(postbox, message(Kind.RESOLVED, key="k3"), reference=second.reference)
        await post(postbox, message(key="k4", thread="another"))
    mails = [each.mail for each in postbox.mails]
    root = mails[0]["References"]
    assert [mail["In-Reply-To"] for mail in mails[:3]] == [root, "<k1@example.com>", "<k1@example.com>"]
    assert [mail["References"] for mail in mails[:3]] == [root, f"{root} <k1@example.com>", f"{root} <k1@example.com>"]
    assert mails[3]["References"] not in ("", root)
    assert len({mail["Message-ID"] for mail in mails}) == 4


async def test_sending_again_is_the_same_mail() -> None:
    async with Postbox() as postbox:
        for _ in range(2):
            await post(postbox)
    assert postbox.mails[0].mail["Message-ID"] == postbox.mails[1].mail["Message-ID"]


def test_message_ids_are_safe_whatever_the_key_is() -> None:
    assert message_id("abc-1.2_3", "example.com") == "<abc-1.2_3@example.com>"
    for odd in ("a b", "a\r\nBcc: x", "ü", "", "x" * 999, "a@b>"):
        made = message_id(odd, "example.com")
        assert made.isascii()
        assert len(made) < 60
        assert made.count("@") == 1
        assert made == message_id(odd, "example.com")


@pytest.mark.parametrize(
    "text", [STRANGE, "x\r\nBcc: evil@example.com\r\n\r\nhello", "\ud800", "ü" * 500, "word" * 400, ""]
)
async def test_no_text_breaks_out_of_its_header(text: str) -> None:
    odd = alert(name=text, summary=text, text=text, last_change=text, owner=text, runbook=text)
    got = await arrived(
        message(Kind.FIRING, odd, title=text, note=text, installation=text, key=text or "k", thread=text)
    )
    mail = got.mail
    assert got.recipients == ["team@example.com"]
    assert not mail.defects
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("[CRITICAL]")
    assert "hello" not in mail.keys()  # noqa: SIM118
    assert got.part("text/html").rstrip().endswith("</html>")
    assert "<b>&" not in got.part("text/html")


async def test_lines_of_dots_and_unicode_survive() -> None:
    text = ".\n..\nFrom here\n\u4e16\u754c \U0001f600 é\n" + "z" * 3000
    got = await arrived(templates={"text": "{{ message.note }}"}, told=message(note=text))
    assert got.part("text/plain").replace("\r\n", "\n").rstrip("\n") == text


@pytest.mark.parametrize("kind", list(Kind))
async def test_every_kind_has_html(kind: Kind) -> None:
    alerts = {Kind.TEST: (), Kind.DIGEST: (*many(3), over(9)), Kind.RESOLVED: (over(),)}.get(kind, (alert(),))
    told = message(kind, level=2, more=3).model_copy(update={"alerts": alerts})
    html = (await arrived(told)).part("text/html")
    assert wording.title(told).replace(">", "&gt;") in html
    assert wording.lead(told) in html
    assert wording.colour(told) in html
    assert ("Acknowledge</a>" in html) == (kind not in (Kind.TEST, Kind.DIGEST, Kind.RESOLVED))


async def test_only_links_to_the_web_are_links() -> None:
    html = (
        await arrived(
            message(Kind.FIRING, alert(runbook="javascript:alert(1)", url="data:text/html,x"), url="file:///x")
        )
    ).part("text/html")
    assert "javascript:" not in html
    assert "data:text" not in html
    assert "file:" not in html


async def test_texts_of_the_users_own() -> None:
    templates = {
        "subject": "{{ message.severity|upper }}\n {{ alert.source }}",
        "text": "Hello {{ alert.name }}",
        "html": "<p>{{ message.note }} {{ alert.started }}</p>",
    }
    got = await arrived(message(note="<b>"), templates=templates)
    assert got.mail["Subject"] == "CRITICAL orders-api"
    assert got.part("text/plain").strip() == "Hello Orders API"
    assert got.part("text/html").strip() == "<p>&lt;b&gt; 2026-03-01 11:58 UTC</p>"


async def test_a_template_that_raises_is_a_clear_error_and_nothing_is_sent() -> None:
    async with Postbox() as postbox:
        failed = await refused(postbox, templates={"subject": "{{ alert.nope }}"})
    assert str(failed).startswith("the template 'subject' cannot be rendered, line 1: ")
    assert failed.permanent
    assert postbox.mails == []


async def test_the_zone_stands_beside_utc() -> None:
    assert "12:58 Europe/Berlin" in (await arrived(timezone="Europe/Berlin")).part("text/html")


# -- TLS and passwords -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_tls_and_a_password(security: str, authority: trustme.CA, ca_file: Path) -> None:
    tls = server_tls(authority)
    async with Postbox(login=("alerts", PASSWORD), **{security: tls}) as postbox:
        await post(
            postbox, host="localhost", security=security, ca_file=ca_file, username="alerts", password=PASSWORD
        )  # fmt: skip
    assert [(mail.user, mail.is_secured) for mail in postbox.mails] == [("alerts", True)]


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_certificate_nobody_vouches_for_is_refused_for_good(security: str, authority: trustme.CA) -> None:
    async with Postbox(login=("alerts", PASSWORD), **{security: server_tls(authority)}) as postbox:
        failed = await refused(postbox, host="localhost", security=security, username="alerts", password=PASSWORD)
    assert failed.permanent
    assert f"the certificate of the mail server localhost:{postbox.port} is not trusted" in str(failed)
    assert postbox.mails == []


async def test_a_certificate_of_another_host_is_refused(authority: trustme.CA, ca_file: Path) -> None:
    async with Postbox(tls=server_tls(authority, "other.example.com")) as postbox:
        failed = await refused(postbox, host="localhost", security="tls", ca_file=ca_file)
    assert failed.permanent
    assert "is not trusted" in str(failed)


async def test_a_server_without_starttls_gets_no_password() -> None:
    async with Postbox(login=("alerts", PASSWORD)) as postbox:
        failed = await refused(postbox, security="starttls", username="alerts", password=PASSWORD)
    assert failed.permanent
    assert "does not offer STARTTLS: set security to tls, or to none where that is safe" in str(failed)


async def test_a_missing_ca_file_is_a_clear_error(tmp_path: Path) -> None:
    failed = await refused(1, security="tls", ca_file=tmp_path / "no.pem")
    assert failed.permanent
    assert "no.pem cannot be read" in str(failed)


async def test_a_wrong_password_is_permanent() -> None:
    async with Postbox(login=("alerts", "another")) as postbox:
        failed = await refused(postbox, username="alerts", password=PASSWORD)
    assert (failed.permanent, failed.code) == (True, 535)
    assert f"127.0.0.1:{postbox.port} did not accept username and password (535)" in str(failed)


async def test_a_login_that_is_refused_for_now_is_tried_again() -> None:
    async with Postbox(login=("alerts", PASSWORD), auth_answer="454 4.7.0 Temporary authentication failure") as postbox:
        failed = await refused(postbox, username="alerts", password=PASSWORD)
    assert (failed.permanent, failed.code) == (False, 454)


async def test_a_server_that_knows_no_login_is_a_clear_error() -> None:
    async with Postbox() as postbox:
        failed = await refused(postbox, username="alerts", password=PASSWORD)
    assert failed.permanent


# -- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "permanent", "code", "reason"),
    [
        ({"mail": "550 5.7.1 You may not send"}, True, 550, "answered 550: 5.7.1 You may not send (to the sender"),
        ({"mail": "451 4.3.0 Try later"}, False, 451, "answered 451: 4.3.0 Try later"),
        ({"data": "552 5.3.4 Too big"}, True, 552, "answered 552: 5.3.4 Too big"),
        ({"data": "452 4.3.1 Disk full"}, False, 452, "answered 452"),
        ({"team@example.com": "550 5.1.1 Nobody"}, True, 550, "refused team@example.com (550 5.1.1 Nobody)"),
        ({"team@example.com": "450 4.2.0 Greylisted"}, False, 450, "refused team@example.com (450 4.2.0 Greylisted)"),
    ],
)
async def test_answers_of_4xx_are_for_now_and_5xx_for_good(
    says: dict[str, str], permanent: bool, code: int, reason: str
) -> None:
    async with Postbox(says=says) as postbox:
        failed = await refused(postbox)
    assert (failed.permanent, failed.code) == (permanent, code)
    assert reason in str(failed)
    assert postbox.mails == []


async def test_those_who_are_not_refused_get_it() -> None:
    async with Postbox(says={"gone@example.com": "550 5.1.1 Nobody"}) as postbox:
        sent = await post(postbox, to=["gone@example.com", "team@example.com"])
    assert postbox.mails[0].recipients == ["team@example.com"]
    assert "gone@example.com was refused (550 5.1.1 Nobody)" in sent.detail


async def test_one_that_is_refused_for_now_keeps_the_whole_to_be_tried_again() -> None:
    says = {"a@example.com": "550 Nobody", "b@example.com": "450 Later"}
    async with Postbox(says=says) as postbox:
        failed = await refused(postbox, to=list(says))
    assert not failed.permanent


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    failed = await refused(free_port())
    assert not failed.permanent
    assert "cannot be reached" in str(failed)


async def test_a_host_that_does_not_exist_is_tried_again() -> None:
    failed = await refused(25, host="mail.invalid")
    assert not failed.permanent
    assert "mail.invalid:25" in str(failed)


async def test_a_server_that_says_nothing_is_tried_again() -> None:
    async with Postbox(hangs=True) as postbox:
        failed = await refused(postbox, timeout="300ms")
    assert not failed.permanent
    assert "did not answer in time" in str(failed)


async def test_a_connection_that_breaks_is_tried_again() -> None:
    async with Postbox(drops=True) as postbox:
        failed = await refused(postbox)
    assert not failed.permanent


async def test_something_that_speaks_no_smtp_is_a_clear_error() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    async with server:
        failed = await refused(server.sockets[0].getsockname()[1])
    assert "127.0.0.1" in str(failed)


async def test_what_happens_after_the_message_was_taken_does_not_send_it_again() -> None:
    async with Postbox(drops_at_quit=True) as postbox:
        sent = await post(postbox)
    assert len(postbox.mails) == 1
    assert sent.code == 250
    assert "queued as 4711" in sent.detail


async def test_being_cancelled_leaves_no_connection() -> None:
    async with Postbox(hangs=True) as postbox:
        task = asyncio.create_task(post(postbox))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    "recipient", ["nobody", "a@b@c", "x\r\nRCPT TO:<evil@example.com>", "a b@example.com", "ü@example.com"]
)
async def test_a_persons_address_that_is_none_is_refused_for_good(recipient: str) -> None:
    failed = await refused(1, recipient=recipient)
    assert failed.permanent
    assert "is not an e-mail address" in str(failed)


async def test_nobody_to_send_to_is_a_clear_error() -> None:
    failed = await refused(1, to=[])
    assert failed.permanent
    assert "there is nobody to send to" in str(failed)


# -- configuration -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "transport", "place"),
    [
        ({"port": 587}, "starttls", "smtp.example.com:587"),
        ({"port": 465}, "tls", "smtp.example.com:465"),
        ({"port": 25}, "none", "smtp.example.com:25"),
        ({"port": 2525}, "starttls", "smtp.example.com:2525"),
        ({"port": None}, "starttls", "smtp.example.com:587"),
        ({"port": None, "security": "tls"}, "tls", "smtp.example.com:465"),
        ({"port": 25, "security": "starttls"}, "starttls", "smtp.example.com:25"),
        ({"port": None, "host": "localhost"}, "none", "localhost:25"),
        ({"port": 1025, "host": "127.0.0.1"}, "none", "127.0.0.1:1025"),
        ({"port": 587, "host": "::1"}, "starttls", "::1:587"),
    ],
)
def test_security_follows_from_the_port(fields: dict[str, Any], transport: str, place: str) -> None:
    found = channel(25, **{"host": "smtp.example.com", **fields})
    assert (found.transport, found.place) == (transport, place)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"username": "a"}, "username and password belong together"),
        ({"password": PASSWORD}, "username and password belong together"),
        ({"username": "a", "password": PASSWORD, "host": "smtp.example.com", "port": 25}, "would be sent in the clear"),
        ({"sender": "nobody"}, "'nobody' is not an e-mail address such as"),
        ({"sender": "a@example.com\r\nBcc: b@example.com"}, "is not an e-mail address"),
        ({"to": ["a@example.com", "b"]}, "'b' is not an e-mail address"),
        ({"templates": {"subjekt": "x"}}, "there is no template 'subjekt' here; there is: subject, text, html"),
        ({"templates": {"text": "{{ mesage }}"}}, "the template 'text', line 1: 'mesage' is not known here"),
        ({"security": "ssl"}, "'starttls', 'tls' or 'none'"),
        ({"port": 0}, "greater than or equal to 1"),
    ],
)
def test_says_what_is_wrong_with_its_configuration(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as failed:
        channel(25, **fields)
    sentences = [error["msg"] for error in failed.value.errors()]
    assert reason in sentences[0]
    assert PASSWORD not in sentences[0]


def test_names_and_foreign_domains_are_addresses() -> None:
    assert address_of('"Müller, J." <j.m+x@example.com>').display_name == "Müller, J."
    assert address_of("a@bücher.example").addr_spec == "a@xn--bcher-kva.example"
    assert address_of("root@localhost").addr_spec == "root@localhost"
