"""Objectives in the configuration: what they may say, what is refused, and which rules they bring."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.analysis.objective import promises
from monitoring_pipeline.analysis.sla.periods import CalendarUnit
from tests.config.conftest import Load, Problems

HEAD = """\
sources:
  - {id: db, component: data, tags: [gold], checks: [{kind: tcp, host: db.example.com, port: 5432}]}
  - {id: web-1, component: web, checks: [{kind: tcp, host: web.example.com, port: 80}]}
  - {id: web-2, component: web, tags: [gold], checks: [{kind: tcp, host: web.example.com, port: 81}]}
"""


def objective(text: str) -> str:
    return f"{HEAD}objectives:\n  promise: {{{text}}}\n"


def test_what_was_promised(load: Load) -> None:
    config = load(objective("component: web, per: component, target: 99.95%, window: quarter, timezone: Europe/Berlin"))
    spec = config.objectives["promise"]
    assert (spec.kind, spec.target, spec.share, spec.window) == ("uptime", 99.95, 0.9995, CalendarUnit.QUARTER)
    (found,) = promises(config.objectives, config.sources)
    assert (found.key, found.sources) == (("promise", "component", "web"), ("web-1", "web-2"))
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ('source: "*", target: 99', ["db", "web-1", "web-2"]),
        ('source: [db, "*-2"], target: 99', ["db", "web-2"]),
        ("tag: gold, target: 99", ["db", "web-2"]),
        ("tag: gold, component: web, target: 99", ["web-2"]),
        ('source: "*", per: component, target: 99', ["data", "web"]),
        ('source: "*", per: all, target: 99', [""]),
    ],
)
def test_whom_it_is_about(load: Load, text: str, subjects: list[str]) -> None:
    config = load(objective(text))
    assert [promise.subject for promise in promises(config.objectives, config.sources)] == subjects


@pytest.mark.parametrize(
    ("text", "window", "limit"),
    [
        ("source: db, target: 99, window: 30d", timedelta(days=30), None),
        ("source: db, target: 99, kind: quality, threshold: 95", CalendarUnit.MONTH, 95),
        ("source: db, target: 0.5%, kind: quality, threshold: 95", CalendarUnit.MONTH, 95),
        ("source: db, target: 99, kind: freshness, threshold: 2h", CalendarUnit.MONTH, 7200),
        ("source: db, target: 95%, kind: response_time, threshold: 300ms", CalendarUnit.MONTH, 300),
    ],
)
def test_windows_and_thresholds(
    load: Load, text: str, window: CalendarUnit | timedelta, limit: float | None
) -> None:  # fmt: skip
    spec = load(objective(text)).objectives["promise"]
    assert (spec.window, spec.limit) == (window, limit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target: 99", "say which sources are meant"),
        ("source: db", "'target' is required and missing"),
        ("source: db, target: 100", "less than 100"),
        ("source: db, target: all", "promise.target: "),
        ("source: db, target: 0.999", "0.999 is 0.999 percent; for a share of 0.999 write 99.9%"),
        (
            "source: db, target: 95, kind: response_time, threshold: 300",
            "the threshold 300 needs a unit",
        ),
        ('source: db, target: 95, kind: freshness, threshold: "2.5"', "the threshold 2.5 needs a unit"),
        ("source: db, target: 99, window: fortnight", "a window is one of day, week, month"),
        ("source: db, target: 99, window: 5m", "a rolling window lasts 1h to 400d"),
        ("source: db, target: 99, timezone: Mars/Base", "there is no time zone 'Mars/Base'"),
        ("source: db, target: 99, threshold: 5", "uptime has no `threshold`"),
        ("source: db, target: 99, kind: quality", "quality needs a `threshold` such as 95"),
        ("source: db, target: 99, kind: quality, threshold: 900", "a number from 0 to 100"),
        ("source: db, target: 99, kind: freshness, threshold: soon", "a duration is a number and a unit"),
        ("source: db, target: 99, kind: uptime, holds: 1h", "`holds` says nothing of uptime"),
        ("source: db, target: 99, check: a", "`check` says nothing of uptime"),
        ("source: db, target: 99, percentile: 95", "`percentile` says nothing of uptime"),
        ("source: db, target: 99, kind: response_time, threshold: 1s, percentile: 100", "less than 100"),
        ("source: db, target: 99, redundant: true", "add `per: component` or `per: all`"),
        ("source: db, per: all, target: 9, kind: success_rate, redundant: true", "cannot stand in for each other"),
        ("source: dbb, target: 99", "is not a source; did you mean 'db'?"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(problems: Problems, text: str, message: str) -> None:
    (line,) = problems(objective(text))
    assert message in line
    assert re.match(r"monitoring\.yaml:6:\d+: ", line)


def test_names_that_nothing_has_are_warned_of(load: Load) -> None:
    (warning,) = load(objective("component: wob, target: 99")).warnings
    assert "no source has the component 'wob'; did you mean 'web'?" in warning
    text = objective("source: db, target: 99") + "rules: [{id: a, when: {kind: burn, objective: promis}}]\n"
    (warning,) = load(text).warnings
    assert "there is no objective 'promis'; did you mean 'promise'?" in warning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tag: gold, source: web-1, target: 99", "the objective 'promise' is about no source: nothing fits all of it"),
        ("source: db, target: 99, kind: success_rate, check: tpc", "no source of it has a check 'tpc'"),
    ],
)
def test_a_promise_about_nothing_is_warned_of(load: Load, text: str, message: str) -> None:
    (warning,) = load(objective(text)).warnings
    assert message in warning


def test_each_objective_brings_rules_about_its_budget(load: Load) -> None:
    rules = {rule.id: rule for rule in load(objective("component: web, target: 99")).alerting.rules}
    own = [name for name in rules if name.startswith("promise-")]
    assert own == ["promise-burns-fast", "promise-burns", "promise-burns-slowly"]
    assert rules["promise-burns-fast"].sources.component == ("web",)
    assert rules["promise-burns-fast"].severity == "critical"
    with_own = load(objective("source: db, target: 99") + "rules: []\n")
    assert not with_own.alerting.rules
    replaced = objective("source: db, target: 99") + (
        "alerting: {defaults: true}\n"
        "rules: [{id: promise-burns, mode: 'off', when: {kind: burn, objective: promise, long: 6h, short: 1h}}]\n"
    )
    assert [rule.mode for rule in load(replaced).alerting.rules if rule.id == "promise-burns"] == ["off"]


def test_the_guide_to_promises_loads_without_a_warning(load: Load) -> None:
    page = Path(__file__).parents[2] / "docs" / "sla.md"
    (text,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    config = load(text)
    assert config.warnings == ()
    assert {promise.objective for promise in promises(config.objectives, config.sources)} == set(config.objectives)
