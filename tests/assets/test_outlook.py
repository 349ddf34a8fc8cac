"""The outlook is computed by Dagster, after the rollups, by one writer."""

from __future__ import annotations

import dagster as dg

from monitoring_pipeline.app import Monitoring
from tests.assets.test_history import run


def test_the_outlook_is_computed_and_kept(monitoring: Monitoring, instance: dg.DagsterInstance):
    monitoring.check_now(["orders/file"])
    run(monitoring, "history_job", instance)

    daily = run(monitoring, "daily_outlook_job", instance)["daily_outlook"]
    risks = run(monitoring, "risks_job", instance)["risks"]

    assert daily["performance"] == 2
    assert daily["trends"] == 0
    assert risks["risks"] == 4
    assert "data:image/png;base64," in daily["performance of components"]
    assert "data:image/png;base64," in risks["greatest risks"]
