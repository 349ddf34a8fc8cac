"""Alerts over HTTP: lists, pages, the signed link, who may change what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from pydantic import BaseModel

from monitoring_pipeline.api import alert_answers, bodies
from monitoring_pipeline.records import Alert, Status
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import silences
from tests.alerting.rows import add_alert
from tests.api.conftest import SOURCES, Answer, Client, Installation, install, serving, wait_until
from tests.api.test_status_page import NASTY, Tags

HTML = {"Accept": "text/html,application/xhtml+xml"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ALERTING: dict[str, Any] = {
    "rules": [{"id": "down", "when": {"kind": "status", "warning": None}}],
    "people": {"ana": {"name": "Ana Example", "email": "ana@example.com"}},
    "rotas": {"primary": {"people": ["ana"]}},
    "channels": {"chat": {"kind": "slack", "webhook_url": "http://127.0.0.1:9/secret-path"}},
    "maintenance": [{"name": "weekly", "sources": {"component": "data"}, "cron": "0 3 * * sun", "duration": "1h"}],
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Installation]:
    found = install(tmp_path, SOURCES, name="shop", **ALERTING)
    yield found
    found.monitoring.close()


@pytest.fixture
def client(shop: Installation) -> Iterator[Client]:
    with serving(shop.monitoring) as found:
        yield found


def fire(shop: Installation, **values: Any) -> Alert:
    began = shop.now - timedelta(hours=1)
    return add_alert(shop.monitoring.store, **{"rule": "down", "started": began, "fired": began, **values})


def state(shop: Installation, alert: Alert) -> Alert:
    return shop.monitoring.alert(alert.id).view.alert


def post(client: Client, path: str, body: Any = None, method: str = "POST", **headers: str) -> Answer:
    given = {"Content-Type": "application/json", **headers}
    return client(path, method, b"" if body is None else json.dumps(body).encode(), given)


def listed(client: Client, query: str = "") -> list[str]:
    return [each["source"] for each in client(f"/alerts?{query}").json()["alerts"]]


# -- reading -----------------------------------------------------------------------------------------


def test_the_list_and_its_filters(shop: Installation, client: Client) -> None:
    assert listed(client) == []
    fire(shop, severity="warning")
    fire(shop, source="orders-db", component="data")
    fire(shop, source="nightly-export", component="data", state="resolved",
         resolved=shop.now - timedelta(minutes=30))  # fmt: skip
    fire(shop, rule="trial", mode="shadow")
    assert listed(client) == ["orders-db", "orders-api"]
    for query, expected in {
        "severity=warning": ["orders-api"],
        "component=data": ["orders-db"],
        "team=shop": ["orders-api"],
        "tag=public": ["orders-api"],
        "rule=trial&mode=shadow": ["orders-api"],
        "state=resolved": ["nightly-export"],
        "all=1": ["nightly-export", "orders-db", "orders-api"],
        "all=1&since=1m": ["orders-db", "orders-api"],
        "limit=1": ["orders-db"],
        "source=orders-api&severity=critical": [],
    }.items():
        assert listed(client, query) == expected, query


def test_what_cannot_be_asked(client: Client) -> None:
    for query in ("state=open", "severity=bad", "limit=0", "limit=1001", "since=yesterday", "mode=x"):
        assert client(f"/alerts?{query}").status == 422, query
    assert client("/alerts/99").status == 404
    for number in ("0", "-1", "x", "9" * 30):
        assert client(f"/alerts/{number}").status == 422, number


def test_one_alert_with_all_that_happened(shop: Installation, client: Client) -> None:
    alert = fire(shop)
    found = client(f"/alerts/{alert.id}").json()
    assert (found["id"], found["name"], found["owner"], found["state"]) == (alert.id, "Orders API", "shop", "firing")
    assert [each["what"] for each in found["steps"]] == ["new -> firing"]


def test_the_page_of_an_alert(shop: Installation, client: Client) -> None:
    alert = fire(shop, annotations='{"runbook": "https://example.com/r", "description": "It is down."}')
    answer = client(f"/alerts/{alert.id}", headers=HTML)
    assert answer.headers["content-type"].startswith("text/html")
    for expected in (
        "Orders API",
        "status is critical",
        "It is down.",
        'href="https://example.com/r"',
        "new -&gt; firing",
    ):
        assert expected in answer.text, expected
    for tag, attributes in Tags(answer.text).found:
        target = attributes.get("href", "") if tag == "link" else ""
        if target:
            assert client(f"/alerts/{target}".replace("/alerts/../", "/")).status == 200, target
    assert client("/alerts/99", headers=HTML).status == 404


def test_a_hostile_alert_stays_text(shop: Installation, client: Client) -> None:
    notes = json.dumps({"description": NASTY, "runbook": "javascript:alert(1)"})
    alert = fire(shop, text=NASTY, labels=json.dumps({NASTY: NASTY}), annotations=notes, source=NASTY[:100],
                 state="suppressed", suppressed_by=NASTY)  # fmt: skip
    post(client, f"/alerts/{alert.id}/note", {"note": NASTY, "by": NASTY[:100]})
    wait_until(lambda: "1 open alert" in client("/status/fragment").text, 20)
    for url in (f"/alerts/{alert.id}", "/", "/status/fragment"):
        html = client(url, headers=HTML).text
        tags = Tags(html).found
        scripts = [attributes for tag, attributes in tags if tag == "script"]
        assert all(set(attributes) == {"src", "defer"} for attributes in scripts), url
        assert not [a for _, attributes in tags for a in attributes if a.startswith("on") or a == "style"], url
        assert "&lt;script&gt;alert(1)" in html, url
        assert 'href="javascript' not in html, url


# -- the link in a message -----------------------------------------------------------------------------


def link(shop: Installation, alert: Alert) -> str:
    parts = urlsplit(shop.monitoring.links.acknowledge(alert.id))
    return f"{parts.path}?{parts.query}"


def test_opening_the_link_changes_nothing(shop: Installation, client: Client) -> None:
    alert = fire(shop)
    for method in ("GET", "HEAD"):
        assert client(link(shop, alert), method, headers=HTML).status == 200
    assert state(shop, alert).state.value == "firing"


def test_the_button_behind_the_link_acknowledges(shop: Installation, client: Client) -> None:
    alert = fire(shop)
    page = client(link(shop, alert), headers=HTML)
    assert page.headers["cache-control"] == "no-store"
    fields = [attributes for tag, attributes in Tags(page.text).found if tag == "input"]
    token = next(each["value"] for each in fields if each.get("name") == "token")
    action = next(attributes["action"] for tag, attributes in Tags(page.text).found if tag == "form")
    assert action == "acknowledge"
    body = urlencode({"token": token, "by": "Ana", "for": "2h", "note": "on it"}).encode()
    answer = client(f"/alerts/{alert.id}/{action}", "POST", body, {**HTML, **FORM, "Origin": "null"})
    assert (answer.status, answer.headers["location"]) == (303, f"../{alert.id}")
    found = state(shop, alert)
    assert (found.state.value, found.acknowledged_by) == ("acknowledged", "Ana")
    assert found.acknowledged is not None
    assert found.acknowledged_until == found.acknowledged + timedelta(hours=2)
    assert "acknowledged by Ana" in client(f"/alerts/{alert.id}", headers=HTML).text
    assert "<form" not in client(link(shop, alert), headers=HTML).text


def test_the_signature_is_enough_also_from_afar_and_nothing_else_is(tmp_path: Path) -> None:
    afar = install(tmp_path, SOURCES, api={"host": "0.0.0.0", "port": 65000}, **ALERTING)
    alert, other = fire(afar), fire(afar, source="orders-db")
    with serving(afar.monitoring) as client:
        for path in (f"/alerts/{alert.id}/acknowledge", f"/alerts/{alert.id}/acknowledge?token=x"):
            refused = post(client, path)
            assert refused.status == 403
            assert "no login yet" in refused.json()["detail"]
        stolen = afar.monitoring.links.token(other.id)
        assert post(client, f"/alerts/{alert.id}/acknowledge", {"token": stolen}).status == 403
        for action in ("resolve", "note", "unacknowledge"):
            signed = f"/alerts/{alert.id}/{action}?token={afar.monitoring.links.token(alert.id)}"
            assert post(client, signed, {"note": "x"}).status == 403, action
        assert client(f"/alerts/{alert.id}/acknowledge?token=x", headers=HTML).status == 403
        assert "<form" not in client(f"/alerts/{alert.id}", headers=HTML).text
        assert state(afar, alert).state.value == "firing"
        assert post(client, link(afar, alert)).json()["changed"] is True
    assert state(afar, alert).acknowledged_by == "the link in a message"


def test_nothing_that_anybody_may_read_carries_a_signature(shop: Installation, client: Client) -> None:
    alert = fire(shop)
    token = shop.monitoring.links.token(alert.id)
    for url in ("/", "/alerts", f"/alerts/{alert.id}", "/notifications", "/docs", "/openapi.json"):
        for headers in ({}, HTML):
            assert token not in client(url, headers=headers).text, url


# -- who may change something --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Origin": ""},
    ],
)
def test_other_pages_change_nothing(shop: Installation, client: Client, headers: dict[str, str]) -> None:
    alert = fire(shop)
    for path, method in (
        (f"/alerts/{alert.id}/acknowledge", "POST"), (f"/alerts/{alert.id}/resolve", "POST"),
        (f"/alerts/{alert.id}/note", "POST"), ("/silences", "POST"), ("/silences/1", "DELETE"),
        ("/maintenance", "POST"), ("/maintenance/1", "DELETE"),
    ):  # fmt: skip
        answer = post(client, path, {}, method, **headers)
        assert answer.status == 403, path
        assert "another page than ours" in answer.json()["detail"]
    assert state(shop, alert).state.value == "firing"


def test_our_own_page_and_programs_on_this_machine_may(shop: Installation, client: Client) -> None:
    alert = fire(shop)
    path = f"/alerts/{alert.id}/acknowledge"
    # Browsers say `null` for our forms, because our pages send no referrer.
    for headers in (
        {}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Origin": f"http://127.0.0.1:{client.port}"},
    ):  # fmt: skip
        assert post(client, path, {}, **headers).status == 200, headers
    assert state(shop, alert).acknowledged_by == "the API"


def test_a_proxy_with_another_name_is_ours(tmp_path: Path) -> None:
    public = install(tmp_path, SOURCES, api={"public_url": "https://status.example.com"}, **ALERTING)
    alert = fire(public)
    with serving(public.monitoring) as client:
        path = f"/alerts/{alert.id}/acknowledge"
        assert post(client, path, {}, Origin="https://status.example.com").status == 200
        assert post(client, path, {}, Origin="https://status.example.com:8443").status == 403


# -- acting --------------------------------------------------------------------------------------------


def test_acknowledging_unacknowledging_resolving_noting(shop: Installation, client: Client) -> None:
    alert = fire(shop)
    path = f"/alerts/{alert.id}"
    done = post(client, f"{path}/acknowledge", {"by": "ana", "until": "2999-01-01T00:00:00Z", "note": "on it"}).json()
    assert (done["changed"], done["alert"]["acknowledged"]["by"]) == (True, "ana")
    assert done["alert"]["acknowledged"]["until"] == "2999-01-01T00:00:00Z"
    again = post(client, f"{path}/acknowledge", {"by": "ben"}).json()
    assert (again["changed"], again["text"]) == (False, f"alert {alert.id} was acknowledged by ana already")
    assert post(client, f"{path}/unacknowledge").json()["alert"]["state"] == "firing"
    assert post(client, f"{path}/note", {"note": "the\u0000disk", "by": "ana"}).json()["changed"]
    ended = post(client, f"{path}/resolve", {"by": "ana"}).json()
    assert (ended["alert"]["state"], ended["alert"]["resolution"]) == ("resolved", "by_hand")
    refused = post(client, f"{path}/acknowledge")
    assert refused.status == 409
    assert "is over (by hand)" in refused.json()["detail"]
    with shop.monitoring.store.read() as connection:
        audit = stored.audit_of(connection, f"alert:{alert.id}")
    assert [each.action for each in audit] == ["acknowledge", "unacknowledge", "note", "resolve"]
    assert audit[2].detail == {"text": "thedisk"}


def test_json_is_read_though_curl_calls_it_a_form(shop: Installation, client: Client) -> None:
    alert = fire(shop)
    body = b' {"by": "ana", "until": "2999-01-01T00:00:00Z"}'
    done = client(f"/alerts/{alert.id}/acknowledge", "POST", body, FORM).json()
    assert done["alert"]["acknowledged"] | {"note": ""} == {
        "by": "ana", "until": "2999-01-01T00:00:00Z", "note": "", "at": done["alert"]["acknowledged"]["at"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        (b"{", 422, "the body is no JSON object"),
        (b"[]", 422, "the body is no JSON object"),
        (b'{"unknown": 1}', 422, "unknown"),
        (b'{"for": "soon"}', 422, "for: a duration is a number and a unit"),
        (b'{"until": "2020-01-01T00:00:00Z"}', 409, "in the future"),
        (b'{"by": "' + b"x" * 201 + b'"}', 422, "by: "),
        (b'{"note": "' + b"x" * 70_000 + b'"}', 413, "larger than"),
        (b'{"note": "' + b"x" * 11_000 + b'"}', 422, "note: "),
    ],
)
def test_what_a_request_must_not_carry(shop: Installation, client: Client, body: bytes, code: int, told: str) -> None:
    alert = fire(shop)
    answer = client(f"/alerts/{alert.id}/acknowledge", "POST", body, {"Content-Type": "application/json"})
    assert answer.status == code
    assert told in answer.json()["detail"]
    assert state(shop, alert).state.value == "firing"


def test_the_forms_of_the_page_work(shop: Installation, client: Client) -> None:
    alert = fire(shop)
    forms = [attributes["action"] for tag, attributes in Tags(client(f"/alerts/{alert.id}", headers=HTML).text).found
             if tag == "form"]  # fmt: skip
    assert forms == [f"{alert.id}/acknowledge", f"{alert.id}/note", f"{alert.id}/resolve"]
    ours = {**HTML, **FORM, "Sec-Fetch-Site": "same-origin"}
    for action in forms:
        answer = client(f"/alerts/{action}", "POST", b"by=Ana&note=it+was+the+disk&for=".split(b"&for")[0], ours)
        assert (answer.status, answer.headers["location"]) == (303, f"../{alert.id}"), action
    assert state(shop, alert).state.value == "resolved"
    assert "by Ana" in client(f"/alerts/{alert.id}", headers=HTML).text
    empty = client(f"/alerts/{fire(shop).id}/acknowledge", "POST", b"by=&note=&for=", ours)
    assert empty.status == 303


# -- silences, maintenance, people -----------------------------------------------------------------------


def test_silences(shop: Installation, client: Client) -> None:
    wanted = {"matchers": {"source": "orders-*", "labels": {"stage": "test"}}, "reason": "new disk", "for": "2h"}
    made = post(client, "/silences", {**wanted, "by": "ana"})
    assert made.status == 201
    silence = made.json()["silence"]
    assert silence["matchers"] == {"source": ["orders-*"], "labels": {"stage": ["test"]}}
    assert (silence["author"], silence["active"]) == ("ana", True)
    assert [each["id"] for each in client("/silences").json()["silences"]] == [silence["id"]]
    ended = post(client, f"/silences/{silence['id']}?by=ben", method="DELETE").json()
    assert (ended["changed"], ended["silence"]["ended_by"]) == (True, "ben")
    assert client("/silences").json()["silences"] == []
    assert len(client("/silences?all=1").json()["silences"]) == 1
    assert post(client, "/silences/99", method="DELETE").status == 404


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ({"matchers": {"source": "orders-api"}, "reason": "why"}, 409, "needs an end"),
        ({"matchers": {"source": "ordres-api"}, "reason": "why", "for": "1h"}, 404, "did you mean 'orders-api'?"),
        ({"matchers": {}, "reason": "why", "for": "1h"}, 409, "mute everything"),
        ({"matchers": {"source": "orders-api"}, "for": "1h"}, 422, "reason: Field required"),
        ({"matchers": {"sorce": "x"}, "reason": "why", "for": "1h"}, 422, "matchers.sorce"),
        ({"matchers": {"source": "orders-api"}, "reason": "why", "for": "9999999999999d"}, 422, "for: "),
    ],
)
def test_silences_that_are_refused(
    shop: Installation, client: Client, body: dict[str, Any], code: int, told: str
) -> None:
    answer = post(client, "/silences", body)
    assert (answer.status, told in answer.json()["detail"]) == (code, True), answer.text
    with shop.monitoring.store.read() as connection:
        assert silences.find(connection) == []


def test_maintenance(shop: Installation, client: Client) -> None:
    made = post(client, "/maintenance", {"matchers": {"component": ["data"]}, "reason": "upgrade"}).json()
    number = made["silence"]["id"]
    found = client("/maintenance").json()
    assert [each["id"] for each in found["announced"]] == [number]
    assert {each["name"] for each in found["windows"]} == {"weekly"}
    assert post(client, f"/silences/{number}", method="DELETE").status == 409
    assert post(client, f"/maintenance/{number}", method="DELETE").json()["changed"] is True
    assert client("/maintenance").json()["announced"] == []


def test_people_and_channels(shop: Installation, client: Client) -> None:
    (turn,) = client("/oncall").json()["rotas"]
    assert (turn["rota"], turn["person"], turn["name"], turn["why"]) == ("primary", "ana", "Ana Example", "turn")
    answer = client("/channels")
    (channel,) = answer.json()["channels"]
    assert (channel["name"], channel["kind"], channel["last_ok"]) == ("chat", "slack", None)
    assert "secret-path" not in answer.text
    assert client("/notifications").json()["notifications"] == []
    assert client("/notifications?state=nope").status == 422


# -- the status page -----------------------------------------------------------------------------------


def test_open_alerts_stand_on_the_status_page(shop: Installation, client: Client) -> None:
    shop.serve()
    shop.found("orders-db", Status.HEALTHY)
    assert "open alert" not in client("/").text
    alert = fire(shop, text="status is critical: refused")
    fire(shop, source="orders-db", severity="warning", state="suppressed", suppressed_by="silence 3 of ana")
    wait_until(lambda: "2 open alerts" in client("/status/fragment").text, 20)
    html = client("/").text
    assert f'<a class="act" href="alerts/{alert.id}">acknowledge</a>' in html
    assert "status is critical: refused" in html
    assert 'title="silence 3 of ana"' in html
    part = re.search(r'<section class="wrong" id="alerts" data-part.*?</section>', html, re.DOTALL)
    assert part is not None
    assert part[0].index("Orders API: down") < part[0].index("orders-db: down")


# -- the description -----------------------------------------------------------------------------------


def test_examples_fit_their_models() -> None:
    models = [found for found in vars(alert_answers).values()
              if isinstance(found, type) and issubclass(found, BaseModel)]  # fmt: skip
    with_examples = [model for model in models if model.model_config.get("json_schema_extra")]
    assert len(with_examples) >= 9
    for model in with_examples:
        extra: Any = model.model_config["json_schema_extra"]
        for example in extra["examples"]:
            model.model_validate(example)


def test_bodies_are_described_without_loose_ends() -> None:
    for model in (bodies.Acknowledgement, bodies.Remark, bodies.Maintenance, bodies.Muting):
        text = json.dumps(bodies.described(model))
        assert "$ref" not in text
        assert "$defs" not in text


def test_every_key_of_an_answer_is_the_command_lines(shop: Installation, client: Client) -> None:
    from monitoring_pipeline.cli.reference import SHAPES

    fire(shop)
    (alert,) = client("/alerts").json()["alerts"]
    documented = SHAPES["alerts list"]["alerts"]
    assert all(re.search(rf"\b{key}\b", documented) for key in alert)
