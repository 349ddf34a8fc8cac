"""Collectors in Dagster: verdicts as samples, and a table to read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import yaml
from sqlalchemy import select

from assets.collection import collector_table, collectors
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.records import CollectionAttempt
from monitoring_pipeline.store import tables


def test_the_asset_tells_how_collectors_do(tmp_path: Path):
    path = tmp_path / "monitoring.yaml"
    document = {
        "version": 1,
        "sources": [{"id": "orders", "checks": [{"kind": "tcp", "host": "127.0.0.1", "port": 9}]}],
        "collectors": {"loader": {"source": "orders"}, "silent": {"source": "orders"}},
    }
    path.write_text(yaml.safe_dump(document))
    monitoring = Monitoring.open(path)
    now = datetime.now(UTC)
    monitoring.collection.record(
        [CollectionAttempt(f"key-{n}", "loader", "orders", n > 5, now, now, error="no | route") for n in range(6)]
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([collectors], instance=instance, resources={"monitoring": monitoring})
    [event] = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert (metadata["collectors"].value, metadata["critical"].value, metadata["unknown"].value) == (2, 1, 1)
    assert "| loader | orders | critical | 6 in 1d | 100.0 % |  | 6 failures in a row: no \\| route |" in str(
        metadata["worst"].value
    )
    with monitoring.store.read() as connection:
        rows = connection.execute(
            select(tables.samples.c.check_id, tables.samples.c.value)
            .where(tables.samples.c.metric == "collection.status")
            .order_by(tables.samples.c.id)
        ).all()
    assert rows == [("loader", 3.0), ("silent", 1.0)]
    monitoring.close()


def test_without_any_the_table_says_so():
    assert collector_table([]) == "No collector reported, and none is declared."
