"""The front door of alerting: what is evaluated when, and that a failure stays where it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from monitoring_pipeline.alerting import pipeline
from monitoring_pipeline.alerting.run import Alerting
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.checks.record import record
from monitoring_pipeline.records import Alert, AlertMode, AlertState, Result, Sample, Status
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import states
from monitoring_pipeline.store.results import insert_samples

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CONFIG = """
name: shop
channels: {log: {kind: dashboard}}
RULES
sources:
  - {id: orders, checks: [{kind: tcp, id: a, host: 127.0.0.1, port: 1}, {kind: tcp, id: b, host: 127.0.0.1, port: 1}]}
  - {id: mail, checks: [{kind: tcp, id: a, host: 127.0.0.1, port: 1}]}
"""


class Desk:
    """An installation whose rules can be changed, at a moment that can be moved."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.now = url, folder, START
        self.monitoring: Monitoring | None = None

    def begin(self, rules: str) -> Alerting:
        """A process begins with these rules."""
        self.end()
        path = self.folder / "monitoring.yaml"
        head = f'stores: {{directory: "{self.folder}/.busta", operational: "{self.url}"}}\n'
        path.write_text(head + CONFIG.replace("RULES", f"rules: [{rules}]"))
        self.monitoring = Monitoring.open(path, lambda: self.now)
        self.monitoring.register()
        self.alerting = self.monitoring.alerting()
        self.alerting.load()
        return self.alerting

    def end(self) -> None:
        if self.monitoring is not None:
            self.alerting.close()
            self.monitoring.close()

    def finds(self, status: Status, source: str = "mail", check: str = "a") -> bool:
        self.now += timedelta(milliseconds=1)  # every result has a moment of its own
        with self.monitoring.store.write() as connection:
            return self._found(connection, status, source, check)

    def _found(self, connection: Connection, status: Status, source: str, check: str) -> bool:
        result = Result(source, check, "tcp", self.now, self.now, self.now, status, "refused", manual=True)
        spec = self.monitoring.config.execution.breaker
        outcome = record(connection, [result], runner=None, schedules={}, spec=spec, now=self.now)
        return self.alerting.judge(connection, outcome.touched, outcome.changed, self.now)

    def measures(self, value: float, source: str = "mail", metric: str = "lag") -> None:
        with self.monitoring.store.write() as connection:
            insert_samples(connection, [Sample(source, metric, self.now, value, "s", "a")])
            self.alerting.judge(connection, {(source, "a")}, (), self.now)

    def passes(self, seconds: float) -> None:
        """Time passes; judged is when something is due, as a serving process does."""
        until = self.now + timedelta(seconds=seconds)
        while self.now < until:
            self.now += timedelta(seconds=1)
            with self.monitoring.store.write() as connection:
                if self.alerting.is_due(connection, self.now):
                    self.alerting.judge(connection, (), (), self.now)

    @property
    def alerts(self) -> list[Alert]:
        with self.monitoring.store.read() as connection:
            return stored.find_alerts(connection)

    @property
    def states(self) -> dict[str, str]:
        return {alert.fingerprint: alert.state.value for alert in reversed(self.alerts)}


@pytest.fixture
def desk(store_url: str, tmp_path: Path) -> Iterator[Desk]:
    begun = Desk(store_url, tmp_path)
    yield begun
    begun.end()


DOWN = "{id: down, when: {kind: status, warning: null}}"


def test_an_alert_carries_what_people_need(desk: Desk) -> None:
    desk.begin('{id: down, when: {kind: status}, runbook: "https://example.com/down", labels: {team: shop}}')
    assert desk.finds(Status.CRITICAL) is True
    (alert,) = desk.alerts
    assert alert.text == "status is critical: a: refused"
    assert alert.summary == "mail: status is critical: a: refused"
    assert alert.labels == {"team": "shop"}
    assert alert.annotations["runbook"] == "https://example.com/down"
    assert (alert.component, alert.mode, alert.state) == ("default", AlertMode.ACTIVE, AlertState.FIRING)
    assert desk.finds(Status.CRITICAL) is False, "nothing new to tell"


def test_a_rule_per_check_makes_an_alert_per_check(desk: Desk) -> None:
    desk.begin("{id: down, per: check, when: {kind: status, warning: null}}")
    desk.finds(Status.CRITICAL, "orders", "a")
    desk.finds(Status.CRITICAL, "orders", "b")
    desk.finds(Status.HEALTHY, "orders", "a")
    assert desk.states == {"down|orders|a": "resolved", "down|orders|b": "firing"}


def test_time_alone_lets_a_pending_alert_fire(desk: Desk) -> None:
    desk.begin("{id: down, for: 30s, when: {kind: status, warning: null}}")
    desk.finds(Status.CRITICAL)
    desk.passes(29)
    assert desk.states == {"down|mail|": "pending"}
    desk.passes(2)
    assert desk.states == {"down|mail|": "firing"}


def test_a_window_that_moves_on_is_noticed_without_anything_new(desk: Desk) -> None:
    desk.begin("{id: busy, when: {kind: metric, metric: lag, aggregation: count, window: 1m, threshold: 2}}")
    for _ in range(3):
        desk.measures(1.0)
    assert desk.states == {"busy|mail|": "firing"}
    desk.passes(70)
    assert desk.states == {"busy|mail|": "resolved"}


def test_what_another_process_recorded_counts(desk: Desk) -> None:
    desk.begin("{id: busy, when: {kind: metric, metric: lag, aggregation: count, window: 1m, threshold: 2}}")
    with desk.monitoring.store.write() as connection:
        insert_samples(connection, [Sample("mail", "lag", desk.now, 1.0, "s", "a")] * 2)
    desk.measures(1.0)
    assert desk.states == {"busy|mail|": "firing"}


def test_a_new_process_goes_on_where_the_last_one_was(desk: Desk) -> None:
    desk.begin(DOWN)
    desk.finds(Status.CRITICAL)
    desk.begin(DOWN)
    desk.passes(10)
    assert len(desk.alerts) == 1
    desk.finds(Status.HEALTHY)
    assert desk.states == {"down|mail|": "resolved"}


def test_a_rule_that_is_new_looks_at_everything_once(desk: Desk) -> None:
    desk.begin("{id: other, when: {kind: status, critical: null}}")
    desk.finds(Status.CRITICAL)
    assert desk.states == {}
    desk.begin(DOWN)
    desk.passes(1)
    assert desk.states == {"down|mail|": "firing"}


def test_alerts_of_a_rule_that_is_gone_end(desk: Desk) -> None:
    desk.begin(DOWN)
    desk.finds(Status.CRITICAL)
    desk.begin("{id: other, when: {kind: status, critical: null}}")
    desk.passes(1)
    (alert,) = desk.alerts
    assert (alert.state, alert.resolution) == (AlertState.RESOLVED, "rule_gone")


def test_rules_in_shadow_and_off(desk: Desk) -> None:
    desk.begin(f"{DOWN[:-1]}, mode: shadow}}, {{id: never, mode: off, when: {{kind: status}}}}")
    assert desk.finds(Status.CRITICAL) is False, "nobody is told"
    (alert,) = desk.alerts
    assert (alert.rule, alert.mode) == ("down", AlertMode.SHADOW)


def test_what_breaks_in_judging_loses_no_result_and_is_made_up_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.begin(DOWN)

    def broken(*args: object) -> int:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "process", broken)
        assert desk.finds(Status.CRITICAL) is False
    with desk.monitoring.store.read() as connection:
        assert states.source_states(connection)["mail"].status is Status.CRITICAL
    assert desk.states == {}
    desk.passes(6)
    assert desk.states == {"down|mail|": "firing"}


def test_a_condition_that_breaks_is_unknown_and_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.begin(f"{DOWN}, {{id: lag, when: {{kind: metric, metric: lag, aggregation: last, threshold: 3}}}}")
    desk.measures(5.0)
    kind = type(desk.monitoring.config.alerting.rules[1].when)
    monkeypatch.setattr(kind, "observe", lambda *args: 1 / 0)
    desk.finds(Status.CRITICAL)
    desk.passes(20)
    assert desk.states == {"lag|mail|": "firing", "down|mail|": "firing"}


def test_a_transaction_that_is_taken_back_leaves_nothing(desk: Desk) -> None:
    desk.begin("{id: lag, when: {kind: metric, metric: lag, aggregation: last, threshold: 3}}")
    with pytest.raises(RuntimeError), desk.monitoring.store.write() as connection:
        insert_samples(connection, [Sample("mail", "lag", desk.now, 9.0, "s", "a")])
        desk.alerting.judge(connection, {("mail", "a")}, (), desk.now)
        raise RuntimeError("the disk is full")
    assert desk.alerts == []
    desk.measures(1.0)
    assert desk.alerts == []
