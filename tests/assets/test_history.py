"""History moves into the warehouse, is published, and expires; in order, and one run at a time."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import duckdb

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.definitions import build_defs


def run(monitoring: Monitoring, job: str, instance: dg.DagsterInstance) -> dict[str, dict[str, object]]:
    """Executes a job; the metadata of what it materialized, by asset."""
    definitions = build_defs(monitoring, with_sources=False)
    result = definitions.resolve_job_def(job).execute_in_process(instance=instance)
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
        for event in events
    }


def test_results_reach_the_published_warehouse(monitoring: Monitoring, instance: dg.DagsterInstance):
    done = monitoring.check_now([bound.key for bound in monitoring.config.checks if bound.check.enabled])
    facts = run(monitoring, "history_job", instance)
    assert list(facts)[:2] == ["history_load", "history_publish"]
    assert set(facts) == {"history_load", "history_publish", "rollups", "collectors"}
    assert facts["history_load"]["results"] == len(done) == 3
    with duckdb.connect(str(monitoring.config.published), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (3,)


def test_loading_again_loads_nothing_twice(monitoring: Monitoring, instance: dg.DagsterInstance):
    monitoring.check_now(["orders/file"])
    run(monitoring, "history_job", instance)
    assert run(monitoring, "history_job", instance)["history_load"]["results"] == 0


def test_retention_removes_rows_and_old_runs(monitoring: Monitoring, instance: dg.DagsterInstance):
    monitoring.check_now(["orders/file"])
    run(monitoring, "history_job", instance)
    present = monitoring.clock
    monitoring.clock = lambda: present() + timedelta(days=3)
    facts = run(monitoring, "retention_job", instance)
    assert facts["retention"]["runs"] == 1
    assert len(instance.get_runs()) == 1


def test_all_that_write_the_warehouse_share_its_pool(monitoring: Monitoring):
    graph = build_defs(monitoring).resolve_asset_graph()
    pools = {key.to_user_string(): graph.get(key).pools for key in graph.materializable_asset_keys}
    assert pools.pop("health_checks") == pools.pop("collectors") == set()
    assert {"history_load", "history_publish", "retention", "rollups", "daily_rollups"} <= set(pools)
    assert all(pool == {"warehouse"} for pool in pools.values())
