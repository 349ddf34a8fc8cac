"""Escalations against a clock, in both databases: levels, acknowledgements, mutes, repairs, and restarts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import delete, insert, select, update

from monitoring_pipeline.alerting import escalation
from monitoring_pipeline.alerting.channel import Channel
from monitoring_pipeline.alerting.spec import (
    AlertingSpec,
    EscalationSpec,
    PersonSpec,
    Plan,
    QuietHours,
    RotaSpec,
    Route,
    TeamSpec,
)
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import AlertState, Source
from monitoring_pipeline.store import alerts as stored_alerts
from monitoring_pipeline.store import escalations as stored
from monitoring_pipeline.store.escalations import Escalation, EscalationState
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.overrides import Override, add_override
from monitoring_pipeline.store.tables import alerts, decisions, escalations, groups, memberships, notifications

T0 = datetime(2026, 5, 6, 12, tzinfo=UTC)
GROUP = "pages/source=orders#1"


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


class Mail(Channel):
    recipient_field: ClassVar[str] = "email"
    kind: str = "mail"


class Hook(Channel):
    kind: str = "hook"


def person(name: str, **how: Any) -> PersonSpec:
    return PersonSpec(email=f"{name}@example.com", **how)


def policy(*levels: tuple[float, str], **how: Any) -> EscalationSpec:
    listed = [{"after": after * 60, "notify": notify.split()} for after, notify in levels]
    return EscalationSpec.model_validate({"levels": listed, **how})


CLIMB = policy((0, "oncall:primary"), (5, "person:boss"), (15, "channel:war_room person:boss"))


def plan(main: EscalationSpec = CLIMB, **changed: Any) -> Plan:
    parts: dict[str, Any] = {
        "spec": AlertingSpec(routes=(Route(name="pages", escalation="main", notify=("channel:war_room",)),)),
        "channels": {"mail": Mail(), "war_room": Hook()},
        "people": {"anna": person("anna"), "boss": person("boss"), "zoe": person("zoe")},
        "teams": {"ops": TeamSpec(members=("anna", "zoe"), oncall="primary")},
        "rotas": {"primary": RotaSpec(people=("anna",))},
        "escalations": {"main": main},
    }
    return Plan(**(parts | changed))


class Scene:
    """A store with one group of alerts, and hands to move them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = OperationalStore.open(url, T0)
        self.plan = plan()

    # -- what others do ------------------------------------------------------------------------------

    def group(self, key: str = GROUP, *, mode: str = "active", route: str = "pages", since: float = 0) -> None:
        row = {
            "key": key, "route": route, "mode": mode, "labels": "{}", "created": to_us(at(since)), "flush_at": None,
            "flushed_at": None, "notified_at": to_us(at(since)), "sequence": 1,
        }  # fmt: skip
        with self.store.write() as connection:
            connection.execute(insert(groups).values(row))

    def fire(self, source: str = "orders", key: str = GROUP, severity: str = "critical", minute: float = 0) -> int:
        row: dict[str, Any] = {column.name: None for column in alerts.columns if column.name != "id"}
        row |= {
            "fingerprint": f"down|{source}|", "open_key": f"down|{source}|", "rule": "down", "source": source,
            "check_id": "", "component": "sales", "severity": severity, "state": "firing", "mode": "active",
            "started": to_us(at(minute)), "fired": to_us(at(minute)), "acknowledged_by": "", "resolution": "",
            "summary": "", "text": "status (critical) == healthy", "count": 1, "flapping": False, "suppressed_by": "",
            "labels": "{}", "annotations": "{}",
        }  # fmt: skip
        with self.store.write() as connection:
            stored_alerts.insert_alerts(connection, [row])
            member = {
                "group_key": key, "alert_id": row["id"], "joined": to_us(at(minute)), "told_state": "firing",
                "told_severity": severity,
            }  # fmt: skip
            connection.execute(insert(memberships).values(member))
        return int(row["id"])

    def set(self, alert: int, state: str, minute: float = 0, until: float | None = None) -> None:
        values: dict[str, Any] = {"state": state}
        if state == "acknowledged":
            ends = None if until is None else to_us(at(until))
            values |= {"acknowledged": to_us(at(minute)), "acknowledged_by": "anna", "acknowledged_until": ends}
        if state == "suppressed":
            values["suppressed_by"] = "silence 3"
        if state == "resolved":
            values |= {"resolved": to_us(at(minute)), "open_key": None}
        with self.store.write() as connection:
            stored_alerts.set_state(connection, alert, **values)

    def column(self, **values: Any) -> None:
        with self.store.write() as connection:
            connection.execute(update(escalations).values(**values))

    # -- what is tested ------------------------------------------------------------------------------

    def begin(self, minute: float = 0, key: str = GROUP, name: str = "main") -> bool:
        with self.store.write() as connection:
            return escalation.begin(connection, key, name, self.plan, at(minute))

    @property
    def world(self) -> World:
        sources = {name: Source(name, component="sales") for name in ("orders", "stock")}
        return World(self.plan, sources, None, "test")

    def step(self, minute: float) -> list[str]:
        """Who was told in this step: addresses and channels, with the level."""
        with self.store.write() as connection:
            before = len(self.told(connection))
            written = escalation.step(connection, self.world, at(minute))
            new = self.told(connection)[before:]
        assert written == len(new)
        return new

    def told(self, connection: Any = None) -> list[str]:
        if connection is None:
            with self.store.read() as mine:
                return self.told(mine)
        query = select(notifications).order_by(notifications.c.id)
        return [
            f"{json.loads(row.message)['level']} {row.recipient.removesuffix('@example.com') or row.channel}"
            for row in connection.execute(query)
        ]

    def now(self, key: str = GROUP) -> Escalation:
        """The group's newest escalation."""
        with self.store.read() as connection:
            return stored.escalations_of(connection, [key])[key][-1]

    def audit(self, minute: float) -> list[str]:
        with self.store.write() as connection:
            return escalation.audit_escalations(connection, self.world, at(minute))

    def lost(self, minute: float) -> int:
        with self.store.read() as connection:
            return escalation.without_next_step(connection, at(minute))

    def next_due(self) -> float | None:
        with self.store.read() as connection:
            moment = escalation.next_due(connection)
        return None if moment is None else (moment - T0) / timedelta(minutes=1)

    def verdicts(self) -> list[str]:
        with self.store.read() as connection:
            query = select(decisions.c.verdict).where(decisions.c.stage == escalation.STAGE).order_by(decisions.c.id)
            return list(connection.execute(query).scalars())


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


# -- the configuration changes -----------------------------------------------------------------------


def test_it_goes_by_the_policy_that_was_configured_when_it_began(scene: Scene) -> None:
    scene.fire()
    scene.begin()
    assert scene.step(0) == ["1 anna"]
    scene.plan = plan(policy((0, "person:zoe")))
    assert scene.step(5) == ["2 boss"]
    scene.plan = plan(escalations={})
    assert scene.step(15) == ["3 war_room", "3 boss"]


def test_whoever_is_on_call_then_is_told(scene: Scene) -> None:
    scene.plan = plan(policy((0, "oncall:primary"), (60, "oncall:primary")))
    scene.fire()
    scene.begin()
    assert scene.step(0) == ["1 anna"]
    with scene.store.write() as connection:
        add_override(connection, Override("primary", "zoe", at(30), at(90)), at(10))
    assert scene.step(60) == ["2 zoe"]


def test_a_channel_that_is_gone_is_said_and_the_others_are_told(scene: Scene) -> None:
    scene.fire()
    scene.begin()
    scene.step(0)
    scene.step(5)
    scene.plan = plan(channels={"mail": Mail()})
    assert scene.step(15) == ["3 boss"]
    assert scene.verdicts()[2:] == ["channel_gone", "level_told", "exhausted"]
    with scene.store.read() as connection:
        query = select(decisions.c.detail).where(decisions.c.verdict == "channel_gone")
        assert connection.execute(query).scalar_one() == (
            "level 3 of main, channel:war_room: there is no channel war_room any more"
        )


def test_a_level_that_reaches_nobody_does_not_wait(scene: Scene) -> None:
    scene.plan = plan(policy((0, "person:gone"), (5, "person:boss"), (15, "person:zoe")))
    scene.fire()
    scene.begin()
    assert scene.step(0) == ["2 boss"]
    assert scene.verdicts() == ["person_gone", "nobody", "level_told"]
    assert scene.next_due() == 10
    assert scene.step(10) == ["3 zoe"]


def test_nobody_at_all_ends_without_turning_round_and_round(scene: Scene) -> None:
    scene.plan = plan(policy((0, "person:gone"), (5, "person:gone"), repeat_every="1m", repeats=2))
    scene.fire()
    scene.begin()
    assert [scene.step(minute) for minute in (0, 1, 2)] == [[], [], []]
    assert scene.now().state is EscalationState.EXHAUSTED
    assert scene.verdicts().count("nobody") == 6


@pytest.mark.parametrize(("configured", "told", "state"), [
    ({"main": policy((0, "person:zoe"))}, ["1 zoe"], EscalationState.EXHAUSTED),
    ({}, [], EscalationState.RESOLVED),
])  # fmt: skip
def test_a_copy_that_cannot_be_read(
    scene: Scene, configured: dict[str, EscalationSpec], told: list[str], state: EscalationState
) -> None:
    scene.fire()
    scene.begin()
    scene.column(policy='{"levels": [], "of": "another version"}')
    scene.plan = plan(escalations=configured)
    assert scene.step(0) == told
    assert scene.now().state is state
    assert scene.verdicts()[0] == "policy_unreadable"


def test_quiet_hours_are_kept(scene: Scene) -> None:
    night = QuietHours.model_validate({"from": "11:00", "to": "13:00"})
    scene.plan = plan(people={"anna": person("anna", quiet_hours=(night,)), "boss": person("boss")})
    scene.fire(severity="warning")
    scene.begin()
    assert scene.step(0) == ["1 anna"]
    with scene.store.read() as connection:
        assert connection.execute(select(notifications.c.due)).scalar_one() == to_us(at(60))


def test_one_that_fails_does_not_stop_the_others(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.group("second")
    scene.fire()
    scene.fire("stock", "second")
    scene.begin()
    scene.begin(key="second")
    look_up = escalation.look_up
    calls = itertools.count()
    monkeypatch.setattr(escalation, "look_up", lambda *args: 1 / 0 if next(calls) == 0 else look_up(*args))
    assert scene.step(0) == ["1 anna"]
    assert scene.next_due() == 1
    assert scene.step(1) == ["1 anna"]


# -- restarts ----------------------------------------------------------------------------------------

MOMENTS = (0, 5, 7, 27, 37, 47, 62, 72)
EVENTS = {7: ("acknowledged", 27.0), 40: ("suppressed", None), 55: ("firing", None), 80: ("resolved", None)}


def story(scene: Scene, killed_at: float | None) -> list[str]:
    """A whole life; at one moment the process dies after its step and before the commit, and another one comes."""
    scene.plan = plan(policy((0, "person:anna"), (5, "person:boss"), (15, "channel:war_room"), repeat_every="20m"))
    alert = scene.fire()
    scene.begin()
    for minute in sorted({*MOMENTS, *EVENTS}):
        if minute in EVENTS:
            state, until = EVENTS[minute]
            scene.set(alert, state, minute, until)
        if minute == killed_at:
            with pytest.raises(KeyboardInterrupt), scene.store.write() as connection:
                escalation.step(connection, scene.world, at(minute))
                raise KeyboardInterrupt
            scene.store.close()
            scene.store = OperationalStore.open(scene.url, at(minute))
            escalation._parsed.cache_clear()
        scene.step(minute)
        scene.step(minute)
    return scene.told()


EXPECTED = ["1 anna", "2 boss", "2 boss", "3 war_room", "1 anna"]


@pytest.mark.parametrize("killed_at", [None, *sorted({*MOMENTS, *EVENTS})])
def test_a_restart_between_any_two_steps_changes_nothing(scene: Scene, killed_at: float | None) -> None:
    told = story(scene, killed_at)
    assert told[: len(EXPECTED)] == EXPECTED
    assert told == EXPECTED
    assert scene.now().state is EscalationState.RESOLVED


# -- the auditor -------------------------------------------------------------------------------------


@pytest.mark.parametrize("next_at", [None, to_us(at(5))])
def test_a_lost_next_step_is_repaired(scene: Scene, next_at: int | None) -> None:
    scene.fire()
    scene.begin()
    scene.step(0)
    scene.column(next_at=next_at)
    assert scene.lost(6) == 1
    (sentence,) = scene.audit(7)
    assert sentence.startswith(f"escalation 1 of group {GROUP} ")
    assert scene.lost(6) == 0
    assert scene.step(7) == ["2 boss"]
    assert scene.audit(7) == []


def test_what_is_well_is_left_alone(scene: Scene) -> None:
    alert = scene.fire()
    scene.begin()
    scene.step(0)
    assert (scene.lost(5), scene.audit(5.5)) == (0, []), "half a minute late is no loss"
    scene.set(alert, "acknowledged", 5.5)
    scene.step(5.5)
    assert (scene.lost(600), scene.audit(600)) == (0, []), "it waits for somebody"
    scene.set(alert, "firing")
    for minute in (601, 620, 640):
        scene.step(minute)
    assert scene.now().state is EscalationState.EXHAUSTED
    assert (scene.lost(900), scene.audit(900)) == (0, []), "everybody was told"


def test_a_firing_group_without_an_escalation_gets_one(scene: Scene) -> None:
    scene.fire()
    assert scene.audit(0.5) == [], "its first message is not a minute old"
    assert scene.audit(2) == [f"group {GROUP} fires and had no escalation; main began"]
    assert scene.audit(2) == []
    assert scene.step(2) == ["1 anna"]


def test_a_group_that_fires_anew_after_its_escalation_ended_gets_another(scene: Scene) -> None:
    alert = scene.fire()
    scene.begin()
    scene.set(alert, "resolved", 1)
    scene.step(1)
    scene.fire("stock", minute=2)
    assert len(scene.audit(3)) == 1
    assert scene.step(3) == ["1 anna"]


@pytest.mark.parametrize("how", [{"mode": "shadow"}, {"route": "other"}])
def test_groups_that_have_no_escalation_by_right(scene: Scene, how: dict[str, str]) -> None:
    scene.group("second", **how)
    scene.fire(key="second")
    assert scene.audit(60) == []


def test_a_policy_that_does_not_exist_is_told(scene: Scene) -> None:
    scene.plan = plan(escalations={})
    scene.fire()
    assert scene.audit(60) == [f"group {GROUP} fires, and route pages names an escalation main that does not exist"]


def test_nothing_is_sent_while_sending_is_off(scene: Scene) -> None:
    scene.fire()
    scene.begin()
    scene.plan = plan(spec=AlertingSpec(sending=False))
    assert scene.step(0) == []
    assert scene.next_due() == 5
    scene.group("second")
    scene.fire("stock", "second")
    assert [line for line in scene.audit(5) if "second" in line] == []
