"""The pagerduty channel: events per alert that may come twice, and what PagerDuty answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery.channel import Sent, Undelivered
from monitoring_pipeline.alerting.delivery.channels.pagerduty import PagerDutyChannel
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import AlertState, Severity
from tests.alerting.delivery.channels.messages import STRANGE, alert, many, message, over
from tests.alerting.delivery.channels.receiver import Received, Receiver, Reply, sending

KEY = "R0UTINGKEY0123456789"
TAKEN = json.dumps({"status": "success", "message": "Event processed", "dedup_key": "x"}).encode()


def accepted(request: Received) -> Reply:
    assert (request.method, request.path) == ("POST", "/v2/enqueue")
    return Reply(202, TAKEN)


async def sent(
    told: Message, reference: Mapping[str, Any] | None = None, **fields: object
) -> tuple[list[dict[str, Any]], Sent]:
    async with Receiver(handler=accepted) as receiver, sending(reference=reference) as context:
        channel = PagerDutyChannel(kind="pagerduty", routing_key=KEY, base_url=receiver.url, **fields)
        result = await channel.send(told, context)
    events = sorted((request.json() for request in receiver.requests), key=lambda event: event["dedup_key"])
    assert all(event["routing_key"] == KEY for event in events)
    return events, result


def acts(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["event_action"], event["dedup_key"]) for event in events]


async def test_a_trigger_tells_everything():
    (event,), result = await sent(message(reason="new_alerts", note="Look."))
    payload = event.pop("payload")
    details = payload.pop("custom_details")
    assert event == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "shop-eu/alert/7",
        "client": "shop-eu",
        "client_url": "https://monitoring.example.com/alerts/7",
        "links": [
            {
                "href": "https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1",
                "text": "Acknowledge",
            },
            {"href": "https://monitoring.example.com/alerts/7", "text": "Alert"},
            {"href": "https://example.com/runbooks/orders", "text": "Runbook"},
        ],
    }
    assert payload == {
        "summary": "Orders API: response_time_ms (812) > 300",
        "source": "orders-api",
        "severity": "critical",
        "timestamp": "2026-03-01T11:59:00+00:00",
        "component": "shop",
        "group": "data-platform",
        "class": "slow-answer",
    }
    assert details["Since"] == "2026-03-01 11:58 UTC, for 2 min"
    assert details["Normal"] == "80 to 140 ms"
    assert details["Labels"] == {"tier": "1"}
    assert (details["Reason"], details["Note"]) == ("new_alerts", "Look.")
    assert (result.code, result.detail) == (202, "1 trigger")


@pytest.mark.parametrize("severity", list(Severity))
async def test_severities_are_called_the_same(severity: Severity):
    (event,), _ = await sent(message(Kind.FIRING, alert(severity=severity)))
    assert event["payload"]["severity"] == severity


async def test_each_alert_of_a_message_is_an_event_of_its_own_kind():
    told = message(Kind.FIRING, alert(1), over(2), alert(3, state=AlertState.ACKNOWLEDGED))
    events, result = await sent(told)
    assert acts(events) == [
        ("trigger", "shop-eu/alert/1"),
        ("resolve", "shop-eu/alert/2"),
        ("trigger", "shop-eu/alert/3"),
    ]
    assert "payload" not in events[1]
    assert result.reference == {"open": ["shop-eu/alert/1", "shop-eu/alert/3"]}
    assert result.detail == "2 trigger, 1 resolve"


@pytest.mark.parametrize("kind", [Kind.REMINDER, Kind.ESCALATION])
async def test_what_is_said_again_adds_to_the_same_incident(kind: Kind):
    (event,), _ = await sent(message(kind, level=2))
    assert acts([event]) == [("trigger", "shop-eu/alert/7")]


async def test_an_acknowledgement_is_of_those_that_somebody_took():
    taken = alert(1, state=AlertState.ACKNOWLEDGED, acknowledged_by="Ada")
    events, _ = await sent(message(Kind.ACKNOWLEDGED, taken, alert(2), over(3)))
    assert acts(events) == [("acknowledge", "shop-eu/alert/1"), ("resolve", "shop-eu/alert/3")]
    events, _ = await sent(message(Kind.ACKNOWLEDGED, alert(1), alert(2)))
    assert acts(events) == [("acknowledge", "shop-eu/alert/1"), ("acknowledge", "shop-eu/alert/2")]


async def test_an_end_resolves_also_what_the_message_does_not_list():
    known = {"open": ["shop-eu/alert/7", "shop-eu/alert/99"]}
    events, result = await sent(message(Kind.RESOLVED, more=1), known)
    assert acts(events) == [("resolve", "shop-eu/alert/7"), ("resolve", "shop-eu/alert/99")]
    assert result.reference == {"open": []}


async def test_fifty_alerts_are_fifty_events():
    events, result = await sent(message(Kind.FIRING, *many(50)))
    assert len({event["dedup_key"] for event in events}) == 50
    assert result.detail == "50 trigger"


async def test_a_digest_is_one_event():
    (event,), result = await sent(message(Kind.DIGEST, *many(3), thread="digest/pager", more=47, title="50 alerts"))
    assert acts([event]) == [("trigger", "shop-eu/digest/digest/pager")]
    assert event["payload"]["summary"] == "[CRITICAL] Digest: 50 alerts"
    assert len(event["payload"]["custom_details"]["Alerts"]) == 3
    assert event["payload"]["custom_details"]["Not listed"] == 47
    assert event["links"] == [{"href": "https://monitoring.example.com/alerts/7", "text": "Details"}]
    events, _ = await sent(message(Kind.DIGEST, over(1), over(2), thread="digest/pager"))
    assert acts(events) == [("resolve", "shop-eu/digest/digest/pager")]
    assert result.reference == {"open": ["shop-eu/digest/digest/pager"]}


async def test_a_test_leaves_nothing_open():
    async with Receiver(handler=accepted) as receiver, sending() as context:
        channel = PagerDutyChannel(kind="pagerduty", routing_key=KEY, base_url=receiver.url)
        result = await channel.send(message(Kind.TEST, thread="test:pager", severity=Severity.CRITICAL), context)
    first, second = (request.json() for request in receiver.requests)
    assert acts([first, second]) == [("trigger", "shop-eu/test/test:pager"), ("resolve", "shop-eu/test/test:pager")]
    assert first["payload"]["severity"] == "info"
    assert result.reference == {"open": []}


async def test_texts_of_any_kind_and_length_fit():
    long = STRANGE * 1000
    strange = alert(summary=long, source=long, component=long, owner=long, rule=long, labels={STRANGE: long})
    (event,), _ = await sent(message(Kind.FIRING, strange, installation="i" * 400, url="javascript:alert(1)"))
    payload = event["payload"]
    assert len(payload["summary"]) <= 1024
    assert all(len(payload[name]) <= 255 for name in ("source", "component", "group", "class"))
    assert len(event["dedup_key"]) == 255
    assert "client_url" not in event
    (other,), _ = await sent(message(Kind.FIRING, alert(8), installation="i" * 400))
    assert other["dedup_key"] != event["dedup_key"]


async def test_words_of_their_own():
    own = {"summary": "{{ alert.name }} of {{ alerts | length }}{% if message.note %} {{ message.note }}{% endif %}"}
    events, _ = await sent(message(Kind.FIRING, *many(2), note="now"), templates=own)
    assert [event["payload"]["summary"] for event in events] == ["Source 1 of 1 now", "Source 2 of 1 now"]


async def test_a_template_that_raises_stops_only_its_event():
    own = {"summary": "{{ 1 / (alert.id - 2) }}"}
    async with Receiver(handler=accepted) as receiver, sending() as context:
        channel = PagerDutyChannel(kind="pagerduty", routing_key=KEY, base_url=receiver.url, templates=own)
        with pytest.raises(Undelivered, match="1 of 3 were not taken; the template 'summary'") as caught:
            await channel.send(message(Kind.FIRING, *many(3)), context)
    assert caught.value.permanent
    assert len(receiver.requests) == 2


async def test_one_that_is_refused_for_good_does_not_stop_the_others():
    def picky(request: Received) -> Reply:
        bad = request.json()["dedup_key"].endswith("/2")
        return Reply(400, json.dumps({"status": "invalid event", "errors": [f"{KEY} is odd"]}).encode()) if bad else ok

    ok = Reply(202, TAKEN)
    async with Receiver(handler=picky) as receiver, sending() as context:
        channel = PagerDutyChannel(kind="pagerduty", routing_key=KEY, base_url=receiver.url)
        with pytest.raises(Undelivered) as caught:
            await channel.send(message(Kind.FIRING, *many(20)), context)
    assert len(receiver.requests) == 20
    assert (caught.value.permanent, caught.value.code) == (True, 400)
    assert str(caught.value) == (
        '1 of 20 were not taken; PagerDuty answered 400: {"status": "invalid event", "errors": ["*** is odd"]}'
    )


async def test_when_it_is_too_much_the_rest_waits_and_the_whole_is_tried_again():
    counted = {"requests": 0}

    def busy(_: Received) -> Reply:
        counted["requests"] += 1
        return Reply(202, TAKEN) if counted["requests"] <= 5 else Reply(429, b"", {"Retry-After": "11"})

    async with Receiver(handler=busy) as receiver, sending() as context:
        channel = PagerDutyChannel(kind="pagerduty", routing_key=KEY, base_url=receiver.url)
        with pytest.raises(Undelivered, match="45 of 50 were not taken; PagerDuty answered 429") as caught:
            await channel.send(message(Kind.FIRING, *many(50)), context)
        assert len(receiver.requests) < 25
        receiver.handler = accepted
        await channel.send(message(Kind.FIRING, *many(50)), context)
    assert (caught.value.permanent, caught.value.retry_after, caught.value.code) == (False, 11.0, 429)
    assert len({request.json()["dedup_key"] for request in receiver.requests}) == 50


@pytest.mark.parametrize(("code", "permanent"), [(400, True), (403, True), (404, True), (429, False), (500, False)])
async def test_errors_are_judged_and_keep_the_key(code: int, permanent: bool):
    async with Receiver() as receiver, sending() as context:
        receiver.answer(code, f"key {KEY} at /v2/enqueue", {"Retry-After": "4"})
        channel = PagerDutyChannel(kind="pagerduty", routing_key=KEY, base_url=receiver.url)
        with pytest.raises(Undelivered) as caught:
            await channel.send(message(), context)
    assert (caught.value.permanent, caught.value.code) == (permanent, code)
    assert str(caught.value) == f"PagerDuty answered {code}: key *** at /v2/enqueue"
    assert KEY not in repr(channel)


async def test_a_message_without_alerts_is_one_event():
    found = []
    for kind in (Kind.FIRING, Kind.ACKNOWLEDGED, Kind.RESOLVED):
        events, _ = await sent(message(kind).model_copy(update={"alerts": ()}))
        found += acts(events)
    name = "shop-eu/thread/default/source=orders-api/1"
    assert found == [("trigger", name), ("acknowledge", name), ("resolve", name)]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"routing_key": " "}, "the routing key is empty"),
        ({"base_url": "events.example.com"}, "an absolute http:// or https:// address is needed"),
        ({"base_url": "https://example.com?x=1"}, "an address without credentials, query and fragment is needed"),
        ({"templates": {"title": "x"}}, "there is no template 'title' here; there is: summary"),
    ],
)
def test_what_cannot_work_is_said_when_it_is_configured(fields: dict[str, object], told: str):
    with pytest.raises(ValidationError) as caught:
        PagerDutyChannel(kind="pagerduty", **{"routing_key": KEY, **fields})
    messages = json.dumps([error["msg"] for error in caught.value.errors()])
    assert told in messages
    assert KEY not in messages


def test_the_usual_address():
    channel = PagerDutyChannel(kind="pagerduty", routing_key=KEY)
    assert channel.base_url == "https://events.pagerduty.com"
