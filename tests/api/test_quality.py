"""Quality over HTTP: what suites found, and what frameworks of others report."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from monitoring_pipeline.api import quality_answers
from tests.api.conftest import SOURCES, Client, Installation, install, serving
from tests.api.test_alerts import post

SUITES: dict[str, Any] = {
    "daily": {"source": "orders-db", "validator": "acme:Daily", "masked": ["email"]},
    "scores": {"source": "nightly-export", "reported": True, "every": "1d", "thresholds": {
        "completeness": {"warning": 99, "critical": 95}, "score": {"critical": 90}}},
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Installation]:
    found = install(tmp_path, SOURCES, name="shop", suites=SUITES)
    yield found
    found.monitoring.close()


@pytest.fixture
def client(shop: Installation) -> Iterator[Client]:
    with serving(shop.monitoring) as found:
        yield found


def reported(**changed: Any) -> dict[str, Any]:
    finding = {"name": "emails", "met": False, "text": "one is wrong", "dimension": "validity", "share": 0.5,
               "severity": "warning", "rows": [{"id": 7, "email": "ann@example.com"}]}  # fmt: skip
    given = {"source": "orders-db", "suite": "soda", "dimensions": {"completeness": 90}, "findings": [finding]}
    return {**given, "metrics": {"late_rows": 3}, "rows": 2, **changed}


def test_what_a_framework_measured_is_kept_and_shown(shop: Installation, client: Client) -> None:
    added = post(client, "/quality", reported())
    assert (added.status, added.json()["score"], added.json()["status"]) == (201, 70.0, "warning")
    found = client("/quality/orders-db").json()
    assert [(suite["suite"], suite["configured"], suite["status"]) for suite in found["suites"]] == [
        ("daily", True, "unknown"), ("soda", False, "warning"),
    ]  # fmt: skip
    assert found["dimensions"] == {"completeness": 90.0, "validity": 50.0}
    assert found["suites"][1]["run"]["findings"][0]["rows"] == [{"id": 7, "email": "***"}]
    assert [each["source"] for each in client("/quality").json()["sources"]] == ["nightly-export", "orders-db"]
    with shop.monitoring.history(tables=("samples",)) as connection:
        rows = connection.execute("SELECT check_id, value FROM samples WHERE metric = 'late_rows'").fetchall()
    assert rows == [("soda", 3.0)]


def test_a_perfect_score_over_a_part_is_no_perfect_score(client: Client) -> None:
    findings = [{"name": "ids", "met": True}, {"name": "totals", "met": None, "text": "no such column"}]
    added = post(client, "/quality", reported(findings=findings, dimensions={})).json()
    assert (added["score"], added["incomplete"], added["status"], added["errors"]) == (100.0, True, "unknown", 1)
    found = client("/quality/orders-db").json()
    assert (found["score"], found["incomplete"], found["status"]) == (100.0, True, "unknown")
    whole = reported(findings=findings[:1], dimensions={}, source="orders-api")
    assert post(client, "/quality", whole).json()["incomplete"] is False
    assert client("/quality/orders-api").json()["incomplete"] is False


def test_what_is_reported_again_by_its_key_counts_once(shop: Installation, client: Client) -> None:
    first = post(client, "/quality", reported(key="soda:2026-11-30"))
    again = post(client, "/quality", reported(key="soda:2026-11-30", dimensions={"completeness": 10}))
    assert (again.status, again.json()) == (201, first.json())
    with shop.monitoring.history(tables=("samples", "quality_runs")) as connection:
        assert connection.execute("SELECT count(*) FROM quality_runs").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM samples WHERE metric = 'late_rows'").fetchone() == (1,)
    for other in ({"key": "soda:2026-12-01"}, {"key": "soda:2026-11-30", "suite": "other"}, {}, {}):
        assert post(client, "/quality", reported(**other)).json()["at"] != first.json()["at"]
    assert post(client, "/quality", reported(key="short")).status == 422


def test_reports_that_race_by_one_key_are_one(shop: Installation, client: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(client, "/quality", reported(key="soda:race")).json(), range(8)))
    assert {answer["at"] for answer in answers} == {answers[0]["at"]}
    with shop.monitoring.history(tables=("quality_runs",)) as connection:
        assert connection.execute("SELECT count(*) FROM quality_runs").fetchone() == (1,)


def test_rows_are_kept_whatever_text_they_hold(client: Client) -> None:
    finding = {"name": "notes", "met": False, "rows": [{"note": "a\0b \ud800", "more": {"\ud800": 1}}]}
    assert post(client, "/quality", reported(findings=[finding])).status == 201
    [suite] = [each for each in client("/quality/orders-db").json()["suites"] if not each["configured"]]
    assert suite["run"]["findings"][0]["rows"] == [{"note": "ab ?", "more": {"?": 1}}]


def test_what_is_nested_too_deep_is_no_body(client: Client) -> None:
    assert client("/quality", "POST", b"[" * 60_000).status == 422


def test_two_sources_may_report_under_one_name(client: Client) -> None:
    for source in ("orders-db", "orders-api"):
        post(client, "/quality", reported(source=source, findings=[]))
    found = [each["source"] for each in client("/quality").json()["sources"]]
    assert found == ["nightly-export", "orders-api", "orders-db"]


@pytest.mark.parametrize(
    ("scores", "status", "message"),
    [
        ({"completeness": 99.5}, "healthy", ""),
        ({"completeness": 98}, "warning", "score of completeness: 98 is below 99"),
        ({"completeness": 94.96, "validity": 100}, "critical", "score of completeness: 94.96 is below 95"),
        ({"validity": 80}, "critical", "score: 80 is below 90; score of completeness: no score is known"),
        ({"validity": 100}, "unknown", "score of completeness: no score is known"),
    ],
)
def test_thresholds_judge_what_says_nothing_but_scores(
    client: Client, scores: dict[str, float], status: str, message: str
) -> None:
    told = {"source": "nightly-export", "suite": "scores", "dimensions": scores}
    added = post(client, "/quality", told).json()
    assert (added["status"], added["message"]) == (status, message)
    assert added["dimensions"] == scores
    [suite] = client("/quality/nightly-export").json()["suites"]
    assert (suite["configured"], suite["status"]) == (True, status)


@pytest.mark.parametrize(
    ("changed", "status", "told"),
    [
        ({"source": "orders-d"}, 404, "did you mean 'orders-db'?"),
        ({"suite": "daily"}, 422, "the suite 'daily' is configured"),
        ({"suite": "scores"}, 422, "the suite 'scores' is about nightly-export"),
        ({"dimensions": {"beauty": 1}}, 422, "dimensions"),
        ({"dimensions": {"validity": 101}}, 422, "less than or equal to 100"),
        ({"findings": [{"met": True}]}, 422, "findings.0.name"),
        ({"scores": {}}, 422, "scores"),
        ({"metrics": {"late\0": 1}}, 422, "metrics"),
    ],
)
def test_what_cannot_be_taken(client: Client, changed: dict[str, Any], status: int, told: str) -> None:
    answer = post(client, "/quality", reported(**changed))
    assert answer.status == status
    assert told in answer.json()["detail"]
    assert client("/quality").json()["sources"][1]["suites"][0]["run"] is None


def test_a_page_of_somebody_else_reports_nothing(client: Client) -> None:
    assert client("/quality", "POST", b"{}", {"Origin": "https://example.com"}).status == 403
    assert client("/quality", "POST", b"{}", {"Authorization": "Bearer nonsense"}).status == 401


def test_unknown_sources_and_those_without_suites(client: Client) -> None:
    assert client("/quality/orders").status == 404
    nothing = client("/quality/orders-api").json()
    assert (nothing["status"], nothing["score"], nothing["suites"]) == ("unknown", None, [])


def test_examples_fit_their_models() -> None:
    models = [model for model in vars(quality_answers).values() if isinstance(model, type)]
    described = [m for m in models if issubclass(m, BaseModel) and m.model_config.get("json_schema_extra")]
    assert len(described) >= 5
    for model in described:
        extra: Any = model.model_config["json_schema_extra"]
        for example in extra["examples"]:
            model.model_validate(example)
