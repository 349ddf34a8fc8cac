"""The outlook over HTTP: kept results, and a forecast made when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from monitoring_pipeline.app import Monitoring
from tests.api.conftest import Client, serving


@pytest.fixture(scope="module")
def kept(outlook_kept: Path) -> Iterator[Client]:
    with serving(Monitoring.open(outlook_kept)) as client:
        yield client


def test_trends_begin_with_what_moves(kept: Client):
    found = kept("/outlook/trends").json()

    assert found["at"]
    assert (found["trends"][0]["source"], found["trends"][0]["direction"]) == ("files", "upward")
    assert {trend["source"] for trend in kept("/outlook/trends?source=api").json()["trends"]} == {"api"}


def test_risks_come_with_capacity_and_what_could_be_done(kept: Client):
    found = kept("/outlook/risks").json()
    shop = kept("/outlook/risks?source=shop").json()

    assert found["risks"][0]["source"] == "nightly"
    assert found["system"] > 0
    assert any(each["text"] == "reaches 95 % in 10-11 days" for each in found["capacity"])
    assert [risk["source"] for risk in shop["risks"]] == ["shop"]
    assert shop["risks"][0]["actions"][0]["because"]


def test_patterns_and_performance(kept: Client):
    patterns = kept("/outlook/patterns").json()["patterns"]
    performance = {each["component"]: each for each in kept("/outlook/performance").json()["performance"]}

    assert {pattern["kind"] for pattern in patterns} == {"periodic", "together"}
    assert performance["web"]["score"] < 70
    assert performance["jobs"]["score"] is None


def test_a_forecast_is_made_when_asked_for(kept: Client):
    found = kept("/outlook/forecast/files?metric=disk_percent&ahead=6h").json()

    assert [len(each["steps"]) for each in found["forecasts"]] == [6, 6]
    assert kept("/outlook/forecast/nobody").status == 404
    assert kept("/outlook/forecast/files?metric=nothing").status == 404
    assert kept("/outlook/forecast/files?ahead=soon").status == 422
    assert kept("/outlook/forecast/files?ahead=90d").status == 422


def test_before_the_first_run_there_is_nothing_and_that_is_no_error(outlook_history: tuple[Path, datetime]):
    with serving(Monitoring.open(outlook_history[0])) as client:
        for name in ("trends", "risks", "patterns", "performance"):
            answer = client(f"/outlook/{name}")
            assert answer.status == 200
            assert answer.json()["at"] is None
