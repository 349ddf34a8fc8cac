"""Alerts, messages and decisions go when they were kept long enough, and nothing that is still open does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store import tables
from monitoring_pipeline.store.aging import expire_alerts
from monitoring_pipeline.store.operational import OperationalStore

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEPT = timedelta(days=30)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, NOW)
    yield opened
    opened.close()


def days_ago(days: float) -> int:
    return to_us(NOW - timedelta(days=days))


def alert(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": number, "fingerprint": f"f{number}", "open_key": None, "rule": "r", "source": "s", "check_id": "",
        "component": "c", "severity": "critical", "state": "resolved", "mode": "active", "started": days_ago(100),
        "fired": days_ago(100), "acknowledged_by": "", "resolved": days_ago(99), "resolution": "cleared",
        "summary": "", "text": "", "count": 1, "flapping": False, "suppressed_by": "", "labels": "{}",
        "annotations": "{}", **fields,
    }  # fmt: skip


def letter(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": number, "key": f"k{number}", "created": days_ago(99), "kind": "firing", "reason": "first", "channel": "c",
        "recipient": "", "thread": "t", "severity": "critical", "message": "{}", "state": "sent", "due": days_ago(99),
        "attempts": 1, "error": "", **fields,
    }  # fmt: skip


def ids(store: OperationalStore, table: Any, column: str = "id") -> list[int]:
    with store.read() as connection:
        return sorted(connection.execute(select(table.c[column])).scalars())


def test_what_is_over_long_enough_goes_with_all_that_belongs_to_it(store: OperationalStore) -> None:
    with store.write() as connection:
        connection.execute(insert(tables.alerts), [
            alert(1), alert(2, resolved=days_ago(1)), alert(3, open_key="f3", state="firing", resolved=None),
            alert(4, fired=None, resolved=days_ago(10)), alert(5, fired=None, resolved=days_ago(1)),
        ])  # fmt: skip
        for number in (1, 2, 3):
            connection.execute(insert(tables.transitions).values(
                alert_id=number, at=days_ago(100), after="firing", severity="critical", reason="fired", text="", by="",
            ))  # fmt: skip
            connection.execute(insert(tables.memberships).values(group_key="g", alert_id=number, joined=0))
            connection.execute(insert(tables.notification_alerts).values(notification_id=9, alert_id=number))
    assert expire_alerts(store, KEPT, NOW)["alerts"] == 2
    assert ids(store, tables.alerts) == [2, 3, 5]
    for table in (tables.transitions, tables.memberships, tables.notification_alerts):
        assert ids(store, table, "alert_id") == [2, 3]


def test_messages_still_to_be_sent_stay(store: OperationalStore) -> None:
    with store.write() as connection:
        connection.execute(insert(tables.notifications), [
            letter(1), letter(2, created=days_ago(1)), letter(3, state="waiting"), letter(4, state="dead"),
        ])  # fmt: skip
        for number in (1, 2):
            connection.execute(insert(tables.attempts).values(
                notification_id=number, at=days_ago(99), duration_ms=1.0, outcome="sent", detail="", worker="w",
            ))  # fmt: skip
        connection.execute(insert(tables.threads).values(
            channel="c", recipient="", thread="t", reference="{}", at=days_ago(99)
        ))  # fmt: skip
    assert expire_alerts(store, KEPT, NOW)["notifications"] == 2
    assert ids(store, tables.notifications) == [2, 3]
    assert ids(store, tables.attempts, "notification_id") == [2]
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(tables.threads)).scalar_one() == 0


def test_a_second_time_finds_nothing(store: OperationalStore) -> None:
    with store.write() as connection:
        connection.execute(insert(tables.alerts), [alert(1)])
    expire_alerts(store, KEPT, NOW)
    assert set(expire_alerts(store, KEPT, NOW).values()) == {0}
