"""Why a source did, or did not, alert at a moment: rules asked again of real history, hot and published."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.alerting import actions
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.selector import Matcher
from monitoring_pipeline.alerting.spec import MaintenanceSpec, Plan
from monitoring_pipeline.records import Severity, Source, Status
from monitoring_pipeline.reports.hindsight import Installed, SourceThen, Verdict, explain_source
from monitoring_pipeline.store import alerts
from monitoring_pipeline.store.alerts import Decision
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.silences import SilenceKind
from tests.alerting.rows import NOW, add_alert
from tests.store.rows import change, result, sample, write

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
API = Source("orders-api", component="web", name="Orders API", owner="shop", depends_on=("orders-db",))
DB = Source("orders-db", component="data")


def rule(**fields: Any) -> Rule:
    return Rule.model_validate({"when": {"kind": "status", "warning": None}, **fields})


SLOW = rule(
    id="api-slow",
    when={"kind": "metric", "metric": "response_time_ms", "aggregation": "max", "threshold": 300},
    severity="warning",
    **{"for": "2m"},
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OperationalStore]:
    found = OperationalStore.open(f"sqlite:///{tmp_path / 'operational.db'}", NOW)
    yield found
    found.close()


@pytest.fixture
def history(store: OperationalStore) -> OperationalStore:
    """Healthy for an hour, critical at noon for ten minutes; slow around noon."""
    moves = [(-HOUR, "unknown", "healthy"), (0 * HOUR, "healthy", "critical"), (10 * MINUTE, "critical", "healthy")]
    write(store, "status_changes", [change("orders-api", NOW + after, old, new, 50.0) for after, old, new in moves])
    write(store, "samples", [sample("orders-api", NOW + number * MINUTE, 212.0 + 100 * (number >= 0))
                             for number in range(-20, 30)])  # fmt: skip
    write(store, "results", [
        result("orders-api", NOW + number * MINUTE, "critical" if 0 <= number < 10 else "healthy", message="refused")
        for number in range(-20, 30)
    ])  # fmt: skip
    return store


def ask(store: OperationalStore, published: Path, at: Any, *rules: Rule, **plan: Any) -> SourceThen:
    here = Installed(store, published, [API, DB], {"orders-api": ["web"]}, Plan(rules=rules, **plan))
    return explain_source(here, API, at, NOW + HOUR)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published.duckdb"


def test_what_does_not_hold_is_said_with_its_values(history: OperationalStore, published: Path) -> None:
    then = ask(history, published, NOW - MINUTE, SLOW, rule(id="down"))
    assert (then.stood.status, then.stood.since) == (Status.HEALTHY, NOW - HOUR)
    slow, down = then.rules
    assert (slow.verdict, slow.value, slow.alert) == (Verdict.DOES_NOT_HOLD, 212.0, None)
    assert slow.text == "max(response_time_ms, 5m) (212 ms) <= 300 ms: does not hold"
    assert down.verdict is Verdict.DOES_NOT_HOLD
    assert then.answer[-1] == "no rule held, so there was nothing to tell"


def test_what_holds_is_said_at_the_moment_it_did(history: OperationalStore, published: Path) -> None:
    then = ask(history, published, NOW + 5 * MINUTE, SLOW, rule(id="down"))
    slow, down = then.rules
    assert (slow.verdict, slow.severity, slow.value) == (Verdict.HOLDS, Severity.WARNING, 312.0)
    assert (down.verdict, down.severity) == (Verdict.HOLDS, Severity.CRITICAL)
    assert "because" in down.text
    assert then.answer[0] == "orders-api was critical since 2026-03-01 12:00:00 UTC: because"
    assert ask(history, published, NOW + 15 * MINUTE, rule(id="down")).rules[0].verdict is Verdict.DOES_NOT_HOLD


def test_the_same_from_the_warehouse(history: OperationalStore, published: Path, tmp_path: Path) -> None:
    hot = ask(history, published, NOW + 5 * MINUTE, SLOW, rule(id="down"))
    load_hot(history, tmp_path / "warehouse.duckdb", NOW + HOUR)
    publish(history, tmp_path / "warehouse.duckdb", published, NOW + HOUR)
    write(history, "samples", [sample("orders-api", NOW + 50 * MINUTE, 9999.0)])
    assert ask(history, published, NOW + 5 * MINUTE, SLOW, rule(id="down")) == hot


def test_a_check_stands_as_its_results_say(history: OperationalStore, published: Path) -> None:
    per_check = rule(id="down", per="check", when={"kind": "status", "warning": None})
    (seen,) = ask(history, published, NOW + 5 * MINUTE + SECOND, per_check).rules
    assert (seen.check, seen.verdict) == ("web", Verdict.HOLDS)
    assert "refused" in seen.text
    (before,) = ask(history, published, NOW - SECOND, per_check).rules
    assert before.verdict is Verdict.DOES_NOT_HOLD


def test_before_the_first_record_nothing_is_known(history: OperationalStore, published: Path) -> None:
    then = ask(history, published, NOW - 2 * HOUR, SLOW, rule(id="down"))
    assert (then.stood.status, then.stood.since) == (Status.UNKNOWN, None)
    assert [each.verdict for each in then.rules] == [Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert "unknown: keep" in then.rules[0].text


def test_rules_that_cannot_have_fired_say_why(history: OperationalStore, published: Path) -> None:
    other = rule(id="other", sources={"component": "data"})
    then = ask(history, published, NOW + MINUTE, other)
    assert (then.rules, then.others) == ((), ("other",))
    assert "no rule selects it" in then.answer
    off, trial = ask(
        history, published, NOW + MINUTE, rule(id="off", mode="off"), rule(id="trial", mode="shadow")
    ).rules
    assert (off.verdict, trial.verdict) == (Verdict.OFF, Verdict.HOLDS)
    assert "shadow: nothing is sent" in trial.text
    assert "there are no rules" in ask(history, published, NOW).answer


def test_an_alert_that_is_pending_says_for_how_long(history: OperationalStore, published: Path) -> None:
    alert = add_alert(history, rule="api-slow", state="pending", severity="warning")
    (seen,) = ask(history, published, NOW + 40 * SECOND, SLOW).rules
    assert seen.alert == alert.id
    assert f"alert {alert.id} was pending for 40s of 2m" in seen.text


def test_an_alert_has_the_state_it_had_then(history: OperationalStore, published: Path) -> None:
    alert = add_alert(history, rule="down")
    with history.write() as connection:
        actions.acknowledge(connection, alert.id, "ana", NOW + 3 * MINUTE)
        actions.resolve(connection, alert.id, "ana", NOW + 8 * MINUTE)
    states = {
        minute: [each.state.value for each in ask(history, published, NOW + minute * MINUTE, rule(id="down")).alerts]
        for minute in (-1, 1, 4, 9)
    }
    assert states == {-1: [], 1: ["firing"], 4: ["acknowledged"], 9: []}


def test_what_muted_it_says_who_until_when_and_why(history: OperationalStore, published: Path) -> None:
    with history.write() as connection:
        for matcher, kind, reason in (
            (Matcher(source="orders-*"), SilenceKind.SILENCE, "a new disk"),
            (Matcher(component="web", rule="down"), SilenceKind.MAINTENANCE, "upgrade"),
            (Matcher(source="orders-db"), SilenceKind.SILENCE, "another"),
        ):
            actions.mute(connection, matcher, "ana", NOW, reason=reason, kind=kind, ends=NOW + 5 * MINUTE)
    window = MaintenanceSpec.model_validate(
        {"name": "weekly", "sources": {"component": "web"}, "start": NOW, "end": NOW + HOUR}
    )
    then = ask(history, published, NOW + MINUTE, rule(id="down"), maintenance=(window,))
    assert [each.text for each in then.mutes] == [
        "silenced by ana until 2026-03-01 12:05:00 UTC, because: a new disk",
        "in maintenance by ana until 2026-03-01 12:05:00 UTC (component web, rule down), because: upgrade",
        "in the maintenance window weekly until 2026-03-01 13:00:00 UTC",
    ]
    assert [each.whole for each in then.mutes] == [True, False, True]
    later = ask(history, published, NOW + 6 * MINUTE, rule(id="down"), maintenance=(window,))
    assert [each.kind for each in later.mutes] == ["window"]


def test_decisions_around_that_moment_are_told(history: OperationalStore, published: Path) -> None:
    alert = add_alert(history, rule="down")
    with history.write() as connection:
        for after, verdict in ((MINUTE, "no_route"), (HOUR, "routed")):
            alerts.decide(connection, [Decision(NOW + after, "down", "orders-api", "route", verdict, alert=alert.id)])
    then = ask(history, published, NOW + 2 * MINUTE, rule(id="down"))
    assert [each.verdict for each in then.decisions] == ["no_route"]
    told = "nothing was told of it around then, last decision route: no route"
    assert f"alert {alert.id} of down was firing; {told}" in then.answer


def test_a_condition_that_fails_is_told_apart(
    history: OperationalStore, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = rule(id="broken")

    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(type(broken.when), "observe", fail)
    (seen,) = ask(history, published, NOW, broken).rules
    assert (seen.verdict, seen.text) == (Verdict.FAILED, "the condition failed: ZeroDivisionError: by zero")
