"""Quality suites in Dagster: assets with checks, downstream of their sources, launched when due, holding back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.quality import suite_assets
from monitoring_pipeline import definitions
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.definitions import build_defs

CONFIG = """\
stores: {{directory: {folder}/.busta}}
components: {{shop: {{}}}}
sources:
  - {{id: orders, component: shop}}
suites:
  to-day:
    source: orders
    table: {{kind: file, path: {folder}/orders.csv}}
    min_rows: 2
    blocking: true
    masked: [email]
    expectations:
      - {{type: unexpected_rows_expectation, name: "sums: right?", severity: warning,
          unexpected_rows_query: "SELECT id FROM {{batch}} WHERE total < 0"}}
  to_day: {{source: orders, validator: "tests.quality.validators:Nightly", every: 1d}}
  off: {{source: orders, validator: "tests.quality.validators:Nightly", enabled: false}}
"""
SUITE = dg.AssetKey(["quality", "to-day"])
START = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def monitoring(tmp_path: Path) -> Iterator[Monitoring]:
    (tmp_path / "monitoring.yaml").write_text(CONFIG.format(folder=tmp_path))
    write(tmp_path, "1,5\n2,-1\n3,7\n")
    opened = Monitoring.open(tmp_path / "monitoring.yaml")
    yield opened
    opened.close()


def write(folder: Path, rows: str) -> None:
    (folder / "orders.csv").write_text("id,total\n" + rows)


def materialize(
    monitoring: Monitoring, instance: dg.DagsterInstance, *more: dg.AssetsDefinition
) -> dg.ExecuteInProcessResult:
    """Runs the suite `to-day`, and what else is given, in one run."""
    suites = [asset for asset in suite_assets(monitoring.config) if SUITE in asset.keys]
    resources = {"monitoring": monitoring}
    return dg.materialize([*suites, *more], instance=instance, resources=resources, raise_on_error=False)


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str, str]]:
    """Per asset check: passed, severity, description."""
    return {
        each.check_name: (each.passed, each.severity.value, each.description or "")
        for each in result.get_asset_check_evaluations()
    }


@dg.asset(deps=[SUITE])
def report() -> None:
    """What somebody makes of good orders."""


def test_a_suite_is_an_asset_with_a_check_per_expectation(monitoring: Monitoring, instance: dg.DagsterInstance) -> None:
    result = materialize(monitoring, instance, report)
    found = evaluations(result)
    assert found["rows"] == (True, "WARN", "healthy: 3 rows")
    assert found["schema"] == (True, "WARN", "healthy")
    assert found["sums_right"] == (False, "WARN", "warning: 1 of 3 rows fail (33.3 %)")
    assert found["quality"][:2] == (False, "WARN")
    assert result.success, "a warning holds nobody back"
    assert dg.AssetKey("report") in {event.asset_key for event in result.get_asset_materialization_events()}
    (event,) = result.asset_materializations_for_node("suite_1")
    metadata = {name: value.value for name, value in event.metadata.items()}
    assert metadata["dagster/row_count"] == 3
    assert [column.name for column in metadata["dagster/column_schema"].columns] == ["id", "total"]
    assert metadata["score"] == pytest.approx(200 / 3)
    assert "| sums: right? | warning |" in str(metadata["not met"])
    assert "data:image/png" in str(metadata["scores"])


def test_the_source_shows_its_quality(monitoring: Monitoring, instance: dg.DagsterInstance) -> None:
    materialize(monitoring, instance)
    key = dg.AssetCheckKey(dg.AssetKey(["shop", "orders"]), "quality")
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.status.value == "FAILED"


def test_what_is_downstream_is_held_back_by_bad_data(
    monitoring: Monitoring, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    write(tmp_path, "")
    result = materialize(monitoring, instance, report)
    assert evaluations(result)["quality"][:2] == (False, "ERROR")
    assert evaluations(result)["rows"][2] == "critical: no data: the table is empty"
    materialized = {event.asset_key for event in result.get_asset_materialization_events()}
    assert materialized == {SUITE}
    assert not result.success


def test_an_error_of_the_suite_holds_nobody_back(
    monitoring: Monitoring, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "orders.csv").unlink()
    result = materialize(monitoring, instance, report)
    assert evaluations(result)["quality"] == (False, "WARN", f"unknown: there is no file {tmp_path}/orders.csv")
    assert evaluations(result)["sums_right"][0] is False
    assert result.success


@pytest.mark.filterwarnings("ignore:Parameter `include_sources`")  # Dagster's own, about itself
def test_other_code_locations_hold_back_by_automation(
    monitoring: Monitoring, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    condition = dg.AutomationCondition.any_deps_updated() & dg.AutomationCondition.all_deps_blocking_checks_passed()

    @dg.asset(deps=[SUITE], automation_condition=condition)
    def automated() -> None: ...

    suites = [asset for asset in suite_assets(monitoring.config) if SUITE in asset.keys]
    there = dg.Definitions([automated, *suites], resources={"monitoring": monitoring})
    cursor = dg.evaluate_automation_conditions(there, instance).cursor
    write(tmp_path, "")
    materialize(monitoring, instance)
    bad = dg.evaluate_automation_conditions(there, instance, cursor=cursor)
    assert bad.total_requested == 0
    write(tmp_path, "1,2\n3,4\n")
    materialize(monitoring, instance)
    assert dg.evaluate_automation_conditions(there, instance, cursor=bad.cursor).total_requested == 1


def test_definitions_with_suites(monitoring: Monitoring) -> None:
    built = build_defs(monitoring)
    graph = built.resolve_asset_graph()
    source = dg.AssetKey(["shop", "orders"])
    assert graph.get(SUITE).parent_keys == {source}
    assert graph.get(SUITE).group_name == "quality"
    assert dg.AssetKey(["quality", "off"]) not in graph.get_all_asset_keys()
    names = {key.name for key in graph.asset_check_keys if key.asset_key == SUITE}
    assert names == {"quality", "rows", "schema", "sums_right"}
    assert {key.name for key in graph.asset_check_keys if key.asset_key == source} == {"health", "quality"}
    job = built.resolve_job_def("quality_job")
    assert job.run_tags[dg.MAX_RUNTIME_SECONDS_TAG] == str(2 * 300 + 600)


def test_a_run_of_suites_builds_no_sources(
    monitoring: Monitoring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUSTA_CONFIG", str(tmp_path / "monitoring.yaml"))
    repository = definitions.defs()
    assert repository.has_job("quality_job")
    graph = repository.get_job("quality_job").asset_layer.asset_graph
    assert SUITE in graph.materializable_asset_keys
    assert "dagster/auto_created_stub_asset" in graph.get(dg.AssetKey(["shop", "orders"])).metadata
    assert "_all" not in vars(repository._repository_data)


def test_the_schedule_launches_what_is_due_once(monitoring: Monitoring, tmp_path: Path) -> None:
    now = START
    instance = dg.DagsterInstance.local_temp(str(tmp_path))  # a schedule opens it by its place
    monitoring.clock = lambda: now
    schedule = build_defs(monitoring).get_repository_def().get_schedule_def("quality_schedule")

    def tick() -> set[str]:
        context = dg.build_schedule_context(
            instance=instance, resources={"monitoring": monitoring}, scheduled_execution_time=now
        )
        requests = schedule.evaluate_tick(context).run_requests or []
        return {key.path[-1] for request in requests for key in request.asset_selection or ()}

    assert tick() == {"to-day", "to_day"}
    monitoring.quality.run(["to-day", "to_day"])
    assert tick() == set()
    now = START + timedelta(hours=1)
    assert tick() == {"to-day"}
    running = build_defs(monitoring).resolve_job_def("quality_job")
    instance.create_run_for_job(running, status=dg.DagsterRunStatus.STARTED, asset_selection=frozenset({SUITE}))
    assert tick() == set()


def test_a_source_can_be_asked_for_its_quality(monitoring: Monitoring, instance: dg.DagsterInstance) -> None:
    built = build_defs(monitoring)
    key = dg.AssetCheckKey(dg.AssetKey(["shop", "orders"]), "quality")
    job = built.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, asset_selection=None, op_selection=["quality_now_1"])
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.asset_check_key == key
    assert evaluation.description.startswith("critical: ")
