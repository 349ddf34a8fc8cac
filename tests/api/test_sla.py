"""Promises and the ledger over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from monitoring_pipeline.api import sla_answers
from tests.api.conftest import SOURCES, Client, Installation, install, serving
from tests.api.test_alerts import post
from tests.store import rows

OBJECTIVES = {
    "uptime": {"source": "orders-*", "target": "99%", "window": "10d"},
    "web": {"component": "web", "kind": "success_rate", "target": "90%", "window": "10d", "per": "component"},
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Installation]:
    """orders-db was down for four hours, four days ago."""
    found = install(tmp_path, SOURCES, name="shop", objectives=OBJECTIVES)
    ago = [found.now - timedelta(days=12), found.now - timedelta(days=4), found.now - timedelta(days=4, hours=-4)]
    rows.write(found.monitoring.store, "status_changes", [
        rows.change("orders-api", ago[0], "unknown", "healthy"),
        rows.change("orders-db", ago[0], "unknown", "healthy"),
        rows.change("orders-db", ago[1], "healthy", "critical"),
        rows.change("orders-db", ago[2], "critical", "healthy"),
    ])  # fmt: skip
    yield found
    found.monitoring.close()


@pytest.fixture
def client(shop: Installation) -> Iterator[Client]:
    with serving(shop.monitoring) as found:
        yield found


def correction(shop: Installation, **changed: Any) -> dict[str, Any]:
    begin, end = shop.now - timedelta(days=5), shop.now - timedelta(days=3)
    given = {"source": "orders-db", "from": begin.isoformat(), "to": end.isoformat(), "as": "up", "reason": "it was us"}
    return {**given, **changed}


def test_standings_the_worst_first(client: Client) -> None:
    found = client("/sla").json()["standings"]
    assert [each["subject"] for each in found] == ["orders-db", "orders-api", "web"]
    worst = found[0]
    assert worst["kept"] is False
    assert worst["corrected"]["bad"] == pytest.approx(4 * 3600)
    assert worst["budget"]["left_percent"] == pytest.approx(-66.67, abs=0.01)
    assert client("/sla?source=orders-api&objective=uptime").json()["standings"][0]["kept"] is True
    before = client("/sla?objective=uptime&at=2020-01-01T00:00:00").json()["standings"]
    assert {(each["kept"], each["corrected"]["coverage"]) for each in before} == {(None, 0.0)}
    assert client("/sla?objective=uptim").status == 404
    assert client("/sla?source=orders").status == 404
    assert client("/sla?at=1066-01-01").status == 422


def test_a_correction_and_its_revocation(shop: Installation, client: Client) -> None:
    added = post(client, "/sla/corrections", correction(shop, by="ana"))
    assert (added.status, added.json()["text"]) == (201, "entry 1 of the ledger")
    found = client("/sla?source=orders-db").json()["standings"][0]
    assert (found["kept"], found["kept_as_measured"], found["corrections"]) == (True, False, [1])
    assert found["measured"]["bad"] == pytest.approx(4 * 3600)
    revoked = post(client, "/sla/corrections/1/revoke", {"reason": "it was not"})
    assert (revoked.status, revoked.json()["text"]) == (201, "entry 2 of the ledger revokes entry 1")
    assert client("/sla?source=orders-db").json()["standings"][0]["kept"] is False
    entries = client("/sla/ledger?source=orders-db").json()["entries"]
    assert [(each["author"], each["revokes"], each["as"]) for each in entries] == [
        ("ana", None, "up"), ("the API", 1, "up"),
    ]  # fmt: skip
    assert client("/sla/ledger?source=other").json()["entries"] == []
    assert client("/sla/ledger/check").json() == {"entries": 2, "whole": True, "broken": None}


def test_what_makes_no_sense_is_refused(shop: Installation, client: Client) -> None:
    tomorrow = (shop.now + timedelta(days=1)).isoformat()
    for changed, status in (
        ({"to": tomorrow}, 409), ({"source": "order-db"}, 404), ({"as": "fine"}, 422), ({"reason": " "}, 409),
        ({"objective": "web"}, 409), ({"objective": "wob"}, 404), ({"from": "yesterday"}, 422),
    ):  # fmt: skip
        assert post(client, "/sla/corrections", correction(shop, **changed)).status == status, changed
    assert post(client, "/sla/corrections/7/revoke", {"reason": "why"}).status == 404
    assert post(client, "/sla/corrections", correction(shop), Origin="http://evil.example.com").status == 403
    assert client("/sla/ledger").json()["entries"] == []


def test_reliability(client: Client) -> None:
    found = client("/sla/reliability?since=10d").json()
    assert found["system"]["failures"] == 1
    assert found["system"]["mttr_s"] == pytest.approx(4 * 3600)
    assert datetime.fromisoformat(found["end"]) > datetime.fromisoformat(found["start"])
    assert client("/sla/reliability?since=10000d").status == 422
    assert client("/sla/reliability?since=x").status == 422


def test_examples_are_as_the_models_say() -> None:
    for name in sla_answers.__all__:
        model: type[BaseModel] = getattr(sla_answers, name)
        for example in model.model_config["json_schema_extra"]["examples"]:
            assert model.model_validate(example)
