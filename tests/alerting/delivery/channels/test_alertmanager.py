"""The alertmanager channel: alerts as Prometheus posts them, and webhooks as Alertmanager calls them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery.channel import Sent, Undelivered
from monitoring_pipeline.alerting.delivery.channels.alertmanager import AlertmanagerChannel
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import AlertState, Severity
from tests.alerting.delivery.channels.messages import STRANGE, alert, many, message, over
from tests.alerting.delivery.channels.receiver import NOW, Received, Receiver, sending

TIMES = ("startsAt", "endsAt")


async def sent(told: Message, reference: Mapping[str, Any] | None = None, **fields: object) -> tuple[Received, Sent]:
    async with Receiver() as receiver, sending(reference=reference) as context:
        address = {"webhook_url": f"{receiver.url}/hook/s3cr3t"} if "mode" in fields else {"base_url": receiver.url}
        channel = AlertmanagerChannel(kind="alertmanager", **address, **fields)
        result = await channel.send(told, context)
    (request,) = receiver.requests
    assert request.method == "POST"
    return request, result


async def posted(told: Message, reference: Mapping[str, Any] | None = None, **fields: object) -> list[dict[str, Any]]:
    request, _ = await sent(told, reference, **fields)
    assert request.path == "/api/v2/alerts"
    alerts = request.json()
    for each in alerts:
        assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name in (*each["labels"], *each["annotations"]))
        assert all(each["labels"].values())
        assert each["startsAt"] <= each["endsAt"]
    return alerts


async def hooked(told: Message) -> dict[str, Any]:
    request, _ = await sent(told, mode="webhook")
    assert request.path == "/hook/s3cr3t"
    return request.json()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_firing_alert():
    (posted_alert,) = await posted(message(note="Look."))
    annotations = posted_alert.pop("annotations")
    assert posted_alert == {
        "labels": {
            "alertname": "slow-answer",
            "source": "orders-api",
            "check": "http",
            "component": "shop",
            "owner": "data-platform",
            "severity": "critical",
            "tier": "1",
        },
        "startsAt": "2026-03-01T11:59:00.000000Z",
        "endsAt": "2026-03-02T12:00:00.000000Z",
        "generatorURL": "https://monitoring.example.com/alerts/7",
    }
    assert annotations["summary"] == "Orders API: response_time_ms (812) > 300"
    assert annotations["description"] == "Customers wait."
    assert annotations["runbook_url"] == "https://example.com/runbooks/orders"
    assert annotations["value"] == "812"
    assert annotations["normal"] == "80 to 140 ms"
    assert annotations["last_change"] == "version 2.4 at 11:50"
    assert annotations["note"] == "Look."


async def test_a_firing_alert_ends_by_itself_when_nobody_repeats_it():
    (posted_alert,) = await posted(message(Kind.REMINDER), valid_for="6h")
    assert at(posted_alert["endsAt"]) == NOW + timedelta(hours=6)


async def test_a_resolved_alert_has_ended():
    (posted_alert,) = await posted(message(Kind.RESOLVED))
    assert at(posted_alert["endsAt"]) == NOW
    assert posted_alert["labels"]["alertname"] == "slow-answer"


async def test_an_end_before_the_begin_is_none():
    """A clock that was set back must not make Alertmanager refuse the whole request."""
    (posted_alert,) = await posted(message(Kind.FIRING, over(resolved=NOW - timedelta(hours=1))))
    assert posted_alert["startsAt"] == posted_alert["endsAt"]


async def test_many_are_one_request():
    alerts = await posted(message(Kind.DIGEST, *many(49), over(50), more=9))
    assert len(alerts) == 50
    assert sum(at(each["endsAt"]) <= NOW for each in alerts) == 1


@pytest.mark.parametrize("kind", [Kind.ACKNOWLEDGED, Kind.ESCALATION])
async def test_what_is_no_end_keeps_it_firing(kind: Kind):
    taken = alert(state=AlertState.ACKNOWLEDGED, acknowledged_by="Ada")
    (posted_alert,) = await posted(message(kind, taken))
    assert at(posted_alert["endsAt"]) > NOW
    assert posted_alert["annotations"]["acknowledged_by"] == "Ada"
    assert "acknowledge_url" not in posted_alert["annotations"]


async def test_a_worse_alert_ends_the_one_it_was():
    warning = message(Kind.FIRING, alert(severity=Severity.WARNING))
    _, first = await sent(warning)
    assert first.reference == {"severities": {"7": "warning"}}
    alerts = await posted(message(), first.reference)
    assert [(each["labels"]["severity"], at(each["endsAt"]) > NOW) for each in alerts] == [
        ("critical", True),
        ("warning", False),
    ]
    _, second = await sent(message(), first.reference)
    assert second.reference == {"severities": {"7": "critical"}}
    alerts = await posted(message(Kind.RESOLVED), second.reference)
    assert [each["labels"]["severity"] for each in alerts] == ["critical"]
    _, third = await sent(message(Kind.RESOLVED), second.reference)
    assert third.reference == {"severities": {}}


async def test_a_reference_that_makes_no_sense_changes_nothing():
    assert len(await posted(message(), {"severities": {"7": "fatal", "8": None}})) == 1
    assert len(await posted(message(), {"open": []})) == 1


async def test_a_test_ends_within_a_minute():
    (posted_alert,) = await posted(message(Kind.TEST, title="Test to alertmanager"))
    assert posted_alert["labels"] == {
        "alertname": "monitoring_test",
        "severity": "critical",
        "installation": "shop-eu",
    }
    assert at(posted_alert["endsAt"]) == NOW + timedelta(minutes=1)
    assert posted_alert["annotations"]["summary"] == "[TEST] Test to alertmanager"


async def test_names_and_texts_of_any_kind():
    labels = {"team-name": "a", "1st": "b", "": "c", STRANGE: STRANGE, "empty": "", "severity": "own", "half": "\udc80"}
    strange = alert(source=STRANGE, check="", labels=labels, url="javascript:alert(1)", value=float("nan"))
    (posted_alert,) = await posted(message(Kind.FIRING, strange))
    shown = posted_alert["labels"]
    assert (shown["team_name"], shown["_1st"], shown["_"], shown["half"]) == ("a", "b", "c", "?")
    assert shown["source"] == STRANGE
    assert shown["severity"] == "critical"
    assert "empty" not in shown
    assert "check" not in shown
    assert "generatorURL" not in posted_alert


async def test_a_webhook_gets_what_alertmanager_would_send():
    document = await hooked(message(Kind.FIRING, alert(7), over(8, check="sql"), more=3))
    first, second = document.pop("alerts")
    assert document == {
        "version": "4",
        "groupKey": "default/source=orders-api/1",
        "truncatedAlerts": 3,
        "status": "firing",
        "receiver": "shop-eu",
        "groupLabels": {},
        "commonLabels": {
            "alertname": "slow-answer",
            "source": "orders-api",
            "component": "shop",
            "owner": "data-platform",
            "severity": "critical",
            "tier": "1",
        },
        "commonAnnotations": document["commonAnnotations"],
        "externalURL": "https://monitoring.example.com/alerts/7",
    }
    assert document["commonAnnotations"]["summary"] == "Orders API: response_time_ms (812) > 300"
    assert "since" not in document["commonAnnotations"]
    assert (first["status"], first["endsAt"]) == ("firing", "0001-01-01T00:00:00Z")
    assert (second["status"], second["endsAt"]) == ("resolved", "2026-03-01T12:00:00.000000Z")
    assert first["generatorURL"] == "https://monitoring.example.com/alerts/7"
    assert re.fullmatch("[0-9a-f]{16}", first["fingerprint"])
    assert first["fingerprint"] != second["fingerprint"]


@pytest.mark.parametrize("kind", list(Kind))
async def test_every_kind_is_a_webhook(kind: Kind):
    document = await hooked(message(kind))
    assert document["status"] == ("resolved" if kind is Kind.RESOLVED else "firing")
    bare = await hooked(message(kind).model_copy(update={"alerts": ()}))
    assert bare["status"] == ("resolved" if kind is Kind.RESOLVED else "firing")
    assert bare["alerts"][0]["labels"]["alertname"] == f"monitoring_{kind}"


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"username": "monitoring", "password": "p4ss"}, "Basic bW9uaXRvcmluZzpwNHNz"),
        ({"bearer": "t0ken"}, "Bearer t0ken"),
    ],
)
async def test_credentials(auth: dict[str, str], header: str):
    request, _ = await sent(message(), auth=auth)
    assert request.headers["authorization"] == header


@pytest.mark.parametrize(("code", "permanent"), [(400, True), (401, True), (429, False), (500, False), (503, False)])
async def test_errors_are_judged_and_keep_secrets(code: int, permanent: bool):
    auth = {"username": "monitoring", "password": "p4ss-word"}
    async with Receiver() as receiver, sending() as context:
        receiver.answer(code, "p4ss-word at /api/v2/alerts and h00k", {"Retry-After": "5"})
        receiver.answer(code, "p4ss-word at /api/v2/alerts and h00k", {"Retry-After": "5"})
        plain = AlertmanagerChannel(kind="alertmanager", base_url=receiver.url, auth=auth)
        hook = AlertmanagerChannel(kind="alertmanager", mode="webhook", webhook_url=f"{receiver.url}/h00k", auth=auth)
        found = []
        for channel in (plain, hook):
            with pytest.raises(Undelivered) as caught:
                await channel.send(message(), context)
            assert (caught.value.permanent, caught.value.code) == (permanent, code)
            found.append(str(caught.value))
    assert found == [
        f"Alertmanager answered {code}: *** at /api/v2/alerts and h00k",
        f"Alertmanager answered {code}: *** at /api/v2/alerts and ***",
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "mode alerts needs base_url, the address of the Alertmanager, and no webhook_url"),
        ({"webhook_url": "https://example.com/s3cr3t"}, "mode alerts needs base_url"),
        ({"mode": "webhook", "base_url": "https://example.com"}, "mode webhook needs webhook_url, and no base_url"),
        ({"base_url": "example.com"}, "an absolute http:// or https:// address is needed"),
        ({"base_url": "https://example.com", "auth": {}}, "auth is either username and password, or bearer"),
        ({"base_url": "https://example.com", "valid_for": "0s"}, "Input should be greater than 0"),
        ({"base_url": "https://example.com", "templates": {"a": "b"}}, "this kind has no texts that can be replaced"),
    ],
)
def test_what_cannot_work_is_said_when_it_is_configured(fields: dict[str, object], told: str):
    with pytest.raises(ValidationError) as caught:
        AlertmanagerChannel(kind="alertmanager", **fields)
    messages = json.dumps([error["msg"] for error in caught.value.errors()])
    assert told in messages
    assert "s3cr3t" not in messages
