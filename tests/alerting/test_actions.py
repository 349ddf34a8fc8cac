"""What people do to alerts: the change, its transition and its audit row, all or none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from monitoring_pipeline.alerting import actions
from monitoring_pipeline.alerting.actions import Refusal
from monitoring_pipeline.alerting.selector import Matcher
from monitoring_pipeline.alerting.spec import PersonSpec, Plan, RotaSpec
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import AlertState, Source
from monitoring_pipeline.store import alerts, overrides, silences
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.overrides import Override
from monitoring_pipeline.store.silences import SilenceKind
from tests.alerting.rows import NOW, add_alert

HOUR = timedelta(hours=1)
MATCHER = Matcher(source="orders-api", rule="api-down")


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
    assert moves(store, alert.id) == []
    assert audited(store, f"alert:{alert.id}") == []


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


# -- silences, maintenance, standing in ----------------------------------------------------------------


def test_a_silence_is_kept_with_who_and_why(store: OperationalStore) -> None:
    with store.write() as connection:
        done = actions.mute(connection, MATCHER, "ana", NOW, reason="a new disk", ends=NOW + HOUR)
        assert [each.id for each in silences.active(connection, NOW)] == [done.silence.id]
    assert done.silence.matchers == {"source": ["orders-api"], "rule": ["api-down"]}
    assert (done.silence.author, done.silence.reason, done.silence.ends) == ("ana", "a new disk", NOW + HOUR)
    ((who, what, detail),) = audited(store, f"silence:{done.silence.id}")
    assert (who, what, detail["reason"]) == ("ana", "silence_start", "a new disk")


def test_the_same_silence_twice_is_one(store: OperationalStore) -> None:
    with store.write() as connection:
        first = actions.mute(connection, MATCHER, "ana", NOW, reason="why", ends=NOW + HOUR)
        again = actions.mute(connection, MATCHER, "ana", NOW, reason="why", ends=NOW + HOUR)
        other = actions.mute(
            connection, MATCHER, "ana", NOW, reason="why", ends=NOW + HOUR, kind=SilenceKind.MAINTENANCE
        )
    assert (first.changed, again.changed, other.changed) == (True, False, True)
    assert first.silence.id == again.silence.id


def test_a_silence_made_from_an_alert_means_its_like(store: OperationalStore) -> None:
    alert = add_alert(store, check_id="http")
    with store.read() as connection:
        matcher = actions.matcher_of(connection, alert.id)
    assert matcher == Matcher(source="orders-api", rule="api-down", check="http")


@pytest.mark.parametrize(
    ("matcher", "reason", "ends", "told"),
    [
        (Matcher(), "why", HOUR, "mute everything"),
        (Matcher(source="a"), " ", HOUR, "a reason is needed"),
        (Matcher(source="a"), "why", timedelta(0), "in the future"),
    ],
)
def test_a_silence_that_makes_no_sense(
    store: OperationalStore, matcher: Matcher, reason: str, ends: timedelta, told: str
) -> None:
    with pytest.raises(Refusal, match=told), store.write() as connection:
        actions.mute(connection, matcher, "ana", NOW, reason=reason, ends=NOW + ends)
    with store.read() as connection:
        assert silences.find(connection) == []


def test_ending_a_silence_twice_is_fine_and_ending_a_maintenance_as_one_is_not(store: OperationalStore) -> None:
    with store.write() as connection:
        made = actions.mute(connection, MATCHER, "ana", NOW, reason="why").silence
        with pytest.raises(Refusal, match=f"busta silences end {made.id}"):
            actions.end_mute(connection, made.id, "ben", NOW, kind=SilenceKind.MAINTENANCE)
        done = actions.end_mute(connection, made.id, "ben", NOW + HOUR, kind=SilenceKind.SILENCE)
        again = actions.end_mute(connection, made.id, "ben", NOW + HOUR, kind=SilenceKind.SILENCE)
    assert (done.changed, done.silence.ends, done.silence.ended_by) == (True, NOW + HOUR, "ben")
    assert (again.changed, again.text) == (False, f"silence {made.id} was over already")
    assert [what for _, what, _ in audited(store, f"silence:{made.id}")] == ["silence_start", "silence_end"]


@pytest.mark.parametrize(
    ("matcher", "told"),
    [
        (Matcher(source="ordres-api"), "there is no source 'ordres-api'; did you mean 'orders-api'?"),
        (Matcher(component="wbe"), "there is no component"),
        (Matcher(tag="nope"), "there is no tag"),
        (Matcher(owner="nobody"), "there is no owner"),
        (Matcher(rule="api-donw"), "there is no rule"),
    ],
)
def test_names_that_nothing_has(matcher: Matcher, told: str) -> None:
    sources = [Source("orders-api", component="web", owner="shop", tags=("public",))]
    with pytest.raises(NotFound, match=re.escape(told)):
        actions.verify(matcher, sources, Plan())
    actions.verify(Matcher(source="orders-*", component="web", tag="public", owner="shop"), sources, Plan())


def test_somebody_stands_in(store: OperationalStore) -> None:
    plan = Plan(people={"ana": PersonSpec(), "ben": PersonSpec()}, rotas={"primary": RotaSpec(people=("ana",))})
    wanted = Override("primary", "ben", NOW, NOW + HOUR, author="ana", reason="at the dentist")
    with store.write() as connection:
        done = actions.override(connection, wanted, plan, "ana", NOW)
        again = actions.override(connection, wanted, plan, "ana", NOW)
        assert [each.person for each in overrides.list_overrides(connection)] == ["ben"]
        assert actions.end_override(connection, done.override.id, "ana", NOW + HOUR / 2)
        assert not actions.end_override(connection, done.override.id, "ana", NOW + HOUR / 2)
    assert (done.changed, again.changed) == (True, False)
    assert [what for _, what, _ in audited(store, "rota:primary")] == ["override", "override_end"]


@pytest.mark.parametrize(
    ("wanted", "error", "told"),
    [
        (Override("primry", "ben", NOW, NOW + HOUR), NotFound, "did you mean 'primary'"),
        (Override("primary", "bne", NOW, NOW + HOUR), NotFound, "there is no person"),
        (Override("primary", "ben", NOW - HOUR, NOW), Refusal, "in the future"),
        (Override("primary", "ben", NOW + 2 * HOUR, NOW + HOUR), Refusal, "after it begins"),
    ],
)
def test_who_cannot_stand_in(store: OperationalStore, wanted: Override, error: type[Exception], told: str) -> None:
    plan = Plan(people={"ben": PersonSpec()}, rotas={"primary": RotaSpec(people=("ben",))})
    with pytest.raises(error, match=told), store.write() as connection:
        actions.override(connection, wanted, plan, "ana", NOW)
