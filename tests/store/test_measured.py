"""What was computed from measurements is kept like them, and never taken for one."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from monitoring_pipeline.records.metric import is_computed
from monitoring_pipeline.store import rollups
from monitoring_pipeline.store.history import connect
from monitoring_pipeline.store.measured import MEASURED
from monitoring_pipeline.store.rollups import DAY, HOUR
from monitoring_pipeline.store.warehouse import literal
from tests.store.house import NOW, START, House


@pytest.mark.parametrize(
    ("metric", "computed"),
    [
        ("rows", False), ("anomalies", False), ("risky_rows", False), ("risk_score", False), ("trend", False),
        ("rows.anomaly.", False), ("anomaly.rows", True), ("expected_low.rows", True), ("burn.uptime.1h", True),
        ("trend.rows", True), ("risk", True), ("risk.system", True), ("run_failed", True), ("dead_letters", True),
    ],
)  # fmt: skip
def test_names_tell_in_python_and_in_sql(metric: str, *, computed: bool):
    assert is_computed(metric) is computed
    row = duckdb.execute(f"SELECT {MEASURED} FROM (SELECT {literal(metric)} AS metric)").fetchone()
    assert row == (not computed,)


def test_scores_are_kept_in_buckets_but_have_no_outliers_and_are_not_counted(tmp_path: Path):
    house = House(tmp_path)
    with closing(house.store):
        moments = [START + timedelta(minutes=10 * number) for number in range(3 * 144)]
        house.write({"a": [(at, 100.0 + at.minute) for at in moments]})
        house.write({"a": [(at, 99.0 if at.hour == 3 else 1.0) for at in moments]}, "anomaly.rows")
        now = moments[-1] + timedelta(minutes=1)
        house.roll_up(now)
        with connect(house.store, house.published, now=now) as history:
            scores = rollups.series(history, "a", "anomaly.rows", START, now, level=DAY)
            assert [row["max"] for row in scores] == [99.0, 99.0, 99.0]
            assert [row["outliers"] for row in scores] == [None, None, None]
            hours = rollups.series(history, "a", None, now - timedelta(hours=3), now, level=HOUR)
            assert {(row["metric"], row["outliers"]) for row in hours} == {("rows", 0), ("anomaly.rows", None)}
            counted = rollups.volume(history, START, NOW, level=HOUR)
    assert {count for _, count in counted} == {6}
    assert len(counted) == 72
