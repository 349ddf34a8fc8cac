"""Old rows go, but never before two published copies have them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store import tables
from monitoring_pipeline.store.expiry import expire_hot, expire_warehouse
from monitoring_pipeline.store.history import open_published
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.spec import RetentionSpec
from tests.store.rows import NOTHING, RETENTION, T0, change, gap, minutes, result, sample, write, write_samples


@pytest.fixture
def store(store_url: str):
    store = OperationalStore.open(store_url, T0)
    yield store
    store.close()


def count(store: OperationalStore, name: str) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(tables.metadata.tables[name])).scalar_one()


def test_rows_expire_only_after_the_second_publish(store: OperationalStore, tmp_path: Path):
    warehouse, published = tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"
    later = minutes(60 * 24)
    write_samples(store, 0, 100)
    assert expire_hot(store, RETENTION, later)["samples"] == 0
    load_hot(store, warehouse, T0)
    assert expire_hot(store, RETENTION, later)["samples"] == 0
    publish(store, warehouse, published, T0)
    assert expire_hot(store, RETENTION, later)["samples"] == 0
    write_samples(store, 100, 50)
    load_hot(store, warehouse, T0)
    publish(store, warehouse, published, T0)
    assert expire_hot(store, RETENTION, later, batch_rows=30)["samples"] == 100
    assert count(store, "samples") == 50
    assert expire_hot(store, RETENTION, later)["samples"] == 0


def test_rows_younger_than_the_retention_stay(store: OperationalStore, tmp_path: Path):
    warehouse, published = tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"
    write(store, "results", [result("a", minutes(n)) for n in range(300)])
    write(store, "gaps", [gap("a", minutes(n), minutes(n + 1), 2) for n in range(0, 300, 10)])
    write(store, "status_changes", [change("a", minutes(n), "healthy", "warning") for n in range(300)])
    load_hot(store, warehouse, T0)
    for _ in range(2):
        publish(store, warehouse, published, T0)
    deleted = expire_hot(store, RETENTION, minutes(300), batch_rows=7)
    assert deleted == NOTHING | {"results": 180, "gaps": 18, "status_changes": 180, "beats": 0}
    with store.read() as connection:
        oldest = connection.execute(select(func.min(tables.results.c.started))).scalar_one()
    assert oldest == to_us(minutes(180))


def test_expired_ids_never_come_back(store: OperationalStore, tmp_path: Path):
    warehouse, published = tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"
    write_samples(store, 0, 10)
    load_hot(store, warehouse, T0)
    for _ in range(2):
        publish(store, warehouse, published, T0)
    assert expire_hot(store, RETENTION, minutes(60 * 24))["samples"] == 10
    write_samples(store, 10, 1)
    assert load_hot(store, warehouse, T0)["samples"] == 1


def test_heartbeats_keep_the_newest_hundred_of_each_key(store: OperationalStore):
    def beat(key: str, number: int) -> dict[str, object]:
        at = to_us(T0 + timedelta(minutes=number))
        return {"key": key, "at": at, "signal": "success", "duration_ms": None, "exit_code": None, "message": ""}

    write(store, "beats", [beat(key, number) for number in range(250) for key in ("busy/beat", "other/beat")])
    write(store, "beats", [beat("rare/beat", 0)])
    retention = RetentionSpec(changes=timedelta(days=1))
    assert expire_hot(store, retention, minutes(60))["beats"] == 0
    assert expire_hot(store, retention, minutes(60 * 48), batch_rows=64)["beats"] == 300
    with store.read() as connection:
        kept = dict(connection.execute(select(tables.beats.c.key, func.count()).group_by(tables.beats.c.key)).all())
        oldest = connection.execute(
            select(func.min(tables.beats.c.at)).where(tables.beats.c.key == "busy/beat")
        ).scalar()
    assert kept == {"busy/beat": 100, "other/beat": 100, "rare/beat": 1}
    assert oldest == to_us(minutes(150))


def test_the_warehouse_forgets_each_table_at_its_own_age(store: OperationalStore, tmp_path: Path):
    warehouse, published = tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"
    days = [T0 + timedelta(days=n) for n in range(10)]
    write(store, "results", [result("a", day) for day in days])
    write(store, "samples", [sample("a", day, 1.0) for day in days])
    write(store, "gaps", [gap("a", day, day, 1) for day in days])
    write(store, "status_changes", [change("a", day, "healthy", "warning") for day in days])
    load_hot(store, warehouse, T0)
    retention = RetentionSpec(results=timedelta(days=4), samples=timedelta(days=2), changes=timedelta(days=8))
    deleted = expire_warehouse(warehouse, retention, T0 + timedelta(days=10))
    assert {name: count for name, count in deleted.items() if count} == {
        "results": 6, "samples": 8, "gaps": 2, "status_changes": 1,  # the last one of the old holds until the next
    }  # fmt: skip
    assert load_hot(store, warehouse, T0)["results"] == 0
    publish(store, warehouse, published, T0)
    with open_published(published) as connection:
        assert connection.execute("SELECT count(*) FROM results").fetchall() == [(4,)]
