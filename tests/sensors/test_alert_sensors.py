"""The sensors that look whether somebody attends to alerts, and the jobs they launch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import select

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.records import AlertState, Sample
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store.tables import alerts as alert_rows
from monitoring_pipeline.store.tables import notifications, samples
from sensors.alerts import alert_job, alerts
from sensors.dagster_events import dagster_events
from sensors.escalations import escalation_job, escalations

CONFIG = """
name: shop
stores: {{directory: {folder}/.busta}}
channels: {{log: {{kind: console, path: {folder}/told.txt}}}}
rules:
  - {{id: lag, when: {{kind: metric, metric: lag, aggregation: last, threshold: 10}}}}
  - {{id: failed-checks, per: check, sources: {{source: dagster-events}}, severity: warning,
      when: {{kind: metric, metric: asset_check_failed, aggregation: last, operator: ">=", threshold: 1}}}}
  - {{id: failed-runs, per: check, sources: {{source: dagster-events}},
      when: {{kind: metric, metric: run_failed, aggregation: last, operator: ">=", threshold: 1}}}}
escalations:
  ladder: {{levels: [{{notify: ["channel:log"]}}, {{after: 1h, notify: ["channel:log"]}}]}}
alerting:
  routes: [{{escalation: ladder}}]
sources:
  - {{id: orders, checks: [{{kind: tcp, host: 127.0.0.1, port: 1}}]}}
"""


@pytest.fixture
def monitoring(tmp_path: Path) -> Iterator[Monitoring]:
    path = tmp_path / "monitoring.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    opened = Monitoring.open(path)
    opened.register()
    yield opened
    opened.close()


def told(monitoring: Monitoring) -> str:
    path = monitoring.config.path.parent / "told.txt"
    return path.read_text() if path.exists() else ""


def later(monitoring: Monitoring, seconds: float) -> None:
    monitoring.clock = lambda: system_clock() + timedelta(seconds=seconds)


def asked(sensor: dg.SensorDefinition, monitoring: Monitoring) -> dg.RunRequest | dg.SkipReason:
    context = dg.build_sensor_context(resources={"monitoring": monitoring})
    answer = sensor(context)
    assert isinstance(answer, (dg.RunRequest, dg.SkipReason))
    return answer


def test_what_nobody_attends_to_launches_the_alert_job(monitoring: Monitoring) -> None:
    assert isinstance(asked(alerts, monitoring), dg.SkipReason)
    monitoring.report([Sample("orders", "lag", monitoring.clock(), 99.0)])
    assert isinstance(asked(alerts, monitoring), dg.SkipReason), "a run that serves has a second to take it"
    later(monitoring, 5)
    request = asked(alerts, monitoring)
    assert isinstance(request, dg.RunRequest)
    assert "notifications wait" in request.tags["monitoring/why"]
    assert alert_job.execute_in_process(resources={"monitoring": monitoring}).success
    assert "lag" in told(monitoring)
    later(monitoring, 6)
    assert isinstance(asked(alerts, monitoring), dg.SkipReason)


def test_a_job_that_comes_again_sends_nothing_twice(monitoring: Monitoring) -> None:
    monitoring.report([Sample("orders", "lag", monitoring.clock(), 99.0)])
    for _ in range(2):
        assert alert_job.execute_in_process(resources={"monitoring": monitoring}).success
    with monitoring.store.read() as connection:
        states = connection.execute(select(notifications.c.state)).scalars().all()
    assert states == ["sent"]


def test_an_escalation_without_a_next_step_launches_its_job(monitoring: Monitoring) -> None:
    monitoring.report([Sample("orders", "lag", monitoring.clock(), 99.0)])
    assert isinstance(asked(escalations, monitoring), dg.SkipReason)
    later(monitoring, 3_700)
    assert isinstance(asked(escalations, monitoring), dg.RunRequest)
    assert escalation_job.execute_in_process(resources={"monitoring": monitoring}).success
    assert isinstance(asked(escalations, monitoring), dg.SkipReason)
    assert told(monitoring).count("lag") >= 2


def foreign(is_broken: list[bool]) -> dg.Definitions:
    """Another team's code location; the list's last entry says whether all of it is broken."""

    @dg.asset
    def invoices() -> None: ...

    @dg.asset_check(asset=invoices)
    def rows() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=not is_broken[-1], description="no rows")

    @dg.op
    def work() -> None:
        if is_broken[-1]:
            raise RuntimeError("out of disk")

    @dg.job
    def nightly():
        work()

    return dg.Definitions([invoices], asset_checks=[rows], jobs=[nightly])


@pytest.mark.parametrize("kept", ["in memory", "on disk"])
def test_checks_and_runs_of_other_code_locations_become_alerts(
    monitoring: Monitoring, kept: str, tmp_path: Path
) -> None:
    is_broken: list[bool] = []
    definitions = foreign(is_broken)
    folder = tmp_path / "home"
    folder.mkdir()
    home = dg.DagsterInstance.local_temp(str(folder)) if kept == "on disk" else None
    with home or dg.DagsterInstance.ephemeral() as instance:
        cursor = None

        def look() -> None:
            nonlocal cursor
            context = dg.build_sensor_context(instance, cursor=cursor, resources={"monitoring": monitoring})
            answer = dagster_events(context)
            assert isinstance(answer, dg.SensorResult)
            cursor = answer.cursor

        def run(broken: bool) -> None:
            is_broken.append(broken)
            for name in ("nightly", "__ASSET_JOB"):
                definitions.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False)

        run(broken=True)
        look()
        assert cursor is not None
        assert states(monitoring) == {}, "what happened before anybody looked is not told"
        run(broken=True)
        look()
        failed = {"job:nightly": AlertState.FIRING, "invoices:rows": AlertState.FIRING}
        assert states(monitoring) == failed
        look()
        assert states(monitoring) == failed
        run(broken=False)
        look()
        assert set(states(monitoring).values()) == {AlertState.RESOLVED}
        with monitoring.store.read() as connection:
            count = connection.execute(select(samples.c.id).where(samples.c.source == "dagster-events")).all()
            alerts_made = connection.execute(select(alert_rows.c.id)).all()
    assert len(alerts_made) == 2
    assert len(count) >= 4


def states(monitoring: Monitoring) -> dict[str, AlertState]:
    with monitoring.store.read() as connection:
        return {alert.check: alert.state for alert in stored.find_alerts(connection)}
