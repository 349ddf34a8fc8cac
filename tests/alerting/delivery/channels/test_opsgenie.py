"""The opsgenie channel: alerts by alias, what their life becomes there, and what the API answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import ValidationError

from monitoring_pipeline.alerting.delivery.channel import Sent, Undelivered
from monitoring_pipeline.alerting.delivery.channels.opsgenie import OpsgenieChannel
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import AlertState, Severity
from tests.alerting.delivery.channels.messages import STRANGE, alert, many, message, over
from tests.alerting.delivery.channels.receiver import Received, Receiver, Reply, sending

KEY = "s3cr3t-0123-4567"
KNOWN = {"open": ["shop-eu/alert/7"]}
ACCEPTED = json.dumps({"result": "Request will be processed", "requestId": "r1"}).encode()


def accepted(request: Received) -> Reply:
    assert request.headers["authorization"] == f"GenieKey {KEY}"
    return Reply(202, ACCEPTED)


async def sent(
    told: Message, reference: Mapping[str, Any] | None = None, **fields: object
) -> tuple[list[Received], Sent]:
    async with Receiver(handler=accepted) as receiver, sending(reference=reference) as context:
        channel = OpsgenieChannel(kind="opsgenie", api_key=KEY, base_url=receiver.url, **fields)
        result = await channel.send(told, context)
    return sorted(receiver.requests, key=lambda request: request.path), result


def calls(requests: list[Received]) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in requests]


async def test_creating_tells_everything():
    (request,), result = await sent(message(note="Look."), teams=("data",), tags=("prod", "eu, west"))
    created = request.json()
    description = created.pop("description").splitlines()
    assert calls([request]) == [("POST", "/v2/alerts")]
    assert created == {
        "message": "Orders API: response_time_ms (812) > 300",
        "alias": "shop-eu/alert/7",
        "entity": "orders-api",
        "source": "shop-eu",
        "priority": "P1",
        "tags": ["prod", "eu west", "critical", "slow-answer", "shop"],
        "responders": [{"type": "team", "name": "data"}],
        "details": {
            "reason": "first",
            "installation": "shop-eu",
            "url": "https://monitoring.example.com/alerts/7",
            "source": "orders-api",
            "rule": "slow-answer",
            "check": "http",
            "component": "shop",
            "owner": "data-platform",
            "runbook": "https://example.com/runbooks/orders",
            "severity": "critical",
            "label_tier": "1",
        },
    }
    assert description[0] == "Look."
    assert "Since: 2026-03-01 11:58 UTC, for 2 min" in description
    assert "Acknowledge: https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1" in description
    assert (result.code, result.detail, result.reference) == (202, "1 created", KNOWN)


@pytest.mark.parametrize(
    ("severity", "priority"),
    [(Severity.CRITICAL, "P1"), (Severity.ERROR, "P2"), (Severity.WARNING, "P4"), (Severity.INFO, "P5")],
)
async def test_priorities(severity: Severity, priority: str):
    (request,), _ = await sent(message(Kind.FIRING, alert(severity=severity)), priorities={"warning": "P4"})
    assert request.json()["priority"] == priority


async def test_what_is_open_there_gets_its_priority_anew():
    worse = message(Kind.ESCALATION, alert(severity=Severity.ERROR))
    requests, _ = await sent(worse, KNOWN)
    assert calls(requests) == [
        ("POST", "/v2/alerts"),
        ("PUT", "/v2/alerts/shop-eu%2Falert%2F7/priority?identifierType=alias"),
    ]
    assert requests[1].json() == {"priority": "P2"}


async def test_acknowledging_and_closing_go_by_alias():
    taken = alert(1, state=AlertState.ACKNOWLEDGED, acknowledged_by="Ada")
    requests, result = await sent(message(Kind.ACKNOWLEDGED, taken, alert(2)), {"open": ["shop-eu/alert/1"]})
    assert calls(requests) == [("POST", "/v2/alerts/shop-eu%2Falert%2F1/acknowledge?identifierType=alias")]
    assert requests[0].json() == {"user": "monitoring-pipeline", "source": "shop-eu", "note": "acknowledged by Ada"}
    assert result.detail == "1 acknowledged"
    requests, result = await sent(message(Kind.RESOLVED, reason="all_resolved"), {"open": ["shop-eu/alert/5"]})
    assert calls(requests) == [
        ("POST", "/v2/alerts/shop-eu%2Falert%2F5/close?identifierType=alias"),
        ("POST", "/v2/alerts/shop-eu%2Falert%2F7/close?identifierType=alias"),
    ]
    assert requests[1].json()["note"] == "all_resolved"
    assert result.reference == {"open": []}


@pytest.mark.parametrize("code", [404, 409])
async def test_closing_what_is_not_known_there_is_fine(code: int):
    async with Receiver() as receiver, sending() as context:
        receiver.answer(code, {"message": "Alert not found"})
        channel = OpsgenieChannel(kind="opsgenie", api_key=KEY, base_url=receiver.url)
        assert (await channel.send(message(Kind.RESOLVED), context)).code == code
        receiver.answer(code, {"message": "no such API"})
        with pytest.raises(Undelivered, match=f"Opsgenie answered {code}") as caught:
            await channel.send(message(), context)
    assert caught.value.permanent


async def test_a_mixed_message_is_as_many_requests():
    requests, result = await sent(message(Kind.FIRING, alert(1), over(2)))
    assert [request.path for request in requests] == [
        "/v2/alerts",
        "/v2/alerts/shop-eu%2Falert%2F2/close?identifierType=alias",
    ]
    assert result.reference == {"open": ["shop-eu/alert/1"]}


async def test_a_digest_is_one_alert():
    (request,), _ = await sent(message(Kind.DIGEST, *many(3), thread="digest/ops", more=47, title="50 alerts"))
    created = request.json()
    assert created["alias"] == "shop-eu/digest/digest/ops"
    assert created["message"] == "[CRITICAL] Digest: 50 alerts"
    assert "Source 3 (source-3)" in created["description"]


async def test_a_test_leaves_nothing_open():
    async with Receiver(handler=accepted) as receiver, sending() as context:
        channel = OpsgenieChannel(kind="opsgenie", api_key=KEY, base_url=receiver.url)
        result = await channel.send(message(Kind.TEST, thread="test:ops", title="Test to ops"), context)
    first, second = receiver.requests
    assert first.json()["priority"] == "P5"
    assert calls([first, second]) == [
        ("POST", "/v2/alerts"),
        ("POST", "/v2/alerts/shop-eu%2Ftest%2Ftest:ops/close?identifierType=alias"),
    ]
    assert result.reference == {"open": []}


async def test_names_of_any_kind_make_one_path():
    strange = message(Kind.RESOLVED, installation="a/../b?c#d \u00fc\udc80%2F")
    (request,), _ = await sent(strange)
    alias = request.path.removeprefix("/v2/alerts/").removesuffix("/close?identifierType=alias")
    assert "/" not in alias
    assert unquote(alias) == "a/../b?c#d \u00fc?%2F/alert/7"
    (created,), _ = await sent(strange.model_copy(update={"kind": Kind.FIRING, "alerts": (alert(),)}))
    assert created.json()["alias"] == unquote(alias)


async def test_texts_of_any_length_fit():
    long = STRANGE * 1000
    labels = {f"{n}{STRANGE}": long for n in range(100)}
    strange = alert(summary=long, source=long, component=long, rule=long, labels=labels, description=long)
    told = message(Kind.FIRING, strange, installation="i" * 900, note=long)
    (request,), _ = await sent(told, tags=tuple(f"tag{n}," + "x" * 100 for n in range(40)))
    created = request.json()
    assert len(created["message"]) <= 130
    assert len(created["alias"]) == 512
    assert len(created["description"]) <= 15_000
    assert len(created["entity"]) <= 512
    assert len(created["source"]) <= 100
    assert len(created["tags"]) == 20
    assert all(len(tag) <= 50 and "," not in tag for tag in created["tags"])
    assert sum(len(name) + len(value) for name, value in created["details"].items()) <= 8000
    assert created["details"]["reason"] == "first"


async def test_words_of_their_own():
    own = {"message": "{{ alert.name }}!", "description": "{{ text }}"}
    with pytest.raises(Undelivered, match="the template 'message' cannot be rendered, line 1: division by zero"):
        await sent(message(), templates={"message": "{{ 1 / 0 }}"})
    requests, _ = await sent(message(Kind.FIRING, *many(2)), templates=own)
    assert {request.json()["message"] for request in requests} == {"Source 1!", "Source 2!"}
    assert all(request.json()["description"].startswith("[CRITICAL]") for request in requests)


@pytest.mark.parametrize(("code", "permanent"), [(401, True), (403, True), (422, True), (429, False), (503, False)])
async def test_errors_are_judged_and_keep_the_key(code: int, permanent: bool):
    async with Receiver() as receiver, sending() as context:
        receiver.answer(code, f"Could not authenticate {KEY} at alerts", {"Retry-After": "5"})
        channel = OpsgenieChannel(kind="opsgenie", api_key=KEY, base_url=receiver.url)
        with pytest.raises(Undelivered) as caught:
            await channel.send(message(), context)
    assert (caught.value.permanent, caught.value.code) == (permanent, code)
    assert str(caught.value) == f"Opsgenie answered {code}: Could not authenticate *** at alerts"
    assert KEY not in repr(channel)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"api_key": ""}, "the API key is empty"),
        ({"api_key": "s3cr3t\n"}, "the API key is empty or holds characters that no key has"),
        ({"base_url": "api.example.com"}, "an absolute http:// or https:// address is needed"),
        ({"priorities": {"fatal": "P1"}}, "Input should be 'info', 'warning', 'error' or 'critical'"),
        ({"priorities": {"error": "P9"}}, "Input should be 'P1', 'P2', 'P3', 'P4' or 'P5'"),
        ({"templates": {"title": "x"}}, "there is no template 'title' here; there is: message, description"),
    ],
)
def test_what_cannot_work_is_said_when_it_is_configured(fields: dict[str, object], told: str):
    with pytest.raises(ValidationError) as caught:
        OpsgenieChannel(kind="opsgenie", **{"api_key": KEY, **fields})
    messages = json.dumps([error["msg"] for error in caught.value.errors()])
    assert told in messages
    assert "s3cr3t" not in messages
