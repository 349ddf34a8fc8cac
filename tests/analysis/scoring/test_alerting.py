"""From a strange number to an alert that says what would be normal, and what is not learnt meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from monitoring_pipeline.alerting.trouble import Trouble
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.checks.record import record
from monitoring_pipeline.records import AlertMode, Result, Sample, Severity, Status
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import silences
from monitoring_pipeline.store.results import insert_samples
from monitoring_pipeline.store.silences import SilenceKind
from monitoring_pipeline.store.tables import samples
from tests.alerting.rows import add_alert
from tests.analysis.scoring.samples import INTERVAL, T0, batches

HOURS = 24 * 18
CONFIG = """
sources:
  - for_each: [{id: source-0}, {id: source-1}, {id: source-2}]
    id: "{id}"
    component: web
    checks: [{kind: tcp, id: web, host: db.example.com, port: 5432}]
rules:
  - {id: strange, when: {kind: anomaly, metric: response_time_ms}}
  - {id: far, severity: warning, when: {kind: deviation, metric: response_time_ms, threshold: 80}}
  - {id: down, when: {kind: status, warning: null}}
maintenance:
  - {name: rebuild, sources: {source: source-2}, start: 2026-04-01T00:00, end: 2026-04-02T00:00}
"""


class Clock:
    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def monitoring(tmp_path: Path, clock: Clock) -> Iterator[Monitoring]:
    (tmp_path / "monitoring.yaml").write_text(f'stores: {{directory: "{tmp_path}/.busta"}}\n{CONFIG}')
    opened = Monitoring.open(tmp_path / "monitoring.yaml", clock)
    opened.register()
    yield opened
    opened.close()


def learnt(monitoring: Monitoring, clock: Clock) -> None:
    monitoring.scoring.catch_up()
    with monitoring.store.write() as connection:
        for found in batches(HOURS):
            insert_samples(connection, found)
    clock.now = T0 + (HOURS - 1) * INTERVAL
    monitoring.scoring.catch_up()


def test_a_strange_number_alerts_in_the_transaction_that_records_it(monitoring: Monitoring, clock: Clock) -> None:
    learnt(monitoring, clock)
    clock.now += INTERVAL
    judge = monitoring.room().judge
    assert judge is not None
    judge.load()
    slow = Sample("source-0", "response_time_ms", clock.now, 812.0, "ms", "web")
    found = Result(
        "source-0", "web", "tcp", slot=clock.now, started=clock.now, finished=clock.now, status=Status.HEALTHY,
        response_time_ms=812.0, samples=(slow,), manual=True,
    )  # fmt: skip
    with monitoring.store.write() as connection:
        outcome = record(
            connection, [found], runner=None, schedules={}, spec=monitoring.config.execution.breaker, now=clock.now
        )
        judge.judge(connection, outcome.touched, outcome.changed, clock.now)
        opened = {alert.rule: alert for alert in stored.open_alerts(connection) if alert.source == "source-0"}
    judge.close()
    assert opened["strange"].severity is Severity.CRITICAL
    assert "response_time_ms (" in opened["strange"].text
    assert re.search(r": 812 ms, expected [\d.]+-[\d.]+ ms$", opened["strange"].text)
    assert opened["far"].text.startswith("deviation of response_time_ms (")


def test_a_series_that_a_rule_reads_has_a_deviation_for_each_value(monitoring: Monitoring, clock: Clock) -> None:
    learnt(monitoring, clock)
    with monitoring.store.read() as connection:
        query = select(samples.c.time).where(
            samples.c.metric == "deviation.response_time_ms", samples.c.source == "source-1"
        )
        found = len(connection.execute(query).all())
    assert found > 24 * 10


def trouble(monitoring: Monitoring, now: datetime) -> dict[str, str]:
    """Who is in trouble, as a process finds it that has just started."""
    config = monitoring.config
    world = World(config.alerting, {source.id: source for source in config.sources})
    with monitoring.store.read() as connection:
        return dict(Trouble(world)(connection, now))


def test_who_is_critical_silenced_or_under_maintenance_is_not_learnt_from(monitoring: Monitoring) -> None:
    assert trouble(monitoring, T0) == {}
    down = Result("source-0", "web", "tcp", slot=T0, started=T0, finished=T0, status=Status.CRITICAL, manual=True)
    with monitoring.store.write() as connection:
        record(connection, [down], runner=None, schedules={}, spec=monitoring.config.execution.breaker, now=T0)
        for matchers in ({"source": ["source-1"]}, {"source": ["source-2"], "rule": ["slow"]}):
            silences.add(connection, SilenceKind.SILENCE, matchers, author="ann", reason="testing", now=T0)
    assert trouble(monitoring, T0) == {"source-0": "the source is critical", "source-1": "the source is silenced"}
    rebuilt = datetime(2026, 4, 1, 12, tzinfo=T0.tzinfo)
    assert trouble(monitoring, rebuilt)["source-2"] == "the source is under maintenance"


@pytest.mark.parametrize(
    ("rule", "severity", "mode", "reason"),
    [
        ("down", Severity.CRITICAL, AlertMode.ACTIVE, "alert down is open"),
        ("down", Severity.CRITICAL, AlertMode.SHADOW, None),
        ("down", Severity.WARNING, AlertMode.ACTIVE, None),
        ("strange", Severity.CRITICAL, AlertMode.ACTIVE, None),  # what is strange must become normal some time
    ],
)
def test_serious_alerts_are_trouble_but_not_those_about_strangeness(
    monitoring: Monitoring, rule: str, severity: Severity, mode: AlertMode, reason: str | None
) -> None:
    add_alert(monitoring.store, rule=rule, source="source-0", severity=severity.value, mode=mode.value)
    assert trouble(monitoring, T0 + timedelta(hours=1)).get("source-0") == reason
