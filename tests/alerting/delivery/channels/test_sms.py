"""The sms channel: Twilio's form, one number a message, letters of GSM, and Twilio's refusals."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery.channel import Sent, Undelivered
from monitoring_pipeline.alerting.delivery.channels.sms import SmsChannel, gsm
from monitoring_pipeline.alerting.message import Kind, Message
from tests.alerting.delivery.channels.messages import STRANGE, alert, message
from tests.alerting.delivery.channels.receiver import Received, Receiver, sending
from tests.servers import free_port

TOKEN = "t0k3n-s3cr3t"
TAKEN = {"sid": "SM1", "status": "queued", "error_code": None}


def channel(url: str, **fields: Any) -> SmsChannel:
    known = {
        "account_sid": "AC123",
        "auth_token": TOKEN,
        "sender": "+4930123456",
        "to": "+49 (170) 1234-567",
        "base_url": url,
    }
    return SmsChannel(kind="sms", **{**known, **fields})


async def post(receiver: Receiver, told: Message | None = None, recipient: str = "", **fields: Any) -> Sent:
    async with sending(recipient=recipient) as context:
        return await channel(receiver.url, **fields).send(told or message(), context)


async def arrived(told: Message | None = None, **how: Any) -> Received:
    async with Receiver() as receiver:
        receiver.answer(201, TAKEN)
        await post(receiver, told, **how)
    assert len(receiver.requests) == 1
    return receiver.requests[0]


async def refused(code: int, body: Any, headers: dict[str, str] | None = None) -> Undelivered:
    async with Receiver() as receiver:
        receiver.answer(code, body, headers)
        with pytest.raises(Undelivered) as failed:
            await post(receiver)
    assert TOKEN not in str(failed.value)
    return failed.value


async def test_posts_twilios_form() -> None:
    got = await arrived()
    assert (got.method, got.path) == ("POST", "/2010-04-01/Accounts/AC123/Messages.json")
    assert base64.b64decode(got.headers["authorization"].removeprefix("Basic ")) == f"AC123:{TOKEN}".encode()
    assert got.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert got.headers["i-twilio-idempotency-token"] == "3f2c9a"
    assert got.form() == {
        "To": "+491701234567",
        "From": "+4930123456",
        "Body": "[CRITICAL] Orders API: response_time_ms (812) > 300. Since 2026-03-01 11:58 UTC."
        " https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1",
    }


async def test_a_messaging_service_chooses_the_sender() -> None:
    form = (await arrived(sender="", messaging_service_sid="MG9")).form()
    assert form["MessagingServiceSid"] == "MG9"
    assert "From" not in form


async def test_a_persons_number_replaces_the_channels() -> None:
    assert (await arrived(recipient="+44 20 7946 0000")).form()["To"] == "+442079460000"


async def test_tells_the_providers_id() -> None:
    async with Receiver() as receiver:
        receiver.answer(201, TAKEN)
        sent = await post(receiver)
    assert sent == Sent(code=201, detail="message SM1", reference={"sid": "SM1"})


async def test_another_provider_may_answer_anything() -> None:
    async with Receiver() as receiver:
        receiver.answer(200, b"ok")
        assert await post(receiver) == Sent(code=200)


async def test_long_and_strange_texts_stay_short() -> None:
    odd = message(Kind.FIRING, alert(text=STRANGE * 50), title=STRANGE * 50, note=STRANGE * 50)
    form = (await arrived(odd, max_length=160)).form()
    assert 0 < len(form["Body"]) <= 160
    assert form["Body"].isprintable()


async def test_a_text_of_the_users_own() -> None:
    assert (await arrived(templates={"text": "{{ alert.source }}\n\u2013 call!"})).form()[
        "Body"
    ] == "orders-api\n- call!"


@pytest.mark.parametrize("template", ["{{ alert.nope }}", "  {{ '' }}"])
async def test_a_template_that_makes_no_text_is_a_clear_error(template: str) -> None:
    async with Receiver() as receiver:
        with pytest.raises(Undelivered, match="the template 'text'") as failed:
            await post(receiver, templates={"text": template})
    assert failed.value.permanent
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("code", "body", "reason"),
    [
        (
            400,
            {"code": 21211, "message": "The 'To' number is not valid."},
            "400: error 21211: The 'To' number is not valid.",
        ),
        (404, {"code": 20404, "message": "Not found"}, "404: error 20404: Not found"),
        (403, b"<html>no</html>", "403: it does not say why"),
        (401, {"code": 20003, "message": f"Authenticate {TOKEN}"}, "did not accept account_sid and auth_token"),
        (
            201,
            {"status": "failed", "error_code": 30006, "error_message": "Landline"},
            "could not send: error 30006: Landline",
        ),
    ],
)
async def test_what_twilio_refuses_is_refused_for_good(code: int, body: Any, reason: str) -> None:
    failed = await refused(code, body)
    assert (failed.permanent, failed.code) == (True, code)
    assert reason in str(failed)


@pytest.mark.parametrize("code", [408, 429, 500, 503])
async def test_what_passes_is_tried_again_when_twilio_asks(code: int) -> None:
    failed = await refused(code, {"code": 20429, "message": "Too many requests"}, {"Retry-After": "7"})
    assert (failed.permanent, failed.code, failed.retry_after) == (False, code, 7.0)


async def test_a_provider_that_is_not_there_is_tried_again() -> None:
    async with sending() as context:
        with pytest.raises(Undelivered) as failed:
            await channel(f"http://127.0.0.1:{free_port()}").send(message(), context)
    assert not failed.value.permanent


@pytest.mark.parametrize(("fields", "recipient"), [({"to": ""}, ""), ({}, "0170 1234567"), ({}, "+49170\r\n1234567x")])
async def test_without_a_number_nothing_is_sent(fields: dict[str, Any], recipient: str) -> None:
    async with Receiver() as receiver:
        with pytest.raises(Undelivered, match=r"nobody to send to|is not a phone number") as failed:
            await post(receiver, recipient=recipient, **fields)
    assert failed.value.permanent
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Größe ist 5 €", "Größe ist 5 €"),
        ("caf\u00e9 \u0159e\u010d \u0141", "café rec \u0141"),
        ("\u201cyes\u201d \u2013 it\u2019s \u2026 \u2264 5\u202fµs", '"yes" - it\'s ... <= 5 us'),
        ("a\tb\x00c\u200dd", "a bcd"),
        ("\u4e16\u754c", "\u4e16\u754c"),
        ("\uff21\ufb01", "Afi"),
    ],
)
def test_letters_of_gsm_where_there_are_such(text: str, plain: str) -> None:
    assert gsm(text, 160) == plain


@given(st.text(max_size=500), st.integers(70, 320))
def test_gsm_keeps_the_limit(text: str, limit: int) -> None:
    assert len(gsm(text, limit)) <= limit


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sender": ""}, "give exactly one of sender and messaging_service_sid"),
        ({"messaging_service_sid": "MG9"}, "give exactly one of sender and messaging_service_sid"),
        ({"to": "0170 123"}, "'0170 123' is not a phone number with its country, such as +4930123456"),
        ({"account_sid": "../x"}, "String should match pattern"),
        ({"auth_token": ""}, "at least 1"),
        ({"base_url": "ftp://x"}, "an absolute http:// or https:// address is needed"),
        ({"templates": {"body": "x"}}, "there is no template 'body' here; there is: text"),
        ({"max_length": 10}, "greater than or equal to 70"),
    ],
)
def test_says_what_is_wrong_with_its_configuration(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as failed:
        channel("https://api.twilio.com", **fields)
    assert reason in failed.value.errors()[0]["msg"]
