"""The teams channel: cards of the form and the size that Teams takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery.channel import Undelivered
from monitoring_pipeline.alerting.delivery.channels.teams import TeamsChannel
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import AlertState, Severity
from tests.alerting.delivery.channels.messages import STRANGE, alert, many, message, over
from tests.alerting.delivery.channels.receiver import Received, Receiver, sending


async def posted(told: Message, code: int = 202, **fields: object) -> Received:
    async with Receiver() as receiver, sending() as context:
        receiver.answer(code, "")
        channel = TeamsChannel(kind="teams", webhook_url=f"{receiver.url}/workflows/1?sig=s3cr3t", **fields)
        assert (await channel.send(told, context)).code == code
    (request,) = receiver.requests
    assert request.path == "/workflows/1?sig=s3cr3t"
    assert len(request.body) <= 28 * 1024
    return request


async def card(told: Message, **fields: object) -> dict[str, Any]:
    document = (await posted(told, **fields)).json()
    (attachment,) = document["attachments"]
    assert document["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (attachment["content"]["type"], attachment["content"]["version"]) == ("AdaptiveCard", "1.4")
    return attachment["content"]


def lines(element: Any) -> list[str]:
    """The paragraphs of a card, as they are read."""
    if isinstance(element, list):
        return [line for each in element for line in lines(each)]
    if element["type"] == "RichTextBlock":
        assert all(run["text"] for run in element["inlines"])
        return ["".join(run["text"] for run in element["inlines"])]
    return [element["text"]] if element["type"] == "TextBlock" else lines(element["items"])


async def test_one_alert_with_facts_and_actions():
    content = await card(message())
    assert lines(content["body"]) == [
        "[CRITICAL] Orders API: response_time_ms (812) > 300",
        "Orders API (orders-api)",
        "Since: 2026-03-01 11:58 UTC, for 2 min",
        "Normal: 80 to 140 ms",
        "Check: http",
        "Affects: revenue, stock",
        "Last change: version 2.4 at 11:50",
        "Component: shop",
        "Owner: data-platform",
        "About: Customers wait.",
        "2026-03-01 12:00 UTC \u00b7 shop-eu",
    ]
    assert content["actions"] == [
        {
            "type": "Action.OpenUrl",
            "title": "Acknowledge",
            "url": "https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1",
        },
        {"type": "Action.OpenUrl", "title": "Alert", "url": "https://monitoring.example.com/alerts/7"},
        {"type": "Action.OpenUrl", "title": "Runbook", "url": "https://example.com/runbooks/orders"},
    ]
    assert content["fallbackText"] == "[CRITICAL] Orders API: response_time_ms (812) > 300"


@pytest.mark.parametrize(
    ("told", "style", "says"),
    [
        (message(severity=Severity.INFO), "accent", "Orders API"),
        (message(severity=Severity.WARNING), "warning", "Orders API"),
        (message(severity=Severity.ERROR), "attention", "Orders API"),
        (message(Kind.RESOLVED), "good", "It is over; it lasted 2 min."),
        (
            message(Kind.ACKNOWLEDGED, alert(state=AlertState.ACKNOWLEDGED, acknowledged_by="Ada")),
            "attention",
            "Ada works on it.",
        ),
        (message(Kind.REMINDER), "attention", "Still firing after 1 min; nobody has acknowledged it."),
        (message(Kind.ESCALATION, level=2, note="Wake the boss."), "attention", "Wake the boss."),
        (message(Kind.DIGEST, *many(3)), "attention", "[critical] Source 2 (source-2) response_time_ms (812) > 300"),
        (message(Kind.TEST, title="Test to teams"), "good", "This is a test: the channel works, and nothing is wrong."),
    ],
)
async def test_what_each_kind_says(told: Message, style: str, says: str):
    content = await card(told)
    assert content["body"][0]["style"] == style
    assert any(says in line for line in lines(content["body"]))


@pytest.mark.parametrize("code", [200, 201, 202, 204])
async def test_any_success_is_one(code: int):
    await posted(message(), code)


async def test_of_many_the_worst_are_listed_and_the_others_counted():
    content = await card(message(Kind.FIRING, *many(20), over(21), *many(9), more=50))
    listed = lines(content["body"])
    assert sum(line.startswith("[critical] Source") for line in listed) == 20
    assert "... and 60 more" in listed
    assert "Acknowledge" in listed[2]
    links = [run["selectAction"]["url"] for run in content["body"][2]["items"][0]["inlines"] if "selectAction" in run]
    assert links[0] == "https://monitoring.example.com/alerts/1/acknowledge?token=t0k&x=1"
    assert content["actions"][0]["title"] == "Details"


async def test_a_resolved_one_among_others_is_told_as_such():
    listed = lines((await card(message(Kind.FIRING, alert(), over(8))))["body"])
    assert any(line.startswith("[resolved] Orders API") for line in listed)


@pytest.mark.parametrize("letter", ["x", "&", "\u00fc", "\U0001f600"])
@pytest.mark.parametrize("count", [1, 2, 20, 50])
async def test_too_large_cards_get_smaller(letter: str, count: int):
    long = letter * 20_000
    worst = {"text": long, "summary": long, "expected": long, "description": long, "last_change": long, "name": long}
    alerts = tuple(alert(n, source=long, component=long, owner=long, check=long, **worst) for n in range(count))
    content = await card(message(Kind.FIRING, *alerts, title=long, note=long, installation=long))
    listed = lines(content["body"])
    assert listed[0].startswith("[CRITICAL]")
    left = [int(line.split()[2]) for line in listed if line.startswith("... and ")]
    assert sum(left) + sum(line.startswith(("[critical]", letter * 50)) for line in listed[2:-1]) >= count


async def test_endless_links_are_left_out():
    endless = "https://example.com/" + "x" * 30_000
    content = await card(message(Kind.FIRING, alert(url=endless, runbook="javascript:alert(1)"), url=endless))
    assert [action["title"] for action in content["actions"]] == ["Acknowledge"]


async def test_what_others_wrote_is_no_markdown():
    loud = "[click](https://evil.example.com) **x** _y_"
    content = await card(message(Kind.FIRING, alert(text=loud, name=loud, source=STRANGE), title=loud, note=loud))

    def kinds(found: Any) -> set[str]:
        if isinstance(found, list):
            return {kind for each in found for kind in kinds(each)}
        return {found["type"]} | kinds(found.get("items", []))

    assert kinds(content["body"]) == {"Container", "RichTextBlock"}
    assert any(loud in line for line in lines(content["body"]))


async def test_words_of_their_own():
    own = {"title": "{{ alert.name }} down", "text": "**{{ alert.text }}**"}
    content = await card(message(), templates=own)
    shown = lines(content["body"])
    assert shown[0] == "Orders API down"
    assert "**response_time_ms (812) > 300**" in shown
    endless = {"text": "{% for i in range(900) %}" + "\U0001f600" * 100 + "{% endfor %}"}
    assert len(lines((await card(message(), templates=endless))["body"])) == 3


@pytest.mark.parametrize(("code", "permanent"), [(400, True), (404, True), (413, True), (429, False), (502, False)])
async def test_errors_are_judged_and_keep_the_address(code: int, permanent: bool):
    async with Receiver() as receiver, sending() as context:
        receiver.answer(code, "no flow with s1gnature", {"Retry-After": "9"})
        channel = TeamsChannel(kind="teams", webhook_url=f"{receiver.url}/workflows/f10w?sig=s1gnature")
        with pytest.raises(Undelivered) as caught:
            await channel.send(message(), context)
    assert (caught.value.permanent, caught.value.code) == (permanent, code)
    assert str(caught.value) == f"Teams answered {code}: no flow with ***"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "Field required"),
        ({"webhook_url": "s3cr3t"}, "an absolute http:// or https:// address is needed"),
        ({"webhook_url": "https://example.com", "templates": {"titel": "x"}}, "there is no template 'titel' here"),
    ],
)
def test_what_cannot_work_is_said_when_it_is_configured(fields: dict[str, object], told: str):
    with pytest.raises(ValidationError) as caught:
        TeamsChannel(kind="teams", **fields)
    messages = json.dumps([error["msg"] for error in caught.value.errors()])
    assert told in messages
    assert "s3cr3t" not in messages
