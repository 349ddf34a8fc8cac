"""Escalations against a clock, in both databases: levels, rounds, acknowledgements and mutes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import delete, select

from monitoring_pipeline.alerting.spec import EscalationSpec
from monitoring_pipeline.records import AlertState, Severity
from monitoring_pipeline.store import alerts as stored_alerts
from monitoring_pipeline.store import escalations as stored
from monitoring_pipeline.store.escalations import EscalationState
from monitoring_pipeline.store.outbox import Draft, enqueue
from monitoring_pipeline.store.tables import groups, memberships, notifications
from tests.alerting.escalating import GROUP, Scene, at, plan, policy


@pytest.fixture
def scene(store_url: str) -> Iterator[Scene]:
    made = Scene(store_url)
    made.group()
    yield made
    made.store.close()


# -- the timeline ------------------------------------------------------------------------------------


def test_to_level_three_and_an_acknowledgement(scene: Scene) -> None:
    scene.plan = plan(policy((0, "oncall:primary"), (5, "person:boss"), (15, "channel:war_room"), (30, "person:zoe")))
    alert = scene.fire()
    assert scene.begin()
    assert scene.next_due() == 0
    assert scene.step(0) == ["1 anna"]
    assert [scene.step(minute) for minute in (0, 1, 4.99)] == [[], [], []]
    assert scene.next_due() == 5
    assert scene.step(5) == ["2 boss"]
    assert scene.step(15) == ["3 war_room"]
    scene.set(alert, "acknowledged", 16)
    assert [scene.step(minute) for minute in (16, 30, 1000)] == [[], [], []]
    assert scene.now().state is EscalationState.ACKNOWLEDGED
    assert scene.next_due() is None
    scene.set(alert, "resolved", 1001)
    assert scene.step(1001) == []
    assert scene.now().state is EscalationState.RESOLVED
    assert scene.verdicts() == ["level_told", "level_told", "level_told", "acknowledged", "resolved"]


def test_an_acknowledgement_stops_a_level_that_is_due_already(scene: Scene) -> None:
    alert = scene.fire()
    scene.begin()
    scene.step(0)
    scene.set(alert, "acknowledged", 5)
    assert scene.step(20) == []


def test_the_message(scene: Scene) -> None:
    scene.plan = plan(EscalationSpec.model_validate(
        {"levels": [{"notify": ["person:anna"], "note": "Look at the runbook first."}]}
    ))  # fmt: skip
    scene.fire(severity="warning")
    scene.fire("stock", severity="error")
    scene.begin()
    scene.step(0)
    with scene.store.read() as connection:
        row = connection.execute(select(notifications)).one()
    message = json.loads(row.message)
    assert (row.kind, row.reason, row.thread, row.severity) == ("escalation", "escalated", GROUP, "error")
    assert (message["level"], message["note"], message["severity"]) == (1, "Look at the runbook first.", "error")
    assert sorted(alert["source"] for alert in message["alerts"]) == ["orders", "stock"]


def test_rounds_repeat_and_end(scene: Scene) -> None:
    scene.plan = plan(policy((1, "person:anna"), (3, "person:boss"), repeat_every="10m", repeats=1))
    scene.fire()
    scene.begin()
    told = {minute: found for minute in range(40) if (found := scene.step(minute))}
    assert told == {1: ["1 anna"], 3: ["2 boss"], 14: ["1 anna"], 16: ["2 boss"]}
    assert scene.now().state is EscalationState.EXHAUSTED
    assert scene.verdicts()[-1] == "exhausted"
    with scene.store.read() as connection:
        keys = list(connection.execute(select(notifications.c.key)).scalars())
        reasons = list(connection.execute(select(notifications.c.reason).order_by(notifications.c.id)).scalars())
    assert len(set(keys)) == 4
    assert reasons == ["escalated", "escalated", "escalated_again", "escalated_again"]
    assert not scene.begin(40), "it is the group's escalation until the group is over"


def test_levels_that_were_missed_are_told_once_and_together(scene: Scene) -> None:
    scene.fire()
    scene.begin()
    assert scene.step(0) == ["1 anna"]
    assert scene.step(60) == ["3 boss", "3 war_room"], "the second level's person is in the third as well"
    assert scene.step(61) == []
    assert scene.now().state is EscalationState.EXHAUSTED


def test_rounds_that_were_missed_are_not_told_one_by_one(scene: Scene) -> None:
    scene.plan = plan(policy((0, "person:anna"), (5, "person:boss"), repeat_every="10m", repeats=5))
    scene.fire()
    scene.begin()
    assert scene.step(0) == ["1 anna"]
    assert sorted(scene.step(47)) == ["1 anna", "2 boss"]
    assert scene.next_due() == 50
    assert scene.step(50) == ["2 boss"]


def test_everything_at_once_when_nothing_ran_from_the_beginning(scene: Scene) -> None:
    scene.fire()
    scene.begin()
    assert sorted(scene.step(120)) == ["1 anna", "3 boss", "3 war_room"]


def test_whom_the_groups_own_message_reached_just_now_is_not_told_twice(scene: Scene) -> None:
    scene.plan = plan(policy((0, "person:anna channel:war_room"), (5, "channel:war_room")))
    scene.fire()
    scene.begin()
    draft = Draft("k", "firing", "first", "war_room", GROUP, Severity.CRITICAL, '{"level": 0}', at(0))
    with scene.store.write() as connection:
        enqueue(connection, [draft], at(0))
    assert scene.step(0) == ["1 anna"]
    assert scene.step(5) == ["2 war_room"]


def test_a_group_has_one_escalation(scene: Scene) -> None:
    scene.fire()
    assert scene.begin()
    assert not scene.begin(1)
    assert not scene.begin(1, "other", "no such policy")
    with scene.store.read() as connection:
        assert len(stored.open_escalations(connection)) == 1


# -- acknowledgements that run out -------------------------------------------------------------------


@pytest.mark.parametrize("until", [None, 27.0])
def test_after_the_timeout_the_level_where_it_was_is_told_again(scene: Scene, until: float | None) -> None:
    """By the policy (20 minutes after minute 7), or by what the acknowledgement said."""
    scene.plan = plan(policy(
        (0, "person:anna"), (5, "person:boss"), (15, "channel:war_room"),
        acknowledge_timeout="20m" if until is None else None,
    ))  # fmt: skip
    alert = scene.fire()
    scene.begin()
    assert scene.step(0) + scene.step(5) == ["1 anna", "2 boss"]
    scene.set(alert, "acknowledged", 7, until)
    assert scene.step(7) == []
    assert scene.next_due() == 27
    assert scene.step(26.9) == []
    assert scene.step(27) == ["2 boss"]
    with scene.store.read() as connection:
        found = stored_alerts.get_alert(connection, alert)
        (moved,) = stored_alerts.transitions_of(connection, [alert])
    assert (found.state, found.acknowledged_by, found.acknowledged_until) == (AlertState.FIRING, "", None)
    assert (moved.before, moved.after, moved.reason) == ("acknowledged", "firing", "unacknowledged")
    assert moved.text == "the acknowledgement of anna ran out"
    assert scene.step(36.9) == []
    assert scene.step(37) == ["3 war_room"], "as far from the second level as ever"
    with scene.store.read() as connection:
        reasons = list(connection.execute(select(notifications.c.reason).order_by(notifications.c.id)).scalars())
    assert reasons == ["escalated", "escalated", "escalated_anew", "escalated"]
    assert scene.now().state is EscalationState.EXHAUSTED


def test_the_policys_timeout_is_seen_on_the_alert(scene: Scene) -> None:
    scene.plan = plan(policy((0, "person:anna"), acknowledge_timeout="20m"))
    alert = scene.fire()
    scene.begin()
    scene.step(0)
    scene.set(alert, "acknowledged", 7)
    scene.step(8)
    with scene.store.read() as connection:
        assert stored_alerts.get_alert(connection, alert).acknowledged_until == at(27)


def test_even_an_exhausted_one_tells_again(scene: Scene) -> None:
    scene.plan = plan(policy((0, "person:anna"), acknowledge_timeout="20m"))
    alert = scene.fire()
    scene.begin()
    assert scene.step(0) == ["1 anna"]
    for minute in (10, 40):
        scene.set(alert, "acknowledged", minute)
        assert scene.step(minute) == []
        assert scene.step(minute + 20) == ["1 anna"]
    assert scene.now().state is EscalationState.EXHAUSTED


def test_somebody_who_takes_the_acknowledgement_back(scene: Scene) -> None:
    alert = scene.fire()
    scene.begin()
    scene.step(0)
    scene.set(alert, "acknowledged", 2)
    scene.step(2)
    with scene.store.write() as connection:
        stored_alerts.unacknowledge(connection, alert, at(30), by="anna")
    assert scene.step(30) == ["1 anna"]
    assert scene.step(35) == ["2 boss"]


def test_an_acknowledgement_before_anybody_was_told(scene: Scene) -> None:
    scene.plan = plan(policy((10, "person:anna"), (15, "person:boss")))
    alert = scene.fire()
    scene.begin()
    scene.set(alert, "acknowledged", 2, until=4)
    assert scene.step(3) == []
    assert scene.step(4) == []
    assert scene.step(10) == ["1 anna"]
    assert scene.step(15) == ["2 boss"]


def test_between_two_rounds_the_last_level_is_where_it_was(scene: Scene) -> None:
    scene.plan = plan(policy((0, "person:anna"), (5, "person:boss"), repeat_every="10m", repeats=1))
    alert = scene.fire()
    scene.begin()
    scene.step(0)
    scene.step(5)
    scene.set(alert, "acknowledged", 6, until=30)
    scene.step(6)
    assert scene.step(30) == ["2 boss"]
    assert scene.step(40) == ["1 anna"]
    assert scene.step(45) == ["2 boss"]
    assert scene.now().state is EscalationState.EXHAUSTED


def test_one_acknowledged_alert_does_not_quiet_the_others(scene: Scene) -> None:
    first = scene.fire()
    second = scene.fire("stock")
    scene.begin()
    scene.step(0)
    scene.set(first, "acknowledged", 1)
    assert scene.step(5) == ["2 boss"]
    with scene.store.read() as connection:
        (row,) = connection.execute(select(notifications).where(notifications.c.recipient == "boss@example.com"))
    assert [alert["source"] for alert in json.loads(row.message)["alerts"]] == ["stock"]
    scene.set(second, "resolved", 6)
    assert scene.step(15) == []
    assert scene.now().state is EscalationState.ACKNOWLEDGED


def test_a_new_alert_of_the_group_goes_on_where_it_was(scene: Scene) -> None:
    scene.set(scene.fire(), "acknowledged", 1)
    scene.begin()
    scene.step(1)
    scene.fire("stock", minute=20)
    assert scene.step(20) == ["1 anna"]


# -- muted -------------------------------------------------------------------------------------------


def test_while_it_is_muted_the_clock_stands_still(scene: Scene) -> None:
    alert = scene.fire()
    scene.begin()
    assert scene.step(0) == ["1 anna"]
    scene.set(alert, "suppressed")
    assert scene.step(3) == []
    assert scene.now().state is EscalationState.PAUSED
    assert scene.next_due() is None
    assert [scene.step(minute) for minute in (5, 15, 60)] == [[], [], []]
    scene.set(alert, "firing")
    assert scene.step(100) == []
    assert scene.next_due() == 102
    assert scene.step(102) == ["2 boss"]
    assert scene.step(112) == ["3 war_room", "3 boss"]
    assert scene.verdicts() == ["level_told", "paused", "resumed", "level_told", "level_told", "exhausted"]


def test_what_was_told_to_its_end_stays_told_after_a_mute(scene: Scene) -> None:
    scene.plan = plan(policy((0, "person:anna")))
    alert = scene.fire()
    scene.begin()
    scene.step(0)
    scene.set(alert, "suppressed")
    scene.step(1)
    scene.set(alert, "firing")
    assert scene.step(2) == []
    assert scene.now().state is EscalationState.EXHAUSTED


def test_a_mute_that_follows_an_acknowledgement(scene: Scene) -> None:
    alert = scene.fire()
    scene.begin()
    scene.step(0)
    scene.set(alert, "acknowledged", 1)
    scene.step(1)
    scene.set(alert, "suppressed")
    scene.step(2)
    scene.set(alert, "firing")
    assert scene.step(30) == ["1 anna"]


def test_what_is_over_while_muted_is_over(scene: Scene) -> None:
    alert = scene.fire()
    scene.begin()
    scene.set(alert, "suppressed")
    scene.step(0)
    scene.set(alert, "resolved")
    assert scene.step(1) == []
    assert scene.now().state is EscalationState.RESOLVED


def test_a_group_that_is_gone_is_over(scene: Scene) -> None:
    scene.fire()
    scene.begin()
    scene.step(0)
    with scene.store.write() as connection:
        connection.execute(delete(memberships))
        connection.execute(delete(groups))
    assert scene.step(5) == []
    assert scene.now().state is EscalationState.RESOLVED
