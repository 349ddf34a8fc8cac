"""What the stages ask of notifications, and of status changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, update

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store import outbox, told
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import Draft, NotificationState
from monitoring_pipeline.store.tables import notifications, status_changes

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def second(number: float) -> datetime:
    return NOW + timedelta(seconds=number)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, NOW)
    yield opened
    opened.close()


def write(store: OperationalStore, key: str, at: float = 0, **values: Any) -> int:
    given = {
        "kind": "firing", "reason": "first", "channel": "ops", "thread": "t", "severity": Severity.ERROR,
        "message": "{}", "due": second(at), "alert_ids": (1,), **values,
    }  # fmt: skip
    with store.write() as connection:
        return outbox.enqueue(connection, [Draft(key=key, **given)], second(at))[0]


def change(store: OperationalStore, notification: int, **values: Any) -> None:
    with store.write() as connection:
        connection.execute(update(notifications).where(notifications.c.id == notification).values(**values))


def test_what_was_told_of_alerts(store: OperationalStore) -> None:
    first = write(store, "a", alert_ids=(1, 2))
    write(store, "b", alert_ids=(3,))
    write(store, "c", alert_ids=(2,), state=NotificationState.DROPPED)
    last = write(store, "d", alert_ids=(2, 4), recipient="eva@example.com")
    with store.read() as connection:
        found = told.told_of(connection, range(1, 3))
    assert {each.id: alerts for each, alerts in found.items()} == {first: {1, 2}, last: {2}}
    assert [each.place for each in found] == [("ops", ""), ("ops", "eva@example.com")]


def test_what_is_held_is_what_waits_and_was_not_tried(store: OperationalStore) -> None:
    held = write(store, "a", due=second(60))
    gathers = write(store, "b", due=second(60), state=NotificationState.COLLECTING)
    write(store, "c")
    change(store, write(store, "d", due=second(60)), attempts=1)
    change(store, write(store, "e", due=second(60)), state="sending")
    write(store, "f", due=second(60), channel="gone")
    with store.read() as connection:
        found = told.outstanding(connection, ["ops", "chat"], second(1))
        every = told.told_of(connection, [1])
    assert [each.id for each in found] == [held, gathers]
    assert [each.id for each in every if each.channel == "ops" and each.is_held(second(1))] == [held, gathers]


def test_looks_for_what_is_held_in_the_small_index(tmp_path: Path) -> None:
    """However long the log is."""
    store = OperationalStore.open(f"sqlite:///{tmp_path / 'operational.db'}", NOW)
    asked: list[tuple[str, Any]] = []
    event.listen(store.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    with store.read() as connection:
        told.outstanding(connection, ["ops", "chat"], NOW)
        query, values = asked[-1]
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)]
    partial = ("notifications_due", "notifications_line")  # they know only what is still to be sent
    assert any(name in line for name in partial for line in plan)
    store.close()


def test_counts_messages_at_the_moment_at_which_they_come(store: OperationalStore) -> None:
    write(store, "a", 0)
    write(store, "b", 10)
    write(store, "c", 20, channel="chat")
    write(store, "d", 30, due=second(3600))
    write(store, "e", 40, kind="digest")
    write(store, "f", 50, state=NotificationState.DROPPED)
    change(store, write(store, "g", 55), state="sending", due=to_us(second(90)))
    with store.read() as connection:
        found = told.sent_since(connection, ["ops", "chat"], second(0), {"firing", "resolved"})
    assert found == [("ops", second(10)), ("chat", second(20)), ("ops", second(55)), ("ops", second(3600))]


def test_alerts_of_notifications_and_their_unlinking(store: OperationalStore) -> None:
    first, second_one = write(store, "a", alert_ids=(1, 2, 3)), write(store, "b", alert_ids=(3,))
    with store.write() as connection:
        told.unlink(connection, [(first, 1), (first, 3)])
        assert told.alerts_told(connection, [first, second_one]) == {first: [2], second_one: [3]}


def test_the_newest_change_of_each_source(store: OperationalStore) -> None:
    rows = [
        {"source": source, "at": to_us(second(at)), "before": before, "after": after, "score": None, "reason": ""}
        for source, at, before, after in (
            ("a", 0, "unknown", "healthy"), ("b", 1, "unknown", "critical"), ("a", 2, "healthy", "critical"),
        )
    ]  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(status_changes), rows)
        found = told.newest_changes(connection, {"a", "b", "c"})
    assert found == {"a": (second(2), "healthy", "critical"), "b": (second(1), "unknown", "critical")}
