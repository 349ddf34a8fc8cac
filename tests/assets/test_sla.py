"""Days of promises are computed and can be computed anew, and every objective tells how it stands."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import duckdb

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.definitions import build_defs
from tests.assets.test_history import run
from tests.store import rows


def test_budgets_are_told_per_objective_and_days_can_be_computed_anew(
    monitoring: Monitoring, instance: dg.DagsterInstance
):
    now = monitoring.clock()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows.write(monitoring.store, "status_changes", [
        rows.change("stock-levels", midnight - timedelta(hours=40), "unknown", "healthy"),
        rows.change("stock-levels", midnight - timedelta(hours=10), "healthy", "critical"),
        rows.change("stock_levels", midnight - timedelta(hours=40), "unknown", "healthy"),
    ])  # fmt: skip
    run(monitoring, "history_job", instance)
    defs = build_defs(monitoring, with_sources=False)
    result = defs.resolve_job_def("sla_job").execute_in_process(instance=instance)
    told = {event.asset_key.to_user_string(): event.materialization.metadata
            for event in result.get_asset_materialization_events()}  # fmt: skip
    assert set(told) == {"sla_budgets", "sla/uptime"}
    assert told["sla_budgets"]["days computed"].value == 4
    assert told["sla/uptime"]["broken"].value == 1
    assert "| uptime | stock-levels |" in told["sla/uptime"]["budgets"].value
    assert "data:image/png;base64," in told["sla/uptime"]["plot"].value
    assert "| data_platform | 1 |" in told["sla_budgets"]["reliability"].value
    assert days(monitoring) == [(2, 0.0), (2, 10.0)]
    day = midnight - timedelta(days=1)
    job = defs.resolve_job_def("sla_days_job")
    result = job.execute_in_process(instance=instance, partition_key=f"{day:%Y-%m-%d}")
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["days computed"].value == 2
    assert days(monitoring) == [(2, 0.0), (2, 10.0)]


def days(monitoring: Monitoring) -> list[tuple[int, float]]:
    with duckdb.connect(str(monitoring.config.stores.warehouse), read_only=True) as connection:
        return connection.execute(
            "SELECT count(*), sum(bad) / 3.6e9 FROM sla_days GROUP BY day ORDER BY day"
        ).fetchall()  # fmt: skip


def test_an_objective_is_downstream_of_its_sources(monitoring: Monitoring):
    graph = build_defs(monitoring).resolve_asset_graph()
    parents = graph.get(dg.AssetKey(["sla", "uptime"])).parent_keys
    assert parents == {dg.AssetKey(["data_platform", "stock-levels"]), dg.AssetKey(["data_platform", "stock_levels"])}
