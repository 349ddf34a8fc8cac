"""The webhook channel as a receiver sees it."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery.channel import Undelivered
from monitoring_pipeline.alerting.delivery.channels.webhook import WebhookChannel
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from tests.alerting.delivery.channels.messages import STRANGE, alert, many, message, over
from tests.alerting.delivery.channels.receiver import NOW, Received, Receiver, sending


async def sent(told: Message, **fields: object) -> Received:
    async with Receiver() as receiver, sending() as context:
        channel = WebhookChannel(kind="webhook", **{"url": f"{receiver.url}/hook", **fields})
        assert (await channel.send(told, context)).code == 200
    (request,) = receiver.requests
    return request


def verified(request: Received, secret: bytes, now: float) -> bool:
    """What the documentation tells a receiver to do."""
    timestamp = request.headers["x-timestamp"]
    expected = hmac.new(secret, timestamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    fresh = abs(now - int(timestamp)) < 300
    return fresh and hmac.compare_digest(f"sha256={expected}", request.headers["x-signature"])


async def test_the_document_says_everything():
    request = await sent(message(Kind.ESCALATION, alert(), over(8), level=2, note="Call them.", more=3))
    document = request.json()
    first, second = document.pop("alerts")
    assert document == {
        "version": 1,
        "key": "3f2c9a",
        "thread": "default/source=orders-api/1",
        "kind": "escalation",
        "reason": "first",
        "title": "Orders API: response_time_ms (812) > 300",
        "severity": "critical",
        "at": "2026-03-01T12:00:00Z",
        "installation": "shop-eu",
        "more": 3,
        "level": 2,
        "note": "Call them.",
        "url": "https://monitoring.example.com/alerts/7",
    }
    assert first == {
        "id": 7,
        "rule": "slow-answer",
        "source": "orders-api",
        "name": "Orders API",
        "check": "http",
        "component": "shop",
        "owner": "data-platform",
        "severity": "critical",
        "state": "firing",
        "summary": "Orders API: response_time_ms (812) > 300",
        "text": "response_time_ms (812) > 300",
        "value": 812.0,
        "unit": "ms",
        "metric": "response_time_ms",
        "threshold": 300.0,
        "expected": "80 to 140 ms",
        "started": "2026-03-01T11:58:00Z",
        "fired": "2026-03-01T11:59:00Z",
        "resolved": None,
        "acknowledged_by": "",
        "count": 1,
        "flapping": False,
        "affects": ["revenue", "stock"],
        "last_change": "version 2.4 at 11:50",
        "description": "Customers wait.",
        "runbook": "https://example.com/runbooks/orders",
        "labels": {"tier": "1"},
        "url": "https://monitoring.example.com/alerts/7",
        "acknowledge_url": "https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1",
    }
    assert (second["state"], second["resolved"]) == ("resolved", "2026-03-01T12:00:00Z")


def test_every_key_of_the_document_is_documented():
    documented = WebhookChannel.__doc__ or ""
    assert [name for name in (*Message.model_fields, *AlertFacts.model_fields) if f"`{name}`" not in documented] == []


@pytest.mark.parametrize("kind", list(Kind))
async def test_every_kind_arrives(kind: Kind):
    request = await sent(message(kind))
    assert request.json()["kind"] == kind
    assert request.headers["idempotency-key"] == "3f2c9a"
    assert request.headers["content-type"] == "application/json"
    assert (request.method, request.path) == ("POST", "/hook")
    assert "x-signature" not in request.headers


async def test_a_receiver_can_verify_the_signature():
    request = await sent(message(title=STRANGE), secret="k\u00fcche")
    now = NOW.timestamp()
    assert verified(request, "k\u00fcche".encode(), now)
    assert not verified(request, b"kuche", now)
    assert not verified(request, "k\u00fcche".encode(), now + 3600)
    forged = Received(request.method, request.path, request.headers, request.body.replace(b"orders", b"0rders"))
    assert not verified(forged, "k\u00fcche".encode(), now)


async def test_the_signature_is_the_one_of_the_bytes_sent_also_for_a_template():
    template = {"body": '{"text": {{ alert.summary | tojson }}}'}
    request = await sent(message(Kind.FIRING, alert(summary=STRANGE)), secret="s", templates=template)
    assert request.json() == {"text": STRANGE}
    assert verified(request, b"s", NOW.timestamp())


async def test_put_headers_and_a_type_of_its_own():
    request = await sent(
        message(),
        method="PUT",
        headers={"X-Api-Key": "s3cr3t"},
        content_type="text/plain; charset=utf-8",
        templates={"body": "{{ title }}\n"},
    )
    assert request.method == "PUT"
    assert request.headers["x-api-key"] == "s3cr3t"
    assert request.headers["content-type"] == "text/plain; charset=utf-8"
    assert request.body == b"[CRITICAL] Orders API: response_time_ms (812) > 300\n"


async def test_keys_and_texts_of_any_kind_arrive():
    strange = alert(source=STRANGE, value=float("nan"), labels={STRANGE: STRANGE})
    request = await sent(message(Kind.FIRING, strange, key="a b\r\n\u00fc/1", title=STRANGE * 500))
    assert request.headers["idempotency-key"] == "a%20b%0D%0A%C3%BC/1"
    document = request.json()
    assert document["title"] == STRANGE * 500
    assert document["alerts"][0]["labels"] == {STRANGE: STRANGE}
    assert document["alerts"][0]["value"] is None


async def test_fifty_alerts_are_one_document():
    request = await sent(message(Kind.FIRING, *many(50), more=450))
    assert [entry["id"] for entry in request.json()["alerts"]] == list(range(1, 51))
    assert request.json()["more"] == 450


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ title }}", "did not make JSON (line 1, column 2); write values with tojson, or say content_type"),
        ('{"a": {{ alerts[5].rule }}}', "the template 'body' cannot be rendered, line 1"),
        ("{% for a in alerts %}{{ 1 / 0 }}{% endfor %}", "the template 'body' cannot be rendered, line 1"),
    ],
)
async def test_a_template_that_fails_says_so_and_sends_nothing(template: str, told: str):
    async with Receiver() as receiver, sending() as context:
        channel = WebhookChannel(kind="webhook", url=receiver.url, templates={"body": template})
        with pytest.raises(Undelivered) as caught:
            await channel.send(message(), context)
    assert caught.value.permanent
    assert told in str(caught.value)
    assert receiver.requests == []


@pytest.mark.parametrize(("code", "permanent"), [(400, True), (410, True), (429, False), (503, False), (302, True)])
async def test_errors_are_judged_and_keep_secrets(code: int, permanent: bool):
    secrets = {"url": "/p4th-secret?token=qu3ry", "headers": {"Authorization": "Bearer h3ader"}, "secret": "s1gning"}
    async with Receiver() as receiver, sending() as context:
        receiver.answer(code, "bad p4th-secret qu3ry h3ader s1gning", {"Retry-After": "3"})
        channel = WebhookChannel(kind="webhook", **{**secrets, "url": receiver.url + secrets["url"]})
        with pytest.raises(Undelivered) as caught:
            await channel.send(message(), context)
    error = caught.value
    assert (error.permanent, error.code) == (permanent, code)
    assert error.retry_after == (None if permanent else 3.0)
    assert str(error).startswith(f"the webhook answered {code}")
    assert not [secret for secret in ("p4th", "qu3ry", "h3ader", "s1gning") if secret in str(error)]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"url": "example.com/s3cr3t"}, "an absolute http:// or https:// address is needed"),
        ({"url": "https://exa mple.com/s3cr3t"}, "an absolute http:// or https:// address is needed"),
        ({"url": "https://example.com:port/s3cr3t"}, "an absolute http:// or https:// address is needed"),
        ({"headers": {"a b": "s3cr3t"}}, "'a b' is not the name of a header"),
        ({"headers": {"X-A": "s3cr3t\n"}}, "the header X-A holds a line break"),
        ({"headers": {"content-type": "s3cr3t"}}, "is set by the channel itself: use content_type"),
        ({"headers": {"Idempotency-Key": "s3cr3t"}}, "the header Idempotency-Key is set by the channel itself"),
        ({"secret": ""}, "the secret is empty"),
        ({"content_type": "text"}, "a content type is written like text/plain"),
        ({"content_type": "text/plain\n"}, "a content type is written like text/plain"),
        ({"templates": {"bdy": "x"}}, "there is no template 'bdy' here; there is: body"),
        ({"templates": {"body": "{% if %}"}}, "the template 'body', line 1: "),
        ({"templates": {"body": "{{ titel }}"}}, "the template 'body', line 1: 'titel' is not known here"),
        ({"method": "GET"}, "Input should be 'POST' or 'PUT'"),
    ],
)
def test_what_cannot_work_is_said_when_it_is_configured(fields: dict[str, object], told: str):
    with pytest.raises(ValidationError) as caught:
        WebhookChannel(kind="webhook", **{"url": "https://example.com", **fields})
    messages = json.dumps([error["msg"] for error in caught.value.errors()])
    assert told in messages
    assert "s3cr3t" not in messages


def test_secrets_are_not_shown():
    channel = WebhookChannel(kind="webhook", url="https://example.com/s3cr3t", secret="s3cr3t", headers={"X": "s3cr3t"})
    assert "s3cr3t" not in f"{channel!r} {channel} {channel.model_dump_json()}"
