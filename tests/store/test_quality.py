"""Runs of suites: in the operational store, in history, and the newest of each for as long as there is none newer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.records import QualityRun, Status
from monitoring_pipeline.store import history
from monitoring_pipeline.store.expiry import expire_hot
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.quality import insert_run, last_begun, latest_runs, score_history
from tests.store.rows import RETENTION, T0, minutes


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    store = OperationalStore.open(store_url, T0)
    yield store
    store.close()


def run(source: str, suite: str, minute: float, score: float | None = 100.0) -> QualityRun:
    finding = {"name": "ids", "text": "ümlaut", "rows": [{"id": 1}]}
    return QualityRun(
        source, suite, minutes(minute), minutes(minute + 1), Status.HEALTHY, score, 10.0, 1, 0, 0, "",
        {"validity": 100.0}, {"schema": {"id": "INT"}}, [finding],
    )  # fmt: skip


def write(store: OperationalStore, *runs: QualityRun) -> None:
    with store.write() as connection:
        for each in runs:
            insert_run(connection, each)


def test_the_newest_run_of_each_suite(store: OperationalStore) -> None:
    newest = [run("a", "x", 5), run("b", "x", 1, None), run("a", "y", 2)]
    write(store, run("a", "x", 0), newest[1], newest[2], newest[0])
    with store.read() as connection:
        assert latest_runs(connection) == newest
        assert latest_runs(connection, source="b") == [newest[1]]
        assert last_begun(connection) == {"x": minutes(5), "y": minutes(2)}


def test_the_newest_run_stays_and_history_has_each_once(store: OperationalStore, tmp_path: Path) -> None:
    warehouse, published = tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"
    old, newest = [run("a", "x", minute, float(minute)) for minute in range(3)], run("a", "x", 3, 3.0)
    write(store, *old, newest)
    for _ in range(2):
        load_hot(store, warehouse, T0)
        publish(store, warehouse, published, T0)
    assert expire_hot(store, RETENTION, T0 + timedelta(days=1))["quality_runs"] == 3
    with store.read() as connection:
        assert latest_runs(connection) == [newest]
    with history.connect(store, published, now=T0, tables=("quality_runs",)) as connection:
        scores = score_history(connection, "a", "x", 10)
    assert [score for _, _, score in scores] == [0.0, 1.0, 2.0, 3.0]
    assert expire_hot(store, RETENTION, T0 + timedelta(days=1))["quality_runs"] == 0
