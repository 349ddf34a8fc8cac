"""What people do to alerts: the change, its transition and its audit row, all or none of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from monitoring_pipeline.alerting import actions
from monitoring_pipeline.alerting.actions import Refusal
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import AlertState
from monitoring_pipeline.store import alerts
from monitoring_pipeline.store.operational import OperationalStore
from tests.alerting.rows import NOW, add_alert

HOUR = timedelta(hours=1)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    found = OperationalStore.open(store_url, NOW)
    yield found
    found.close()


def moves(store: OperationalStore, alert_id: int) -> list[tuple[str, str, str]]:
    with store.read() as connection:
        return [(each.after.value, each.reason, each.by) for each in alerts.transitions_of(connection, [alert_id])][1:]


def audited(store: OperationalStore, subject: str) -> list[tuple[str, str, dict[str, object]]]:
    with store.read() as connection:
        return [(each.actor, each.action, dict(each.detail)) for each in alerts.audit_of(connection, subject)]


def test_acknowledging_writes_state_transition_and_audit(store: OperationalStore) -> None:
    alert = add_alert(store)
    with store.write() as connection:
        done = actions.acknowledge(connection, alert.id, "ana", NOW, until=NOW + HOUR, text="on it")
    assert done.changed
    assert done.alert.state is AlertState.ACKNOWLEDGED
    assert (done.alert.acknowledged, done.alert.acknowledged_by) == (NOW, "ana")
    assert done.alert.acknowledged_until == NOW + HOUR
    assert moves(store, alert.id) == [("acknowledged", "acknowledged", "ana")]
    assert audited(store, f"alert:{alert.id}") == [
        ("ana", "acknowledge", {"until": "2026-03-01 13:00:00+00:00", "text": "on it"})
    ]


def test_the_clock_of_an_acknowledgement_joins_the_alerts_clocks(store: OperationalStore) -> None:
    early = add_alert(store, due=NOW + HOUR / 2)
    late = add_alert(store, source="orders-db", due=NOW + 2 * HOUR)
    with store.write() as connection:
        for each in (early, late):
            actions.acknowledge(connection, each.id, "ana", NOW, until=NOW + HOUR)
        rows = alerts.open_rows(connection)
    assert rows[early.fingerprint]["due"] == to_us(NOW + HOUR / 2)
    assert rows[late.fingerprint]["due"] == to_us(NOW + HOUR)


def test_acknowledging_twice_is_fine_and_changes_nothing(store: OperationalStore) -> None:
    alert = add_alert(store)
    with store.write() as connection:
        actions.acknowledge(connection, alert.id, "ana", NOW)
        again = actions.acknowledge(connection, alert.id, "ben", NOW + HOUR)
    assert not again.changed
    assert again.text == f"alert {alert.id} was acknowledged by ana already"
    assert again.alert.acknowledged == NOW
    assert len(moves(store, alert.id)) == 1
    assert len(audited(store, f"alert:{alert.id}")) == 1


def test_a_later_acknowledgement_may_move_its_end_without_telling_anybody(store: OperationalStore) -> None:
    alert = add_alert(store)
    with store.write() as connection:
        actions.acknowledge(connection, alert.id, "ana", NOW)
        longer = actions.acknowledge(connection, alert.id, "ben", NOW, until=NOW + HOUR)
    assert (longer.alert.acknowledged_by, longer.alert.acknowledged_until) == ("ben", NOW + HOUR)
    assert len(moves(store, alert.id)) == 1
    assert [who for who, _, _ in audited(store, f"alert:{alert.id}")] == ["ana", "ben"]


def test_what_is_suppressed_can_be_acknowledged(store: OperationalStore) -> None:
    alert = add_alert(store, state="suppressed", suppressed_by="silence 3 of ben")
    with store.write() as connection:
        done = actions.acknowledge(connection, alert.id, "ana", NOW)
    assert (done.alert.state, done.alert.suppressed_by) == (AlertState.ACKNOWLEDGED, "")


@pytest.mark.parametrize(("state", "told"), [("resolved", "is over"), ("pending", "busta silences add --from-alert")])
def test_what_makes_no_sense_is_refused_and_leaves_no_trace(store: OperationalStore, state: str, told: str) -> None:
    alert = add_alert(store, state=state, resolution="cleared" if state == "resolved" else "")
    with pytest.raises(Refusal, match=told), store.write() as connection:
        actions.acknowledge(connection, alert.id, "ana", NOW)
    assert moves(store, alert.id) == audited(store, f"alert:{alert.id}") == []


def test_an_end_in_the_past_is_refused(store: OperationalStore) -> None:
    alert = add_alert(store)
    with pytest.raises(Refusal, match="in the future"), store.write() as connection:
        actions.acknowledge(connection, alert.id, "ana", NOW, until=NOW)


def test_an_unknown_alert_is_not_found(store: OperationalStore) -> None:
    add_alert(store)
    with pytest.raises(NotFound, match="there is no alert '99'"), store.write() as connection:
        actions.acknowledge(connection, 99, "ana", NOW)


def test_taking_an_acknowledgement_back_lets_it_fire(store: OperationalStore) -> None:
    alert = add_alert(store)
    with store.write() as connection:
        actions.acknowledge(connection, alert.id, "ana", NOW, until=NOW + HOUR)
        done = actions.unacknowledge(connection, alert.id, "ana", NOW, text="wrong one")
        again = actions.unacknowledge(connection, alert.id, "ana", NOW)
    assert (done.alert.state, done.alert.acknowledged_by) == (AlertState.FIRING, "")
    assert (done.changed, again.changed) == (True, False)
    assert moves(store, alert.id)[-1] == ("firing", "unacknowledged", "ana")


def test_resolving_by_hand_ends_it_and_makes_room_for_the_next(store: OperationalStore) -> None:
    alert = add_alert(store, state="suppressed", suppressed_by="maintenance", due=NOW + HOUR)
    with store.write() as connection:
        done = actions.resolve(connection, alert.id, "ana", NOW, text="a false alarm")
        again = actions.resolve(connection, alert.id, "ana", NOW)
        assert alerts.open_rows(connection) == {}
        assert alerts.next_due(connection) is None
    assert (done.alert.state, done.alert.resolved, done.alert.resolution) == (AlertState.RESOLVED, NOW, "by_hand")
    assert (done.changed, again.changed) == (True, False)
    assert moves(store, alert.id) == [("resolved", "by_hand", "ana")]
    assert add_alert(store).id != alert.id


def test_notes_are_kept_also_after_the_end(store: OperationalStore) -> None:
    alert = add_alert(store, state="resolved")
    with store.write() as connection:
        actions.note(connection, alert.id, "ana", NOW, "  it was the disk\n")
    assert audited(store, f"alert:{alert.id}") == [("ana", "note", {"text": "it was the disk"})]
    with pytest.raises(Refusal, match="needs a text"), store.write() as connection:
        actions.note(connection, alert.id, "ana", NOW, " ")
