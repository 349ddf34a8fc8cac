"""What was told to whom, read in both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store import deliveries, outbox, tables
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import Draft
from tests.alerting.rows import NOW, add_alert

HOUR = timedelta(hours=1)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    found = OperationalStore.open(store_url, NOW)
    yield found
    found.close()


def tell(store: OperationalStore, key: str, state: str = "sent", **fields: object) -> int:
    given: dict[str, object] = {"kind": "firing", "channel": "chat", "alert_ids": (), "message": "{}", **fields}
    at = NOW - HOUR * int(str(given.pop("hours_ago", 0)))
    draft = Draft(key=key, reason="first", thread="t", severity=Severity.ERROR, due=at, **given)  # type: ignore[arg-type]
    with store.write() as connection:
        (number,) = outbox.enqueue(connection, [draft], at)
        rows = tables.notifications
        connection.execute(update(rows).where(rows.c.id == number).values(state=state))
    return number


def test_notifications_are_found_by_every_filter(store: OperationalStore) -> None:
    alert, other = add_alert(store), add_alert(store, source="orders-db")
    old = tell(store, "a", hours_ago=3, alert_ids=(alert.id, other.id), message=json.dumps({"title": "It is down"}))
    dead = tell(store, "b", "dead", channel="pager")
    over = tell(store, "c", kind="resolved", alert_ids=(alert.id,), message="no JSON")
    with store.read() as connection:

        def ids(**wanted: object) -> list[int]:
            return [each.id for each in deliveries.find_notifications(connection, **wanted)]  # type: ignore[arg-type]

        assert ids() == [over, dead, old]
        assert ids(states=("dead",)) == [dead]
        assert ids(states=("dead", "sent"), limit=2) == [over, dead]
        assert ids(channel="pager") == [dead]
        assert ids(kind="resolved") == [over]
        assert ids(alert=other.id) == [old]
        assert ids(since=NOW - HOUR) == [over, dead]
        assert ids(until=NOW - HOUR) == [old]
        found = deliveries.get_notification(connection, old)
        assert (found.title, found.alerts, found.created) == ("It is down", (alert.id, other.id), NOW - 3 * HOUR)
        assert deliveries.get_notification(connection, over).title == ""
        assert [each.id for each in deliveries.notifications_of(connection, [alert.id])] == [old, over]
        with pytest.raises(NotFound, match="there is no notification '99'"):
            deliveries.get_notification(connection, 99)


def test_what_is_counted(store: OperationalStore) -> None:
    alert, other = add_alert(store), add_alert(store, source="orders-db")
    for number, state in enumerate(("sent", "sent", "dead", "waiting")):
        tell(store, f"a{number}", state, alert_ids=(alert.id,))
    tell(store, "b", "waiting", channel="pager")
    with store.read() as connection:
        counted = deliveries.states_by_alert(connection, [alert.id, other.id])
        assert counted == {alert.id: {"sent": 2, "dead": 1, "waiting": 1}}
        assert deliveries.queue_lengths(connection, ("waiting", "dead")) == {
            "chat": {"waiting": 1, "dead": 1}, "pager": {"waiting": 1},
        }  # fmt: skip
        assert sorted(deliveries.channel_names(connection)) == ["chat", "pager"]


def test_tries_and_groups(store: OperationalStore) -> None:
    alert = add_alert(store)
    number = tell(store, "a")
    tried = {"notification_id": number, "at": to_us(NOW), "duration_ms": 12.5, "detail": "", "worker": "w"}
    with store.write() as connection:
        connection.execute(insert(tables.attempts), [
            {**tried, "outcome": "failed", "code": 500}, {**tried, "outcome": "sent", "code": None},
        ])  # fmt: skip
        connection.execute(insert(tables.memberships), [
            {"group_key": key, "alert_id": alert.id, "joined": joined, "told_state": None, "told_severity": None}
            for key, joined in (("later", 2), ("first", 1))
        ])  # fmt: skip
        found = deliveries.attempts_of(connection, [number])
        assert [(each.outcome, each.code, each.at) for each in found] == [("failed", 500, NOW), ("sent", None, NOW)]
        assert deliveries.groups_of(connection, [alert.id]) == {alert.id: ("first", "later")}
