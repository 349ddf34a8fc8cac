"""Scores of days and what is normal are assets: history that was there before anybody scored is learnt from."""

from __future__ import annotations

import math
from datetime import timedelta

import dagster as dg
import duckdb

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.definitions import build_defs
from monitoring_pipeline.records import Sample
from monitoring_pipeline.store import rollups
from monitoring_pipeline.store.results import insert_samples
from tests.assets.test_history import run


def measure(monitoring: Monitoring, days: int) -> None:
    """One number an hour that follows the day."""
    now = monitoring.clock()
    with monitoring.store.write() as connection:
        for hours in range(24 * days, 0, -1):
            at = now - timedelta(hours=hours)
            value = 200 + 50 * math.sin(at.hour / 24 * 2 * math.pi) + (hours * 7919 % 13)
            insert_samples(connection, [Sample("orders", "response_time_ms", at, value, "ms", "file")])


def test_baselines_are_learnt_from_history_and_days_are_scored(monitoring: Monitoring, instance: dg.DagsterInstance):
    measure(monitoring, days=16)
    run(monitoring, "history_job", instance)
    facts = run(monitoring, "baselines_job", instance)["baselines"]
    assert facts["learnt anew"] == "history is older than the first score"
    assert (facts["series"], facts["learning"], facts["rows"]) == (1, 0, 7 * 24)
    assert run(monitoring, "baselines_job", instance)["baselines"]["learnt anew"] == "no"
    (monitoring.config.stores.directory / "scoring.state").unlink()
    present = monitoring.clock
    monitoring.clock = lambda: present() + timedelta(days=2)
    again = run(monitoring, "baselines_job", instance)["baselines"]
    assert (again["learnt anew"], again["learning"]) == ("what was learnt is lost", 0)
    monitoring.clock = present
    day = rollups.DAY.floor(monitoring.clock() - timedelta(days=1))
    job = build_defs(monitoring, with_sources=False).resolve_job_def("anomaly_scores_job")
    for _ in range(2):  # whatever is repeated is there once
        result = job.execute_in_process(instance=instance, partition_key=f"{day:%Y-%m-%d}")
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["scores"].value == 24
    assert event.materialization.metadata["levels confirmed"].value == 0
    assert "data:image/png;base64," in event.materialization.metadata["alarms per hour"].value
    run(monitoring, "history_job", instance)
    with duckdb.connect(str(monitoring.config.published), read_only=True) as connection:
        scores = connection.execute("SELECT count(*), min(low), max(high) FROM scores").fetchall()[0]
        normal = connection.execute("SELECT count(*), bool_and(low < expected AND expected < high) FROM baselines")
        assert normal.fetchall() == [(7 * 24, True)]
    assert scores[0] == 24
    assert 100 < scores[1] < scores[2] < 400
