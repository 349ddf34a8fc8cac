"""Who is told what is new, and who is told how it goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from monitoring_pipeline.alerting import pipeline
from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.alerting.people.recipients import Recipient
from monitoring_pipeline.alerting.spec import PersonSpec, Plan, RotaSpec, TeamSpec
from monitoring_pipeline.alerting.stage import Bundle
from monitoring_pipeline.records import Severity, Source
from monitoring_pipeline.store.overrides import Override, add_override
from tests.alerting.stages.story import T0, Mail, Story, ops, plan

SOURCES = (Source("orders", owner="shop"), Source("ledger", owner="bank"))
PEOPLE = {
    "eva": PersonSpec(email="eva@example.com"),
    "max": PersonSpec(email="max@example.com"),
}


def people(routes: list[dict[str, Any]], **others: Any) -> Plan:
    defaults: dict[str, Any] = {
        "channels": {"ops": ops(), "chat": ops(), "mail": Mail()},
        "people": PEOPLE,
        "teams": {"shop": TeamSpec(channels=("chat",)), "bank": TeamSpec(members=("max",))},
        "rotas": {"primary": RotaSpec(people=("eva",))},
    }
    return plan([{"repeat_interval": None, **route} for route in routes], **{**defaults, **others})


def places(story: Story) -> list[tuple[str, str, str]]:
    return sorted((note.kind, note.channel, note.recipient) for note in story.tick())


def test_channels_people_teams_and_rotas_once_each(store_url: str) -> None:
    targets = ["channel:ops", "person:eva", "oncall:primary", "team:bank", "team:shop", "channel:chat"]
    story = Story(store_url, people([{"notify": targets}]), SOURCES)
    story.fires("orders")
    assert places(story) == [
        ("firing", "chat", ""), ("firing", "mail", "eva@example.com"), ("firing", "mail", "max@example.com"),
        ("firing", "ops", ""),
    ]  # fmt: skip


def test_the_owner_is_told_too(store_url: str) -> None:
    story = Story(store_url, people([{"notify": ["channel:ops"], "notify_owner": True}]), SOURCES)
    story.fire_all(["orders", "ledger"])
    notes = story.tick()
    assert sorted((note.sources[0], note.channel, note.recipient) for note in notes) == [
        ("ledger", "mail", "max@example.com"), ("ledger", "ops", ""), ("orders", "chat", ""), ("orders", "ops", ""),
    ]  # fmt: skip


def test_all_owners_of_one_group_are_told(store_url: str) -> None:
    story = Story(store_url, people([{"notify_owner": True, "group_by": []}]), SOURCES)
    story.fire_all(["orders", "ledger"])
    assert places(story) == [("firing", "chat", ""), ("firing", "mail", "max@example.com")]


def test_a_route_that_reaches_nobody_says_so_once(store_url: str) -> None:
    story = Story(store_url, people([{"notify": ["person:eva"]}], channels={"ops": ops()}), SOURCES)
    alert = story.fires("orders")
    assert story.tick() == []
    assert story.at(60).tick() == []
    assert story.verdicts(alert) == [
        "route routed", "dedup first", "address unreachable", "address nobody",
    ]  # fmt: skip
    assert story.decisions(alert)[2].detail.startswith("person:eva: no channel reaches eva")


def test_who_was_told_hears_the_end_after_the_turn_changed(store_url: str) -> None:
    rotas = {"primary": RotaSpec(people=("eva", "max"), turn="day")}
    story = Story(store_url, people([{"notify": ["oncall:primary"]}], rotas=rotas), SOURCES)
    alert = story.fires("orders")
    begun = places(story)
    story.at(86_400).shifts(alert, severity="critical")
    story.over(alert)
    assert [(kind, address) for kind, _, address in places(story)] == [("resolved", begun[0][2])]


def test_news_goes_to_whoever_is_on_call_now(store_url: str) -> None:
    story = Story(store_url, people([{"notify": ["oncall:primary"], "repeat_interval": "1h"}]), SOURCES)
    story.fires("orders")
    assert places(story) == [("firing", "mail", "eva@example.com")]
    stands_in = Override("primary", "max", T0 + timedelta(minutes=30), T0 + timedelta(days=1))
    with story.store() as store, store.write() as connection:
        add_override(connection, stands_in, T0)
    assert places(story.at(3600)) == [("reminder", "mail", "max@example.com")]


def test_whoever_an_escalation_called_hears_the_end(store_url: str) -> None:
    story = Story(store_url, people([{"notify": ["channel:ops"]}]), SOURCES)
    alert = story.fires("orders")
    thread = story.tick()[0].thread
    found = story.alert(alert)
    bundle = Bundle(
        thread, "escalation-1.0.1", "escalation", Kind.ESCALATION, Severity.CRITICAL, (found,), level=2, note="please"
    )
    with story.store() as store, store.write() as connection:
        called = Recipient("mail", "eva@example.com", "eva")
        assert pipeline.post(connection, story.world(), [(bundle, [called])], story.now) == 1
    note = story.new()[0]
    assert (note.kind, note.message.level, note.message.note) == ("escalation", 2, "please")
    story.at(60).deliver()
    story.over(alert)
    assert places(story) == [("resolved", "mail", "eva@example.com"), ("resolved", "ops", "")]


def test_who_was_never_told_hears_no_end(store_url: str) -> None:
    """Only what is critical reaches chat: a warning's end is none of its business."""
    channels = {"ops": ops(), "chat": ops(minimum_severity="critical")}
    story = Story(store_url, plan([{"notify": ["channel:ops", "channel:chat"]}], channels=channels), SOURCES)
    alert = story.fires("orders", "warning")
    assert places(story) == [("firing", "ops", "")]
    story.at(20).over(alert)
    assert places(story) == [("resolved", "ops", "")]


def test_the_end_is_told_where_the_beginning_was_critical(store_url: str) -> None:
    """It got better before it was over; whoever was paged must learn that it is over all the same."""
    channels = {"chat": ops(minimum_severity="critical")}
    story = Story(store_url, plan([{"notify": ["channel:chat"]}], channels=channels), SOURCES)
    alert = story.fires("orders", "critical")
    story.tick()
    story.at(20).shifts(alert, severity="warning")
    story.tick()
    story.at(40).over(alert)
    assert places(story) == [("resolved", "chat", "")]


def test_two_groups_tell_the_end_each_to_its_own(store_url: str) -> None:
    routes = [{"notify": ["channel:ops"], "continue": True}, {"notify": ["channel:chat"]}]
    story = Story(store_url, people(routes), SOURCES)
    alert = story.fires("orders")
    assert places(story) == [("firing", "chat", ""), ("firing", "ops", "")]
    story.at(20).over(alert)
    assert places(story) == [("resolved", "chat", ""), ("resolved", "ops", "")]


def test_a_channel_that_is_gone_is_not_told_the_end(store_url: str) -> None:
    story = Story(store_url, people([{"notify": ["channel:ops", "channel:chat"]}]), SOURCES)
    alert = story.fires("orders")
    story.tick()
    story.plan = people([{"notify": ["channel:ops", "channel:chat"]}], channels={"ops": ops()})
    story.at(20).over(alert)
    assert places(story) == [("resolved", "ops", "")]
