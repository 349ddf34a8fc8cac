"""Lists of alerts and everything about one, from rows of both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import insert

from monitoring_pipeline.alerting import actions
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import AlertMode, AlertState, Severity, Source
from monitoring_pipeline.reports.alerts import AlertFilter, alert_detail, list_alerts
from monitoring_pipeline.store import escalations, outbox, tables
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.outbox import Draft
from tests.alerting.rows import NOW, add_alert

HOUR = timedelta(hours=1)
SOURCES = [
    Source("orders-api", component="web", name="Orders API", owner="shop", tags=("public",), depends_on=("orders-db",)),
    Source("orders-db", component="data", owner="platform"),
    Source("exports", component="data", owner="platform", depends_on=("orders-db",)),
    Source("other", component="data"),
]


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    found = OperationalStore.open(store_url, NOW)
    yield found
    found.close()


def ids(store: OperationalStore, wanted: AlertFilter, limit: int = 200) -> list[int]:
    return [view.alert.id for view in list_alerts(store, SOURCES, wanted, NOW + HOUR, limit)]


def tell(store: OperationalStore, alert: int, *, key: str = "k", channel: str = "mail", state: str = "sent") -> int:
    draft = Draft(
        key=key, kind="firing", reason="first", channel=channel, recipient="ana@example.com", thread="t",
        severity=Severity.CRITICAL, message=json.dumps({"title": "Orders API is down"}), due=NOW, alert_ids=(alert,),
    )  # fmt: skip
    with store.write() as connection:
        (found,) = outbox.enqueue(connection, [draft], NOW)
        connection.execute(tables.notifications.update().where(tables.notifications.c.id == found).values(state=state))
    return found


def test_open_alerts_come_the_worst_first_and_the_limit_keeps_the_worst(store: OperationalStore) -> None:
    worst = add_alert(store, severity="critical", fired=NOW + HOUR / 2)
    silenced = add_alert(store, rule="slow", severity="critical", state="suppressed")
    older = add_alert(store, rule="old", severity="warning", fired=NOW - HOUR)
    newer = add_alert(store, rule="new", severity="warning")
    add_alert(store, rule="doubt", state="pending")
    add_alert(store, rule="past", state="resolved")
    add_alert(store, rule="trial", mode="shadow")
    assert ids(store, AlertFilter()) == [worst.id, silenced.id, older.id, newer.id]
    assert ids(store, AlertFilter(), limit=1) == [worst.id]


def test_filters(store: OperationalStore) -> None:
    api = add_alert(store)
    db = add_alert(store, source="orders-db", component="data", severity="warning")
    gone = add_alert(store, source="exports", component="data", state="resolved", resolved=NOW)
    trial = add_alert(store, rule="trial", mode="shadow")
    assert ids(store, AlertFilter(component="data")) == [db.id]
    assert ids(store, AlertFilter(severities=(Severity.CRITICAL,))) == [api.id]
    assert ids(store, AlertFilter(source="orders-db")) == [db.id]
    assert ids(store, AlertFilter(rule="api-down")) == [api.id, db.id]
    assert ids(store, AlertFilter(team="platform")) == [db.id]
    assert ids(store, AlertFilter(team="platform", source="orders-api")) == []
    assert ids(store, AlertFilter(tag="public")) == [api.id]
    assert ids(store, AlertFilter(states=(AlertState.RESOLVED,))) == [gone.id]
    assert ids(store, AlertFilter(states=())) == [gone.id, db.id, api.id]
    assert ids(store, AlertFilter(states=(), since=NOW + timedelta(seconds=1))) == [db.id, api.id]
    assert ids(store, AlertFilter(modes=(AlertMode.SHADOW,))) == [trial.id]


def test_a_view_knows_names_age_and_who_was_told(store: OperationalStore) -> None:
    alert = add_alert(store)
    orphan = add_alert(store, source="removed", severity="info")
    for number, state in enumerate(["sent", "sent", "dead"]):
        tell(store, alert.id, key=f"k{number}", state=state)
    first, second = list_alerts(store, SOURCES, AlertFilter(), NOW + HOUR)
    assert (first.name, first.owner, first.age, first.told) == ("Orders API", "shop", HOUR, {"sent": 2, "dead": 1})
    assert (second.alert.id, second.name, second.owner, second.told) == (orphan.id, "removed", "", {})


def test_a_view_knows_how_far_its_escalation_is(store: OperationalStore) -> None:
    alert = add_alert(store)
    policy = json.dumps({"levels": [{"after": "0s"}, {"after": "15m"}]})
    with store.write() as connection:
        member = {"group_key": "g", "alert_id": alert.id, "joined": to_us(NOW), "told_state": None}
        connection.execute(insert(tables.memberships).values(**member, told_severity=None))
        escalations.begin_escalation(connection, "g", "oncall", policy, NOW + HOUR, NOW)
    (view,) = list_alerts(store, SOURCES, AlertFilter(), NOW)
    assert view.escalation is not None
    assert (view.escalation.policy, view.escalation.state) == ("oncall", "running")
    assert (view.escalation.level, view.escalation.levels, view.escalation.next_at) == (0, 2, NOW + HOUR)


def test_the_detail_has_what_moved_what_people_did_and_whom_it_was_told(store: OperationalStore) -> None:
    alert = add_alert(store)
    other = add_alert(store, source="orders-db")
    told = tell(store, alert.id)
    tell(store, other.id, key="other")
    with store.write() as connection:
        actions.acknowledge(connection, alert.id, "ana", NOW + HOUR)
        actions.note(connection, alert.id, "ben", NOW + HOUR, "it was the disk")
    detail = alert_detail(store, SOURCES, alert.id, NOW + HOUR)
    assert [each.after.value for each in detail.transitions] == ["firing", "acknowledged"]
    assert [(each.actor, each.action) for each in detail.audit] == [("ana", "acknowledge"), ("ben", "note")]
    assert [(each.actor, each.detail["text"]) for each in detail.notes] == [("ben", "it was the disk")]
    (notification,) = detail.notifications
    assert (notification.id, notification.title, notification.alerts) == (told, "Orders API is down", (alert.id,))


def test_related_are_neighbours_while_it_was_open_and_its_own_past(store: OperationalStore) -> None:
    past = add_alert(store, state="resolved", started=NOW - 3 * HOUR, fired=NOW - 3 * HOUR, resolved=NOW - 2 * HOUR)
    add_alert(store, rule="long-ago", source="orders-db", state="resolved", started=NOW - 3 * HOUR,
              fired=NOW - 3 * HOUR, resolved=NOW - 2 * HOUR)  # fmt: skip
    alert = add_alert(store)
    same = add_alert(store, rule="slow")
    below = add_alert(store, source="orders-db")
    add_alert(store, source="exports")  # a sibling: it needs the same database, which says it already
    add_alert(store, source="other")
    add_alert(store, rule="doubt", state="pending")
    found = {each.alert.id: each.why for each in alert_detail(store, SOURCES, alert.id, NOW).related}
    assert found == {
        same.id: "the same source",
        below.id: "orders-api needs it",
        past.id: "the same, earlier",
    }
    upwards = {each.alert.source: each.why for each in alert_detail(store, SOURCES, below.id, NOW).related}
    assert upwards == {"orders-api": "it needs orders-db", "exports": "it needs orders-db"}


def test_an_alert_that_is_not_there(store: OperationalStore) -> None:
    with pytest.raises(NotFound, match="no alert '5'"):
        alert_detail(store, SOURCES, 5, NOW)
