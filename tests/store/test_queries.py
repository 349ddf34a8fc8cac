"""What people ask of history, over rows in both stores."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from monitoring_pipeline.records import Status
from monitoring_pipeline.store.history import connect
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.queries import daily_status, response_series, source_history, uptime
from tests.store.rows import T0, gap, minutes, result, write


@pytest.fixture
def history(store_url: str, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Source a: ten minutes (healthy, critical at 3, unknown at 4), then a gap; b: warnings, hot."""
    store = OperationalStore.open(store_url, T0)
    statuses = {3: "critical", 4: "unknown"}
    write(store, "results", [
        result("a", minutes(n), statuses.get(n, "healthy"), response_time_ms=float(n), details=f'{{"n": {n}}}')
        for n in range(10)
    ])  # fmt: skip
    load_hot(store, tmp_path / "warehouse.duckdb", T0)
    publish(store, tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb", T0)
    write(store, "results", [result("b", minutes(n), "warning", response_time_ms=None) for n in range(5)])
    write(store, "gaps", [gap("a", minutes(10), minutes(19), 10), gap("c", minutes(5), minutes(5), 1)])
    with connect(store, tmp_path / "published.duckdb", now=T0) as connection:
        yield connection
    store.close()


def test_the_newest_results_come_first(history: duckdb.DuckDBPyConnection):
    rows = source_history(history, "a", minutes(2), minutes(9), limit=3)
    assert [row["started"] for row in rows] == [minutes(8), minutes(7), minutes(6)]
    assert rows[0] == {
        "check": "web", "kind": "http", "slot": minutes(8), "started": minutes(8),
        "finished": minutes(8) + timedelta(microseconds=12_345), "status": "healthy", "response_time_ms": 8.0,
        "attempts": 1, "message": "", "details": {"n": 8}, "skipped": None, "manual": False,
    }  # fmt: skip
    assert source_history(history, "nobody", minutes(0), minutes(9)) == []


def test_availability_is_over_what_is_known(history: duckdb.DuckDBPyConnection):
    a, b, c = uptime(history, None, T0, T0 + timedelta(hours=1))
    assert (a["source"], a["healthy"], a["critical"], a["unknown"], a["gap_slots"]) == ("a", 8, 1, 1, 10)
    assert a["availability"] == pytest.approx(100 * 8 / 9)
    assert (b["warning"], b["gap_slots"], b["availability"]) == (5, 0, 100.0)
    assert (c["healthy"], c["gap_slots"], c["availability"]) == (0, 1, None)


def test_a_gap_counts_as_far_as_it_reaches_into_the_time_asked_for(history: duckdb.DuckDBPyConnection):
    (row,) = uptime(history, "a", minutes(0), minutes(14.5))
    assert row["gap_slots"] == 5
    assert uptime(history, "a", T0 - timedelta(days=2), T0 - timedelta(days=1)) == []


def test_a_cell_for_every_day(history: duckdb.DuckDBPyConnection):
    cells = daily_status(history, ["a", "b", "c", "d"], 3, T0)
    today = date(2026, 3, 1)
    assert [cell["day"] for cell in cells["a"]] == [today - timedelta(days=2), today - timedelta(days=1), today]
    assert cells["a"][2] == {"day": today, "status": Status.CRITICAL, "healthy": 8 / 20, "slots": 20}
    assert cells["b"][2] == {"day": today, "status": Status.WARNING, "healthy": 0.0, "slots": 5}
    assert cells["c"][2] == {"day": today, "status": Status.UNKNOWN, "healthy": 0.0, "slots": 1}
    assert cells["d"][2] == {"day": today, "status": Status.UNKNOWN, "healthy": None, "slots": 0}
    assert cells["a"][0] == {"day": today - timedelta(days=2), "status": Status.UNKNOWN, "healthy": None, "slots": 0}
    assert daily_status(history, [], 3, T0) == {}


def test_a_day_with_a_gap_is_not_healthy(store_url: str, tmp_path: Path):
    store = OperationalStore.open(store_url, T0)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    days = [noon + timedelta(days=n) for n in range(4)]
    write(store, "results", [result("a", day) for day in days])
    # From the evening of the first day over the whole second day to the morning of the third.
    write(store, "gaps", [gap("a", noon + timedelta(hours=6), noon + timedelta(hours=42), 36)])
    with connect(store, tmp_path / "published.duckdb", now=T0) as connection:
        cells = daily_status(connection, ["a"], 4, days[-1])["a"]
    assert [cell["status"] for cell in cells] == ["unknown", "unknown", "unknown", "healthy"]
    assert [cell["slots"] for cell in cells] == [7, 25, 7, 1]
    store.close()


def test_response_times_in_buckets(history: duckdb.DuckDBPyConnection):
    series = response_series(history, "a", minutes(0), minutes(20), buckets=4)
    assert [bucket["start"] for bucket in series] == [minutes(0), minutes(5), minutes(10), minutes(15)]
    assert series[0] == {"start": minutes(0), "count": 5, "avg_ms": 2.0, "p95_ms": pytest.approx(3.8), "max_ms": 4.0}
    assert series[3] == {"start": minutes(15), "count": 0, "avg_ms": None, "p95_ms": None, "max_ms": None}
    assert response_series(history, "a", minutes(0), minutes(20), buckets=1, check="other")[0]["count"] == 0
    # Times that do not divide evenly lose no result at the end.
    odd = response_series(history, "a", minutes(0), minutes(10), buckets=7)
    assert sum(bucket["count"] for bucket in odd) == 10
