"""The slack channel: webhooks, a bot's threads, blocks within Slack's limits, and Slack's errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery.channel import Sent, Undelivered
from monitoring_pipeline.alerting.delivery.channels.slack import SlackChannel
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import AlertState, Severity
from tests.alerting.delivery.channels.messages import STRANGE, alert, many, message, over
from tests.alerting.delivery.channels.receiver import Received, Receiver, Reply, sending

TOKEN = "xoxb-s3cr3t"
PLACE = {"channel": "C1", "ts": "1700.1"}


class Workspace:
    """Answers as Slack's API does and knows its messages."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}

    def __call__(self, request: Received) -> Reply:
        body, method = request.json(), request.path.rpartition("/")[2]
        if method == "chat.update" and body["ts"] not in self.messages:
            return Reply(body=json.dumps({"ok": False, "error": "message_not_found"}).encode())
        ts = body["ts"] if method == "chat.update" else f"1700.{len(self.messages) + 1}"
        self.messages[ts] = body
        channel = "D9" if body["channel"].startswith("U") else body["channel"]
        return Reply(body=json.dumps({"ok": True, "channel": channel, "ts": ts}).encode())


def bot(receiver: Receiver, **fields: object) -> SlackChannel:
    known = {"token": TOKEN, "channel": "C1", "base_url": f"{receiver.url}/api/", **fields}
    return SlackChannel(kind="slack", **known)


async def told(*messages: Message, recipient: str = "", **fields: object) -> tuple[list[Received], list[Sent]]:
    """What a workspace got of the messages of one thread."""
    reference: Mapping[str, Any] | None = None
    all_sent = []
    async with Receiver(handler=Workspace()) as receiver:
        for each in messages:
            async with sending(recipient=recipient, reference=reference) as context:
                all_sent.append(await bot(receiver, **fields).send(each, context))
            reference = all_sent[-1].reference or reference
    return receiver.requests, all_sent


async def content(told: Message, **fields: object) -> dict[str, Any]:
    async with Receiver("ok") as receiver, sending() as context:
        url = f"{receiver.url}/services/T0/B0/s3cr3t"
        await SlackChannel(kind="slack", webhook_url=url, **fields).send(told, context)
    (request,) = receiver.requests
    assert request.path == "/services/T0/B0/s3cr3t"
    assert "authorization" not in request.headers
    return request.json()


def texts(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for name, value in found.items():
            if name == "text" and isinstance(value, str):
                yield value
            else:
                yield from texts(value)
    elif isinstance(found, list):
        for value in found:
            yield from texts(value)


def within_limits(document: dict[str, Any]) -> None:
    """Slack's rules about blocks, as its reference states them."""
    blocks = [*document["blocks"], *(block for part in document["attachments"] for block in part["blocks"])]
    assert 0 < len(blocks) <= 50
    for block in blocks:
        if block["type"] == "header":
            assert 0 < len(block["text"]["text"]) <= 150
        if block["type"] == "section":
            assert 0 < len(block.get("text", {"text": "x"})["text"]) <= 3000
            assert len(block.get("fields", ())) <= 10
            assert all(0 < len(field["text"]) <= 2000 for field in block.get("fields", ()))
            assert "text" in block or block["fields"]
        if block["type"] == "actions":
            assert 0 < len(block["elements"]) <= 25
            assert all(len(button["url"]) <= 3000 for button in block["elements"])
        if block["type"] == "context":
            assert 0 < len(block["elements"]) <= 10
            assert all(0 < len(element["text"]) <= 2000 for element in block["elements"])


async def test_one_alert_with_facts_and_buttons():
    document = await content(message())
    within_limits(document)
    assert document["text"] == "\U0001f534 [CRITICAL] Orders API: response_time_ms (812) &gt; 300"
    (header,) = document["blocks"]
    assert header == {
        "type": "header",
        "text": {
            "type": "plain_text",
            "text": "\U0001f534 [CRITICAL] Orders API: response_time_ms (812) > 300",
            "emoji": True,
        },
    }
    (attachment,) = document["attachments"]
    section, fields, actions, last = attachment["blocks"]
    assert section["text"]["type"] == "mrkdwn"
    assert section["text"]["text"].startswith("*Orders API (orders-api)*\n")
    shown = dict(field["text"].split("\n") for field in fields["fields"])
    assert shown["*Since*"] == "2026-03-01 11:58 UTC, for 2 min"
    assert shown["*Normal*"] == "80 to 140 ms"
    assert shown["*Affects*"] == "revenue, stock"
    assert shown["*Last change*"] == "version 2.4 at 11:50"
    buttons = [(button["text"]["text"], button["url"], button.get("style")) for button in actions["elements"]]
    assert buttons == [
        ("Acknowledge", "https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1", "primary"),
        ("Alert", "https://monitoring.example.com/alerts/7", None),
        ("Runbook", "https://example.com/runbooks/orders", None),
    ]
    assert last["elements"][0]["text"].startswith("<!date^1772366400^{date_short_pretty} {time}|2026-03-01 12:00 UTC>")


async def test_colours_tell_how_bad_it_is():
    found = {}
    for severity in Severity:
        document = await content(message(Kind.FIRING, alert(severity=severity), severity=severity))
        found[severity] = document["attachments"][0]["color"]
    assert len(set(found.values())) == len(Severity)
    resolved = (await content(message(Kind.RESOLVED)))["attachments"][0]["color"]
    assert resolved not in found.values()
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in (*found.values(), resolved))


@pytest.mark.parametrize(
    ("told", "sign", "says", "acknowledge"),
    [
        (message(Kind.RESOLVED), "\u2705", "It is over; it lasted 2 min.", False),
        (
            message(Kind.ACKNOWLEDGED, alert(state=AlertState.ACKNOWLEDGED, acknowledged_by="Ada")),
            "\U0001f440",
            "Ada works on it.",
            False,
        ),
        (message(Kind.REMINDER), "\U0001f534", "Still firing after 1 min; nobody has acknowledged it.", True),
        (message(Kind.ESCALATION, level=2, note="Wake the boss."), "\U0001f534", "Wake the boss.", True),
        (message(Kind.TEST, title="Test to chat"), "\u2705", "This is a test", True),
    ],
)
async def test_what_each_kind_says(told: Message, sign: str, says: str, acknowledge: bool):
    document = await content(told)
    within_limits(document)
    assert document["text"].startswith(sign)
    assert any(says in text for text in texts(document["attachments"]))
    assert ('"Acknowledge"' in json.dumps(document)) == acknowledge


async def test_many_alerts_are_listed_the_worst_in_detail():
    alerts = (*many(20), over(21, name="Old one", source="old-one"))
    document = await content(message(Kind.FIRING, *alerts, more=9))
    within_limits(document)
    blocks = document["attachments"][0]["blocks"]
    assert sum("accessory" in block for block in blocks) == 15
    assert blocks[1]["accessory"]["url"].startswith("https://monitoring.example.com/alerts/1/acknowledge?")
    listed = "\n".join(texts(blocks))
    assert all(f"*Source {n} (source-{n})*" in listed for n in range(1, 21))
    assert "\u2705 *Old one (old-one)*" in listed
    assert "9 more alerts are not listed." in listed


async def test_a_digest_is_a_list_also_of_one():
    document = await content(message(Kind.DIGEST, alert(), title="1 alert"))
    within_limits(document)
    assert not [block for block in document["attachments"][0]["blocks"] if block["type"] == "actions"]


async def test_a_message_about_nothing_is_still_valid():
    bare = Message(
        key="k", thread="t", kind=Kind.TEST, reason="self_test", title="", severity=Severity.INFO, at=message().at
    )
    within_limits(await content(bare))


async def test_what_others_wrote_is_shown_and_does_nothing():
    loud = "<!channel> & <https://evil.example.com|click> *x*"
    strange = alert(name=loud, source=STRANGE, text=STRANGE, expected=loud, labels={STRANGE: STRANGE})
    document = await content(message(Kind.FIRING, strange, title=loud, note=loud))
    within_limits(document)
    mrkdwn = list(texts(document["attachments"]))
    assert not [text for text in mrkdwn if "<!channel" in text or "<https://evil" in text]
    assert any("&lt;!channel&gt; &amp; &lt;https://evil.example.com|click&gt;" in text for text in mrkdwn)
    assert "<!channel" not in document["text"]


@pytest.mark.parametrize("letter", ["x", "&", "\u00fc", "\U0001f600"])
@pytest.mark.parametrize("count", [1, 2, 50])
async def test_long_texts_stay_within_limits(letter: str, count: int):
    long = letter * 20_000
    worst = {"text": long, "summary": long, "expected": long, "description": long, "last_change": long, "rule": long}
    alerts = tuple(alert(n, name=long, source=long, **worst) for n in range(count))
    document = await content(message(Kind.FIRING, *alerts, title=long, note=long, installation=long))
    within_limits(document)
    assert not re.search(r"&(?!amp;|lt;|gt;)", json.dumps(document["attachments"][0]["blocks"][0]))


async def test_a_link_too_long_for_slack_is_left_out():
    endless = "https://example.com/" + "x" * 4000
    document = await content(message(Kind.FIRING, alert(url=endless, runbook="javascript:alert(1)"), url=endless))
    within_limits(document)
    assert "xxxx" not in json.dumps(document)
    assert "javascript" not in json.dumps(document)


async def test_words_of_their_own():
    own = {"title": "{{ alert.name }} down", "text": "*{{ alert.text }}* by <https://example.com|us>"}
    document = await content(message(Kind.FIRING, alert(text="a < b & <!here>")), templates=own)
    within_limits(document)
    assert document["blocks"][0]["text"]["text"] == "Orders API down"
    assert document["attachments"][0]["blocks"][0]["text"]["text"] == (
        "*a &lt; b &amp; &lt;!here&gt;* by <https://example.com|us>"
    )
    endless = await content(message(), templates={"text": "{% for i in range(900) %}" + "x" * 100 + "{% endfor %}"})
    within_limits(endless)


async def test_a_bot_keeps_one_message_and_replies_to_it():
    taken = alert(state=AlertState.ACKNOWLEDGED, acknowledged_by="Ada")
    requests, all_sent = await told(
        message(),
        message(Kind.ESCALATION, level=2),
        message(Kind.ACKNOWLEDGED, taken),
        message(Kind.REMINDER, taken),
        message(Kind.RESOLVED),
    )
    calls = [(request.path, request.json().get("thread_ts"), request.json().get("ts")) for request in requests]
    post, update = "/api/chat.postMessage", "/api/chat.update"
    assert calls == [
        (post, None, None),
        (update, None, "1700.1"),
        (post, "1700.1", None),
        (update, None, "1700.1"),
        (update, None, "1700.1"),
        (post, "1700.1", None),
        (update, None, "1700.1"),
        (post, "1700.1", None),
    ]
    assert {json.dumps(sent.reference) for sent in all_sent} == {json.dumps(PLACE)}
    assert {request.headers["authorization"] for request in requests} == {f"Bearer {TOKEN}"}
    assert {request.headers["content-type"] for request in requests} == {"application/json; charset=utf-8"}
    assert [request.json()["channel"] for request in requests] == ["C1"] * 8
    escalated, reminded, resolved = (requests[index].json() for index in (2, 5, 7))
    assert escalated["reply_broadcast"] is True
    assert "reply_broadcast" not in reminded
    assert resolved["text"].splitlines()[1] == "It is over; it lasted 2 min."
    assert requests[6].json()["text"].startswith("\u2705 [RESOLVED]")
    for index in (0, 1, 3, 4, 6):
        within_limits(requests[index].json())


async def test_a_person_is_reached_by_their_member_id():
    requests, all_sent = await told(message(), message(Kind.RESOLVED), recipient="U7", channel="")
    assert requests[0].json()["channel"] == "U7"
    assert all_sent[0].reference == {"channel": "D9", "ts": "1700.1"}
    assert [request.json()["channel"] for request in requests[1:]] == ["D9", "D9"]


@pytest.mark.parametrize("kind", [Kind.TEST, Kind.DIGEST])
async def test_tests_and_digests_are_messages_of_their_own(kind: Kind):
    requests, all_sent = await told(message(), message(kind))
    assert [request.path for request in requests] == ["/api/chat.postMessage"] * 2
    assert "thread_ts" not in requests[1].json()
    assert all_sent[1].reference == {}


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "edit_window_closed"])
async def test_a_message_that_is_gone_is_posted_anew(error: str):
    async with Receiver(handler=Workspace()) as receiver, sending(reference=PLACE) as context:
        receiver.answer(200, {"ok": False, "error": error})
        sent = await bot(receiver).send(message(Kind.RESOLVED), context)
    assert [request.path for request in receiver.requests] == ["/api/chat.update", "/api/chat.postMessage"]
    assert "thread_ts" not in receiver.requests[1].json()
    assert sent.reference == PLACE


@pytest.mark.parametrize(
    ("error", "permanent", "told"),
    [
        ("ratelimited", False, "Slack refused: ratelimited"),
        ("internal_error", False, "Slack refused: internal_error"),
        ("invalid_auth", True, "Slack refused: invalid_auth: the token is not valid: take the bot token of the app"),
        ("channel_not_found", True, "Slack refused: channel_not_found: check `channel`, and invite the app"),
        ("not_in_channel", True, "Slack refused: not_in_channel: invite the app to the channel"),
        ("invalid_blocks", True, "Slack refused: invalid_blocks"),
        (None, True, "Slack refused: without a reason"),
    ],
)
async def test_refusals_in_the_body(error: str | None, permanent: bool, told: str):
    async with Receiver() as receiver, sending() as context:
        receiver.answer(200, {"ok": False, "error": error}, {"Retry-After": "30"})
        with pytest.raises(Undelivered) as caught:
            await bot(receiver).send(message(), context)
    assert (caught.value.permanent, caught.value.retry_after) == (permanent, 30.0)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("body", ["", "ok", "[]", "<html>"])
async def test_an_answer_that_says_nothing_is_none(body: str):
    async with Receiver() as receiver, sending() as context:
        receiver.answer(200, body)
        with pytest.raises(Undelivered, match="without saying whether it took the message") as caught:
            await bot(receiver).send(message(), context)
    assert not caught.value.permanent


@pytest.mark.parametrize(("code", "permanent"), [(400, True), (403, True), (404, True), (410, True), (429, False)])
async def test_refusals_of_a_webhook_keep_its_address(code: int, permanent: bool):
    async with Receiver() as receiver, sending() as context:
        receiver.answer(code, "no_service T0 B0secret s3cr3t", {"Retry-After": "30"})
        channel = SlackChannel(kind="slack", webhook_url=f"{receiver.url}/services/T0/B0secret/s3cr3t")
        with pytest.raises(Undelivered) as caught:
            await channel.send(message(), context)
    assert (caught.value.permanent, caught.value.code) == (permanent, code)
    assert str(caught.value) == f"Slack answered {code}: no_service T0 *** ***"


async def test_a_token_is_never_told():
    async with Receiver() as receiver, sending() as context:
        receiver.answer(500, f"who is {TOKEN}?")
        with pytest.raises(Undelivered) as caught:
            await bot(receiver).send(message(), context)
    assert str(caught.value) == "Slack answered 500: who is ***?"
    assert TOKEN not in repr(bot(receiver))


async def test_whom_it_cannot_reach():
    async with Receiver() as receiver, sending(recipient="U7") as context:
        channel = SlackChannel(kind="slack", webhook_url=receiver.url)
        with pytest.raises(Undelivered, match="reaches no single person: use a token") as caught:
            await channel.send(message(), context)
        assert caught.value.permanent
    async with sending() as context:
        with pytest.raises(Undelivered, match="there is no channel to post to: give `channel`") as caught:
            await bot(receiver, channel="").send(message(), context)
    assert caught.value.permanent
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "give exactly one of webhook_url and token"),
        ({"webhook_url": "https://example.com/x", "token": "t"}, "give exactly one of webhook_url and token"),
        ({"webhook_url": "https://example.com/x", "channel": "C1"}, "an incoming webhook has its own channel"),
        ({"webhook_url": "s3cr3t"}, "an absolute http:// or https:// address is needed"),
        ({"token": " "}, "the token is empty"),
        ({"token": "s3cr3t\n"}, "the token is empty or holds characters that no token has"),
        ({"token": "t", "base_url": "https://a:b@example.com"}, "an address without credentials"),
        ({"token": "t", "templates": {"txt": "x"}}, "there is no template 'txt' here; there is: title, text"),
    ],
)
def test_what_cannot_work_is_said_when_it_is_configured(fields: dict[str, object], told: str):
    with pytest.raises(ValidationError) as caught:
        SlackChannel(kind="slack", **fields)
    messages = json.dumps([error["msg"] for error in caught.value.errors()])
    assert told in messages
    assert "s3cr3t" not in messages
