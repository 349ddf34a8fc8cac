"""All stages together: when they run, what a restart, a race or chance may do to them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from monitoring_pipeline.alerting import pipeline
from monitoring_pipeline.alerting.spec import EscalationSpec, PersonSpec, Plan
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.records import AlertState, Source
from monitoring_pipeline.store import escalations, tables
from tests.alerting.stages.story import T0, Mail, Story, ops, plan

ROUTE = {"notify": ["channel:ops"], "repeat_interval": None}


def second(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - T0).total_seconds()


def next_due(story: Story) -> float | None:
    with story.store() as store, store.read() as connection:
        return second(pipeline.next_due(connection, story.now))


# -- when there is something to do -------------------------------------------------------------------


def test_nothing_is_due_while_nothing_is_open(store_url: str) -> None:
    story = Story(store_url, plan([ROUTE]))
    assert next_due(story) is None
    story.silence(source="x", ends=60)
    assert next_due(story) is None
    assert story.tick() == []


def test_what_is_due_next(store_url: str) -> None:
    story = Story(store_url, plan([{**ROUTE, "group_wait": "3s"}]))
    story.at(10).fires("a")
    assert next_due(story) == 10
    story.tick()
    assert next_due(story) == 13  # the group
    story.at(13).tick()
    assert next_due(story) == 18  # asks again what mutes
    story.silence(source="b", ends=15)
    story.at(13.5).silence(source="b", ends=100)
    assert next_due(story) == 13.5  # somebody added a silence
    story.tick()
    assert next_due(story) == 15  # one ends
    story.at(15).tick()
    assert next_due(story) == 20
    story.at(3)  # the clock was set back
    assert next_due(story) == 3


def test_idle_calls_write_nothing(store_url: str) -> None:
    story = Story(store_url, plan([ROUTE]))
    story.fires("a")
    story.tick()
    with story.store() as store, store.read() as connection:  # PostgreSQL would refuse a write here
        connection.exec_driver_sql(
            "SET TRANSACTION READ ONLY" if store.dialect == "postgresql" else "PRAGMA query_only=1"
        )
        assert pipeline.process(connection, story.world(), story.now + timedelta(seconds=4)) == 0
        if store.dialect == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only=0")


def test_alerts_that_are_only_pending_are_taken_and_no_more(store_url: str) -> None:
    story = Story(store_url, plan([ROUTE]))
    alert = story.fires("a", state="pending", fired=None)
    assert story.tick() == []
    assert (story.unhandled(), next_due(story), story.decisions(alert)) == (0, None, [])


# -- escalation --------------------------------------------------------------------------------------


def escalating(**spec: Any) -> Plan:
    policy = EscalationSpec.model_validate({"levels": [{"notify": ["channel:ops"], "after": "5m"}]})
    return plan([{**ROUTE, "name": "night", "escalation": "slow"}], escalations={"slow": policy}, spec=spec)


def open_escalations(story: Story) -> list[tuple[str, float | None]]:
    with story.store() as store, store.read() as connection:
        return [(each.group, second(each.next_at)) for each in escalations.open_escalations(connection)]


def test_an_escalation_begins_with_the_first_message_of_a_group(store_url: str) -> None:
    story = Story(store_url, escalating())
    story.fires("a", "warning")
    story.tick()
    assert open_escalations(story) == [("night/source=a#1", 300)]
    story.at(60).fires("a", rule="slow")
    story.tick()
    assert open_escalations(story) == [("night/source=a#1", 300)]


def test_a_muted_alert_escalates_once_it_is_told(store_url: str) -> None:
    story = Story(store_url, escalating())
    silence = story.silence(source="a")
    story.fires("a")
    story.tick()
    assert open_escalations(story) == []
    story.at(60).end(silence)
    story.tick()
    assert open_escalations(story) == [("night/source=a#1", 360)]


@pytest.mark.parametrize(("mode", "sending"), [("shadow", True), ("active", False)])
def test_what_is_not_sent_does_not_escalate(store_url: str, mode: str, sending: bool) -> None:
    story = Story(store_url, escalating(sending=sending))
    story.fires("a", mode=mode)
    story.tick()
    assert open_escalations(story) == []


# -- restarts, rollbacks, chance ---------------------------------------------------------------------

SOURCES = (Source("db"), *(Source(f"s{number}", depends_on=("db",)) for number in range(3)), Source("lone"))


def chance(seed: int) -> Plan:
    dice = random.Random(seed)
    routes = [
        {
            "notify": ["channel:ops", "person:eva"], "group_by": dice.choice([["source"], [], ["severity"]]),
            "group_wait": dice.choice(["0s", "7s"]), "group_interval": dice.choice(["0s", "10s"]),
            "repeat_interval": dice.choice([None, "1m"]), "continue": dice.random() < 0.3,
        },
        {"notify": ["channel:chat"], "match": {"severity": ["critical"]}, "repeat_interval": None},
    ]  # fmt: skip
    cap = dice.choice([None, {"messages": 2, "per": "30s"}])
    channels = {name: ops(storm_cap=cap) for name in ("ops", "chat")} | {"mail": Mail(storm_cap=cap)}
    quiet = [{"from": "12:02", "to": "12:05", "above": dice.choice(["warning", "critical"])}]
    people = {"eva": PersonSpec.model_validate({"email": "eva@example.com", "quiet_hours": quiet})}
    return plan(routes, channels=channels, people=people, spec={"storm_cap": None, "inhibit_linger": "10s"})


def live_through(story: Story, seed: int) -> set[int]:
    """Four minutes of everything that may happen, and then its end; answers what fired just before that."""
    dice = random.Random(seed)
    open_ids: dict[str, int] = {}
    for step in range(60):
        story.at(step * 4 + dice.random())
        happen(story, dice, open_ids)
        if dice.random() < 0.8:
            story.tick()
    for at in range(300, 400, 5):
        story.at(at).tick()
    fires = {alert for alert in open_ids.values() if story.alert(alert).state is AlertState.FIRING}
    story.at(400).over(*open_ids.values())
    for at in range(400, 600, 5):
        story.at(at).tick()
    return fires


def happen(story: Story, dice: random.Random, open_ids: dict[str, int]) -> None:
    source = dice.choice(SOURCES).id
    alert = open_ids.get(source)
    act = dice.random()
    if alert is None:
        open_ids[source] = story.fires(source, dice.choice(["warning", "critical"]))
    elif act < 0.4:
        story.over(open_ids.pop(source))
    elif act < 0.55:
        story.shifts(alert, severity=dice.choice(["warning", "critical"]))
    elif act < 0.8 and story.alert(alert).state is AlertState.ACKNOWLEDGED:
        story.unacknowledged(alert)
    elif act < 0.7:
        story.acknowledged(alert)
    elif act < 0.9:
        story.silence(source=source, ends=(story.now - T0).total_seconds() + 30)


def summary(story: Story) -> list[tuple[Any, ...]]:
    return [(note.said, note.sources, note.due, note.state, note.key) for note in story.notes()]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_every_beginning_that_was_told_has_its_end(store_url: str, seed: int) -> None:
    story = Story(store_url, chance(seed), SOURCES)
    fires = live_through(story, seed)
    sent = sorted((note for note in story.notes() if note.state == "sent"), key=lambda note: (note.due, note.id))
    last: dict[tuple[str, int], str] = {}
    for note in sent:
        for fact in note.message.alerts:
            last[note.channel, fact.id] = fact.state.value
    assert fires <= {alert for channel, alert in last if channel == "ops"}
    assert set(last.values()) == {"resolved"}
    assert story.group_keys() == []
    assert story.unhandled() == 0
    assert not [note for note in story.notes() if note.state in ("waiting", "collecting")]
    with story.store() as store, store.read() as connection:
        count = select(func.count()).select_from(tables.memberships)
        assert connection.execute(count).scalar_one() == 0


@pytest.mark.parametrize("seed", range(2))
def test_a_restart_between_any_two_calls_changes_nothing(store_url: str, tmp_path: Any, seed: int) -> None:
    story = Story(store_url, chance(seed), SOURCES, restarts=True)
    live_through(story, seed)
    calm = Story(f"sqlite:///{tmp_path / 'calm.db'}", chance(seed), SOURCES)
    live_through(calm, seed)
    assert summary(story) == summary(calm)


def test_a_transaction_that_fails_leaves_nothing_behind(store_url: str) -> None:
    """Killed between the stages and the commit: the next call does it all again, to the same keys."""
    story = Story(store_url, plan([ROUTE]))
    story.fires("a")
    keys = []
    for _ in range(2):
        with pytest.raises(RuntimeError), story.store() as store, store.write() as connection:
            assert pipeline.process(connection, story.world(), story.now) == 1
            keys.append(connection.execute(select(tables.notifications.c.key)).scalar_one())
            raise RuntimeError
    note = story.tick()[0]
    assert keys == [note.key, note.key]
    assert story.tick() == []


def test_many_processes_tell_everything_once(store_url: str) -> None:
    """Whoever comes second finds nothing left to do: transitions are taken in the same transaction."""
    story = Story(store_url, plan([ROUTE]))
    story.fire_all([f"s{number}" for number in range(20)])
    worlds = [World(story.plan, {}, None, "test") for _ in range(3)]
    written = []
    for world in worlds:
        with story.store() as store, store.write() as connection:
            written.append(pipeline.process(connection, world, story.now))
    assert written == [20, 0, 0]
