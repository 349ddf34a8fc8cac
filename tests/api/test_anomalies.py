"""What was strange and what is normal, asked of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from monitoring_pipeline.records import Event, Severity
from monitoring_pipeline.store.events import insert_events
from tests.api.conftest import Client, Installation, serving


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    with serving(installation.monitoring) as found:
        yield found


def strange(installation: Installation, *, ended: bool) -> None:
    began = installation.now - timedelta(minutes=10)
    detail = {"value": 812.0, "score": 2.5, "low": 210.0, "high": 340.0, "expected": 275.0, "unit": "ms"}
    text = "response_time_ms: 812 ms, expected 210-340 ms for Tue 14h"
    about = ("orders-api", "response_time_ms")
    events = [Event(about[0], "anomaly", about[1], began, text, Severity.WARNING, "http", detail)]
    if ended:
        detail = {"began": began.isoformat(), "value": 900.0, "score": 3.5, "unit": "ms"}
        end = began + timedelta(minutes=5)
        events.append(Event(about[0], "anomaly_end", about[1], end, "over", Severity.CRITICAL, "http", detail))
    with installation.monitoring.store.write() as connection:
        insert_events(connection, events)


@pytest.mark.parametrize("ended", [False, True])
def test_what_was_strange_says_what_would_have_been_normal(
    installation: Installation, client: Client, *, ended: bool
) -> None:
    strange(installation, ended=ended)
    [found] = client("/anomalies?since=1h&source=orders-api").json()["anomalies"]
    assert (found["metric"], found["kind"], found["open"]) == ("response_time_ms", "anomaly", not ended)
    assert found["text"].endswith("812 ms, expected 210-340 ms for Tue 14h")
    assert (found["value"], found["severity"]) == ((900.0, "critical") if ended else (812.0, "warning"))
    assert (found["expected_low"], found["expected_high"]) == (210.0, 340.0)
    assert client("/anomalies?since=1h&source=orders-db").json()["anomalies"] == []
    assert client("/anomalies?since=1h&metric=rows").json()["anomalies"] == []


def test_a_wrong_question_is_refused_in_words(client: Client) -> None:
    assert client("/anomalies?since=soon").status == 422
    assert "a duration is" in client("/anomalies?since=soon").text
    assert client("/anomalies?since=9999d").status == 422
    assert client("/baselines/nobody").status == 404


def test_before_anything_was_scored_nothing_is_known(client: Client) -> None:
    assert client("/baselines/orders-api").json()["baselines"] == []
