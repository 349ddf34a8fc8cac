"""Escalations when something changes or goes wrong: the configuration, people, the process, a lost next step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from monitoring_pipeline.alerting.people import escalation, steps
from monitoring_pipeline.alerting.spec import AlertingSpec, EscalationSpec, QuietHours
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store.escalations import EscalationState
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.overrides import Override, add_override
from monitoring_pipeline.store.tables import decisions, notifications
from tests.alerting.escalating import GROUP, Mail, Scene, at, person, plan, policy


@pytest.fixture
def scene(store_url: str) -> Iterator[Scene]:
    made = Scene(store_url)
    made.group()
    yield made
    made.store.close()


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
    look_up = steps.look_up
    calls = itertools.count()
    monkeypatch.setattr(steps, "look_up", lambda *args: 1 / 0 if next(calls) == 0 else look_up(*args))
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
            steps._parsed.cache_clear()
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
