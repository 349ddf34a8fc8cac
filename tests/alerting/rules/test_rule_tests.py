"""Tests of rules: what a file of them may say, and that they fail when a rule does not do what they expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.alerting.rules.rule_tests import Document, Given, Outcome, Subject, run_cases
from monitoring_pipeline.config import load_config, load_document
from monitoring_pipeline.errors import ConfigError

CONFIG = """
name: shop
channels:
  pager: {kind: console}
  chat: {kind: console, minimum_severity: critical}
alerting:
  routes:
    - {match: {rule: slow}, notify: ["channel:pager", "channel:chat"]}
    - {notify: ["channel:chat"]}
rules:
  - id: slow
    when:
      {kind: metric, metric: response_time_ms, aggregation: avg, window: 3m, threshold: {warning: 300, critical: 800}}
    for: 1m
  - {id: down, when: {kind: status, warning: null}}
  - {id: gone, when: {kind: absence, duration: 5m}}
sources:
  - {id: db, checks: [{kind: tcp, host: 127.0.0.1, port: 1}]}
  - {id: orders, depends_on: [db], checks: [{kind: tcp, host: 127.0.0.1, port: 1}]}
"""


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    path = tmp_path / "monitoring.yaml"
    path.write_text(CONFIG)
    config = load_config(path)
    return Subject(config.alerting, config.sources, config.checks, config.name)


def run(subject: Subject, *cases: dict[str, Any]) -> list[Outcome]:
    return run_cases(subject, Document.model_validate({"tests": cases}).tests)


def case(given: list[dict[str, Any]], expect: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": "t", "given": given, "expect": expect}


SLOW = [{"source": "orders", "metric": "response_time_ms", "values": "100x5 500x5 900x10 100x10"}]


def test_what_is_as_expected_passes(subject: Subject) -> None:
    about = {"rule": "slow", "source": "orders"}
    outcome = run(subject, case(SLOW, [
        {"at": "4m", "state": "none", **about},
        {"at": "8m30s", "state": "firing", "severity": "warning", "told": ["pager"], **about},
        {"at": "15m", "state": "firing", "severity": "critical", "told": ["chat", "pager"], **about},
        {"at": "29m", "state": "resolved", **about},
    ]))  # fmt: skip
    assert outcome == [Outcome("t")]


def test_what_is_not_as_expected_is_said(subject: Subject) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"at": "4m", "state": "firing"}, "expected firing, found none"),
        ({"at": "15m", "state": "none"}, "expected none, found firing"),
        ({"at": "15m", "state": "firing", "severity": "warning"}, "expected severity warning, found critical"),
        ({"at": "15m", "state": "firing", "told": []}, "expected to be told: nobody; found: chat, pager"),
        ({"at": "15m", "state": "firing", "text": "7 ms"}, "expected '7 ms' in its text"),
    ]
    (outcome,) = run(subject, case(SLOW, [{"rule": "slow", "source": "orders", **given} for given, _ in wrong]))
    for failure, (_, said) in zip(outcome.failures, wrong, strict=True):
        assert said in failure


def test_statuses_and_dependencies_are_part_of_it(subject: Subject) -> None:
    down = [{"source": name, "status": "healthy x2 critical x3"} for name in ("db", "orders")]
    (outcome,) = run(subject, case(down, [
        {"at": "3m", "rule": "down", "source": "db", "state": "firing", "told": ["chat"]},
        {"at": "3m", "rule": "down", "source": "orders", "state": "suppressed", "told": []},
    ]))  # fmt: skip
    assert outcome.failures == ()


def test_time_alone_is_part_of_it(subject: Subject) -> None:
    (outcome,) = run(subject, case([{"source": "orders", "status": "healthy x3"}], [
        {"at": "6m", "rule": "gone", "source": "orders", "state": "none"},
        {"at": "8m", "rule": "gone", "source": "orders", "state": "firing"},
    ]))  # fmt: skip
    assert outcome.failures == ()


def test_names_that_nothing_has_fail(subject: Subject) -> None:
    (outcome,) = run(subject, case(
        [{"source": "orderz", "metric": "m", "values": "1"}],
        [{"at": "1m", "rule": "slw", "source": "orders", "state": "none"}],
    ))  # fmt: skip
    assert outcome.failures == ("there is no rule 'slw'; there are: down, gone, slow", "there is no source 'orderz'")


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("100x3 _ 200", (100.0, 100.0, 100.0, None, 200.0)),
        ("1 _x2 -1.5", (1.0, None, None, -1.5)),
        ([1, None], (1.0, None)),
    ],
)
def test_values_are_short_to_write(written: Any, values: tuple[float | None, ...]) -> None:
    assert Given.model_validate({"source": "s", "metric": "m", "values": written}).values == values


def test_mistakes_are_told_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("tests:\n  - name: t\n    given: [{source: a, metric: m}]\n    expct: []\n")
    with pytest.raises(ConfigError) as caught:
        load_document(path, Document)
    assert f"{path}:4:5: unknown key 'expct'; did you mean 'expect'?" in str(caught.value)
    assert "give `metric` with `values`, or `status`" in str(caught.value)
