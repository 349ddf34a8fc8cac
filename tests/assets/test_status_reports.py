"""What Dagster is told of a source's status, and how often."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.loader import LoadingContextForTest

from assets.sources import source_keys
from assets.status_reports import Reporter, due_now, verdict
from monitoring_pipeline.records import Source, SourceState, Status
from monitoring_pipeline.reports import SourceView

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOURCES = [Source("orders"), Source("stock")]
KEYS = source_keys(SOURCES)
CHECK = dg.AssetCheckKey(KEYS["orders"], "health")


def state(source: str, status: Status, told: Status | None = Status.HEALTHY) -> SourceState:
    return SourceState(source, status, NOON, 25.0, "status (500) < 400", told=told)


def view(source: str, status: Status) -> SourceView:
    return SourceView(Source(source), status, 50.0, "slow", NOON, ())


def history(instance: dg.DagsterInstance, source: str) -> list[dg.AssetCheckEvaluation]:
    """What was reported of a source, newest first."""
    key = dg.AssetCheckKey(KEYS[source], "health")
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    return [record.event.dagster_event.asset_check_evaluation_data for record in records]


@pytest.mark.parametrize(
    ("status", "passed", "severity"),
    [
        (Status.HEALTHY, True, "WARN"),
        (Status.UNKNOWN, False, "WARN"),
        (Status.WARNING, False, "WARN"),
        (Status.CRITICAL, False, "ERROR"),
    ],
)
def test_only_healthy_passes_and_only_critical_is_an_error(status: Status, passed: bool, severity: str):
    evaluation = verdict(state("orders", status)).evaluation(KEYS["orders"])
    assert (evaluation.passed, evaluation.severity.value) == (passed, severity)


def test_a_change_is_seen_with_reason_and_score(instance: dg.DagsterInstance):
    Reporter(instance, KEYS).tell([state("orders", Status.CRITICAL)])
    (seen,) = history(instance, "orders")
    assert seen.description == "critical: status (500) < 400"
    assert {name: value.value for name, value in seen.metadata.items()} == {
        "status": "critical", "reason": "status (500) < 400", "score": 25.0, "since": NOON.timestamp(),
    }  # fmt: skip


def test_a_source_that_was_removed_is_passed_over(instance: dg.DagsterInstance):
    reporter = Reporter(instance, KEYS)
    reporter.tell([state("gone", Status.CRITICAL), state("stock", Status.WARNING)])
    assert reporter.reported == 1


def test_what_is_not_well_is_told_again_and_of_very_many_the_worst(instance: dg.DagsterInstance):
    Reporter(instance, KEYS).remind([view("orders", Status.HEALTHY), view("stock", Status.WARNING)])
    assert (len(history(instance, "orders")), len(history(instance, "stock"))) == (0, 1)
    many = [Source(f"s{number}") for number in range(40)]
    reporter = Reporter(instance, source_keys(many))
    reporter.remind(view(source.id, Status.CRITICAL if source.id == "s39" else Status.WARNING) for source in many)
    assert reporter.reported == 20
    told = dg.AssetCheckKey(source_keys(many)["s39"], "health")
    assert instance.event_log_storage.get_asset_check_execution_history(told, limit=1)


def test_a_new_home_knows_nothing_of_what_was_told(instance: dg.DagsterInstance):
    reporter = Reporter(instance, KEYS)
    assert reporter.has_forgotten(["orders"])
    assert not reporter.has_forgotten([])
    reporter.tell([state("orders", Status.HEALTHY, told=None)])
    assert not reporter.has_forgotten(["orders", "stock"])


def test_each_source_has_its_minute_of_the_hour():
    names = [f"source-{number}" for number in range(600)]
    minutes = [due_now(names, minute) for minute in range(60)]
    assert sorted(name for found in minutes for name in found) == sorted(names)
    assert max(len(found) for found in minutes) < 40


async def test_a_source_is_introduced_once_and_its_status_counts_at_once(instance: dg.DagsterInstance):
    for told in (None, Status.HEALTHY):
        Reporter(instance, KEYS).tell([state("orders", Status.CRITICAL, told)])
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])[CHECK]
        assert await latest.targets_latest_materialization(LoadingContextForTest(instance))
    assert len(instance.fetch_materializations(KEYS["orders"], limit=10).records) == 1
