"""The run that serves one minute of slots."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import func, select

from assets.health_checks import (
    HANDOVER,
    SCHEDULED_FOR,
    _report_burn_rates,
    component_table,
    health_checks_schedule,
    window,
    worst_table,
)
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.definitions import build_defs
from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.records import Component, Criticality, Source, Status
from monitoring_pipeline.reports import ComponentView, Overview, SourceView, Watch
from monitoring_pipeline.store.tables import checks


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-05-01T{clock}+00:00")


@pytest.mark.parametrize(
    ("scheduled", "now", "start", "end"),
    [
        ("12:00:00", "12:00:02", "12:00:10", "12:01:10"),  # in time: ready before its slots
        ("12:00:00", "12:00:40", "12:00:10", "12:01:10"),  # late: takes what is left of its minute
        ("12:00:00", "12:01:10", "12:01:10", "12:02:10"),  # over: serves what the newest run would
        ("12:00:00", "14:30:05", "14:30:10", "14:31:10"),
        (None, "12:00:30", "12:00:10", "12:01:10"),  # by hand
        (None, "12:00:05", "12:00:10", "12:01:10"),  # not five seconds, and then nobody until the next minute
        (None, "12:00:10", "12:00:10", "12:01:10"),
    ],
)
def test_window(scheduled: str | None, now: str, start: str, end: str):
    assert window(at(scheduled) if scheduled else None, at(now)) == (at(start), at(end))


def run_once(monitoring: Monitoring, instance: dg.DagsterInstance) -> dict[str, Any]:
    """What a run of the open minute says; the minute is over once each check ran and each source was told of."""
    begin, over = monitoring.clock, threading.Event()

    def newest() -> int:
        with monitoring.store.read() as connection:
            return connection.execute(select(func.min(checks.c.last_slot))).scalar() or 0

    def watch() -> None:
        while newest() < to_us(started) or len(monitoring.told_sources()) < 3:
            time.sleep(0.1)
        over.set()

    started = begin()
    tags = {SCHEDULED_FOR: (started - HANDOVER).replace(second=0, microsecond=0).isoformat()}
    monitoring.clock = lambda: begin() + timedelta(minutes=over.is_set())
    job = build_defs(monitoring).resolve_job_def("health_checks_job")
    threading.Thread(target=watch, daemon=True).start()
    result = job.execute_in_process(instance=instance, tags=tags)
    (materialization,) = result.asset_materializations_for_node("health_checks")
    return {name: value.value for name, value in materialization.metadata.items()}


def test_a_run_checks_reports_and_sums_up(monitoring: Monitoring, instance: dg.DagsterInstance):
    facts = run_once(monitoring, instance)
    assert facts["executed"] >= 3
    assert facts["reported"] == 3
    assert facts["status"].startswith("critical: ")
    assert "| stock-levels | data_platform | critical |" in facts["not healthy"]
    assert "| data-platform | healthy | 100 | 1 healthy |" in facts["components"]
    key = dg.AssetCheckKey(dg.AssetKey(["data_platform", "stock-levels"]), "health")
    (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    seen = record.event.dagster_event.asset_check_evaluation_data
    assert (seen.passed, seen.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "found (false) == true" in seen.description


def test_what_was_told_is_not_told_again_unless_dagster_forgot_it(monitoring: Monitoring, instance: dg.DagsterInstance):
    assert run_once(monitoring, instance)["reported"] == 3
    assert run_once(monitoring, instance)["reported"] == 0
    with dg.instance_for_test() as empty:
        assert run_once(monitoring, empty)["reported"] == 3


def test_burn_rates_that_cannot_be_computed_fail_no_checks(monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch):
    def broken() -> int:
        raise StoreError("the published warehouse is missing")

    monkeypatch.setattr(monitoring.sla, "report_burn_rates", broken)
    with dg.build_asset_context() as context:
        assert _report_burn_rates(context, monitoring) == 0


def evaluate(monitoring: Monitoring, minutes_ago: int) -> dg.RunRequest | dg.SkipReason:
    minute = monitoring.clock().replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    with dg.build_schedule_context(scheduled_execution_time=minute, resources={"monitoring": monitoring}) as context:
        return health_checks_schedule(context)


def test_the_schedule_says_which_minute_a_run_serves(monitoring: Monitoring):
    request = evaluate(monitoring, 0)
    assert isinstance(request, dg.RunRequest)
    moment = monitoring.clock().replace(second=0, microsecond=0)
    assert datetime.fromisoformat(request.tags[SCHEDULED_FOR]) == moment
    assert request.run_key == request.tags[SCHEDULED_FOR]


def test_minutes_long_gone_are_not_made_up_for(monitoring: Monitoring):
    assert isinstance(evaluate(monitoring, 2), dg.SkipReason)


def view(name: str, status: Status, criticality: Criticality = Criticality.MEDIUM, reason: str = "") -> SourceView:
    return SourceView(Source(name, "shop", criticality=criticality), status, None, reason, None, ())


def overview(*views: SourceView) -> Overview:
    component = ComponentView(Component("shop"), Status.CRITICAL, 49.6, "", {"critical": 2, "healthy": 30})
    return Overview(datetime.now(UTC), Status.CRITICAL, 1.0, "", (component,), views, Watch(True, None))


def test_the_worst_and_weightiest_sources_come_first():
    table = worst_table(
        overview(
            view("fine", Status.HEALTHY),
            view("slow", Status.WARNING, Criticality.CRITICAL),
            view("down", Status.CRITICAL),
            view("heavy", Status.CRITICAL, Criticality.HIGH, "a | b\nc"),
        )
    )
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]]
    assert rows == ["heavy", "down", "slow"]
    assert "a \\| b c" in table


def test_a_long_list_is_cut_and_says_so():
    table = worst_table(overview(*(view(f"s{number:02}", Status.CRITICAL) for number in range(25))))
    assert table.endswith("and 5 more")
    assert "| s19 |" in table
    assert "| s20 |" not in table


def test_components_with_their_counts():
    assert component_table(overview()).splitlines()[2] == "| shop | critical | 50 | 2 critical, 30 healthy |"
