"""Events are kept once each."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from monitoring_pipeline.records import Event, Severity
from monitoring_pipeline.store.events import insert_events
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import events

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_event_that_is_found_again_is_the_same_one(store_url: str) -> None:
    store = OperationalStore.open(store_url, T0)
    drift = Event("orders", "schema_drift", "total", T0, "total became text", Severity.WARNING, detail={"now": "text"})
    other = Event("orders", "schema_drift", "total", T0, "another one", key="given")
    with store.write() as connection:
        assert insert_events(connection, [drift, other]) == 2
        assert insert_events(connection, [drift, other]) == 0
    with store.read() as connection:
        rows = connection.execute(select(events)).mappings().all()
    assert [(row["kind"], row["subject"], row["text"], row["detail"]) for row in rows] == [
        ("schema_drift", "total", "total became text", '{"now":"text"}'),
        ("schema_drift", "total", "another one", "{}"),
    ]
    store.close()
