"""Buckets follow each load, and any day can be built anew."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import duckdb

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.definitions import build_defs
from monitoring_pipeline.store import rollups
from tests.assets.test_history import run


def test_buckets_follow_a_load_and_a_day_can_be_built_anew(monitoring: Monitoring, instance: dg.DagsterInstance):
    present = monitoring.clock
    monitoring.clock = lambda: present() - timedelta(days=2)
    day = rollups.DAY.floor(monitoring.clock())
    monitoring.check_now(["orders/file"])
    monitoring.clock = present
    facts = run(monitoring, "history_job", instance)
    assert facts["rollups"]["executions_day"] == 1
    assert facts["rollups"]["values_minute"] > 0
    job = build_defs(monitoring, with_sources=False).resolve_job_def("daily_rollups_job")
    result = job.execute_in_process(instance=instance, partition_key=f"{day:%Y-%m-%d}")
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["values_minute"].value == facts["rollups"]["values_minute"]
    assert "data:image/png;base64," in metadata["measured per hour"].value
    run(monitoring, "history_job", instance)
    with duckdb.connect(str(monitoring.config.published), read_only=True) as connection:
        assert connection.execute("SELECT source, healthy FROM daily_results").fetchall() == [("orders", 1)]


def test_publishing_does_not_wait_for_buckets(monitoring: Monitoring):
    graph = build_defs(monitoring).resolve_asset_graph()
    assert dg.AssetKey("rollups") not in graph.get_ancestor_asset_keys(dg.AssetKey("history_publish"))
