"""Inhibitions, silences and maintenance: who is muted, why, and what is told afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitoring_pipeline.alerting.spec import MaintenanceSpec
from monitoring_pipeline.records import AlertState, Source
from tests.alerting.stages.story import T0, Story, labelled, plan

DATABASE = Source("db", component="bank")
SERVICES = tuple(Source(f"service{number}", depends_on=("db",)) for number in range(30))
CHAIN = (DATABASE, Source("api", depends_on=("db",)), Source("web", depends_on=("api",)), Source("other"))
FIRST = [("firing", "first", "ops")]


def story_of(url: str, sources: Any = CHAIN, route: dict[str, Any] | None = None, **spec: Any) -> Story:
    routes = [{"notify": ["channel:ops"], "repeat_interval": None, **(route or {})}]
    return Story(url, plan(routes, spec=spec), sources)


# -- by dependency -----------------------------------------------------------------------------------


def test_a_dependency_down_is_one_page_not_thirty(store_url: str) -> None:
    story = story_of(store_url, (DATABASE, *SERVICES))
    parent = story.fires("db")
    children = story.fire_all([source.id for source in SERVICES])
    assert [note.sources for note in story.tick()] == [("db",)]
    assert {story.alert(child).state for child in children} == {AlertState.SUPPRESSED}
    assert story.verdicts(children[0]) == ["route routed", "mute inhibited"]
    why = f"inhibited by alert {parent} (down of db, critical): service0 depends on it"
    assert story.alert(children[0]).suppressed_by == story.decisions(children[0])[1].detail == why
    # All recover, the database first: its end is told, and nobody hears of the rest.
    story.at(60).over(parent)
    assert story.said() == [("resolved", "all_resolved", "ops")]
    story.at(100).over(*children)
    assert story.tick() == []
    assert story.group_keys() == []
    assert story.verdicts(children[0])[-1] == "group never_told"


def test_what_stays_down_after_its_dependency_recovered_is_told(store_url: str) -> None:
    story = story_of(store_url, inhibit_linger="90s")
    parent, child = story.fire_all(["db", "api"])
    story.tick()
    story.at(60).over(parent)
    story.tick()
    assert story.at(149).tick() == []
    assert story.at(154).said() == [("firing", "unmuted", "ops")]
    assert story.verdicts(child)[-3:] == ["mute unmuted", "dedup unmuted", "deliver queued"]


def test_without_lingering_it_is_told_at_once(store_url: str) -> None:
    story = story_of(store_url, inhibit_linger="0s")
    parent, _ = story.fire_all(["db", "api"])
    story.tick()
    story.at(60).over(parent)
    assert sorted(story.said()) == [("firing", "unmuted", "ops"), ("resolved", "all_resolved", "ops")]


def test_an_end_mutes_nothing_new(store_url: str) -> None:
    story = story_of(store_url)
    parent = story.fires("db")
    story.tick()
    story.at(60).over(parent)
    story.tick()
    story.at(70).fires("api")
    assert story.said() == FIRST


def test_mutes_through_sources_that_look_well(store_url: str) -> None:
    story = story_of(store_url)
    story.fires("web")
    story.fires("db")
    assert [note.sources for note in story.tick()] == [("db",)]


def test_a_child_that_fires_before_its_parent_is_told_and_then_mute(store_url: str) -> None:
    story = story_of(store_url)
    child = story.fires("api", "warning")
    assert story.said() == FIRST
    parent = story.at(3).fires("db")
    assert [note.sources for note in story.tick()] == [("db",)]
    story.at(20).shifts(child, severity="critical")
    assert story.tick() == []
    # Its firing was told, so its end is told although it is muted.
    story.at(40).over(child)
    assert [(note.kind, note.sources) for note in story.tick()] == [("resolved", ("api",))]
    story.at(60).over(parent)
    assert [(note.kind, note.sources) for note in story.tick()] == [("resolved", ("db",))]


def test_with_group_wait_only_the_parent_pages(store_url: str) -> None:
    story = story_of(store_url, route={"group_wait": "10s"})
    story.fires("api")
    story.tick()
    story.at(5).fires("db")
    story.tick()
    assert [note.sources for note in story.at(20).tick()] == [("db",)]


@pytest.mark.parametrize(
    ("parent", "child", "muted"),
    [("critical", "critical", True), ("critical", "info", True), ("warning", "critical", False)],
)
def test_only_what_is_as_severe_mutes(store_url: str, parent: str, child: str, muted: bool) -> None:
    story = story_of(store_url)
    story.fires("db", parent)
    story.fires("api", child)
    assert [note.sources for note in story.tick()].count(("api",)) == (not muted)


@pytest.mark.parametrize(
    ("parent", "child", "muted"),
    [("shadow", "active", False), ("active", "shadow", True), ("shadow", "shadow", True)],
)
def test_shadow_mutes_only_shadow(store_url: str, parent: str, child: str, muted: bool) -> None:
    story = story_of(store_url)
    story.fires("db", mode=parent)
    alert = story.fires("api", mode=child)
    story.tick()
    assert (story.alert(alert).state is AlertState.SUPPRESSED) == muted


def test_an_acknowledged_or_silenced_parent_mutes(store_url: str) -> None:
    story = story_of(store_url)
    parent = story.fires("db")
    story.tick()
    story.acknowledged(parent)
    story.silence(source="other")
    child = story.at(20).fires("api")
    story.tick()
    assert story.alert(child).state is AlertState.SUPPRESSED
    story.unacknowledged(parent)
    story.silence(source="db")
    story.at(40).tick()
    assert story.alert(parent).state is story.alert(child).state is AlertState.SUPPRESSED


def test_pending_does_not_mute(store_url: str) -> None:
    story = story_of(store_url)
    story.fires("db", state="pending", fired=None)
    story.fires("api")
    assert [note.sources for note in story.tick()] == [("api",)]


def test_dependencies_can_be_left_alone(store_url: str) -> None:
    story = story_of(store_url, inhibit_dependents=False)
    story.fire_all(["db", "api", "web"])
    assert len(story.tick()) == 3


# -- by matcher --------------------------------------------------------------------------------------


def test_an_inhibition_mutes_what_has_the_same_in_common(store_url: str) -> None:
    mutes = {"by": {"rule": "down"}, "mute": {"rule": "slow"}, "equal": ["source", "zone"]}
    story = story_of(store_url, inhibitions=[mutes])
    story.fires("db", labels=labelled(zone="a"))
    same = story.fires("db", rule="slow", labels=labelled(zone="a"))
    story.fires("db", rule="slow", labels=labelled(zone="b"), fingerprint="other")
    story.fires("other", rule="slow", labels=labelled(zone="a"))
    story.tick()
    muted = [alert for alert in range(1, 5) if story.alert(alert).state is AlertState.SUPPRESSED]
    assert muted == [same]
    assert story.alert(same).suppressed_by == "inhibited by alert 1 (down of db, critical): inhibition 1"


def test_alerts_that_both_sides_mean_do_not_mute_each_other(store_url: str) -> None:
    story = story_of(store_url, inhibitions=[{"by": {"rule": "*"}, "mute": {"rule": "*"}}])
    story.fire_all(["db", "other"])
    assert len(story.tick()) == 2


@pytest.mark.parametrize("rules", [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]])
def test_a_ring_of_inhibitions_tells_its_worst(store_url: str, rules: list[str]) -> None:
    ring = [{"by": {"rule": rule}, "mute": {"rule": rules[at - 1]}} for at, rule in enumerate(rules)]
    story = story_of(store_url, inhibitions=ring)
    for rule in rules:
        story.fires("other", "critical" if rule == "b" else "warning", rule=rule)
    assert [note.message.alerts[0].rule for note in story.tick()] == ["b"]


# -- silences ----------------------------------------------------------------------------------------


def test_a_silence_mutes_and_says_who_and_why(store_url: str) -> None:
    story = story_of(store_url)
    silence = story.silence(source="d*", ends=600, reason="known, ticket 12")
    alert = story.at(10).fires("db")
    assert story.tick() == []
    why = f"silence {silence.id} by eva until 2026-03-02 12:10:00 UTC: known, ticket 12"
    assert story.alert(alert).suppressed_by == why
    assert [each.detail for each in story.decisions(alert) if each.verdict == "silenced"] == [why]


def test_a_silence_that_expires_in_the_middle_of_an_outage(store_url: str) -> None:
    story = story_of(store_url)
    story.silence(source="db", ends=600)
    alert = story.at(10).fires("db")
    story.tick()
    for second in range(15, 600, 15):
        assert story.at(second).tick() == []
    assert story.at(600).said() == [("firing", "unmuted", "ops")]
    story.at(700).over(alert)
    assert story.said() == [("resolved", "all_resolved", "ops")]
    assert story.verdicts(alert) == [
        "route routed", "mute silenced", "mute unmuted", "dedup unmuted", "deliver queued",
        "dedup all_resolved", "deliver queued",
    ]  # fmt: skip


def test_a_silence_ended_by_hand_counts_at_once(store_url: str) -> None:
    story = story_of(store_url)
    silence = story.silence(source="db")
    story.at(10).fires("db")
    story.tick()
    story.at(11).end(silence)
    assert story.said() == [("firing", "unmuted", "ops")]


def test_a_withheld_something_told_mutes_its_changes_but_not_its_end(store_url: str) -> None:
    story = story_of(store_url)
    alert = story.fires("db", "warning")
    story.tick()
    story.at(20).silence(source="db")
    assert story.tick() == []
    story.at(40).shifts(alert, severity="critical")
    assert story.tick() == []
    story.at(60).over(alert)
    assert story.said() == [("resolved", "all_resolved", "ops")]


def test_the_end_of_a_withheld_something_told_is_no_news(store_url: str) -> None:
    story = story_of(store_url)
    alert = story.fires("db")
    story.tick()
    silence = story.at(20).silence(source="db")
    story.tick()
    story.at(40).end(silence)
    assert story.tick() == []
    assert story.alert(alert).state is AlertState.FIRING
    assert story.verdicts(alert)[-2:] == ["mute unmuted", "dedup unchanged"]


def test_a_silence_that_has_not_begun_or_is_for_others_mutes_nothing(store_url: str) -> None:
    story = story_of(store_url)
    story.silence(source="other")
    story.silence(severity=["warning"])
    story.silence(labels={"zone": "a"})
    story.fires("db")
    assert story.said() == FIRST


def test_a_silence_nobody_can_read_stops_nothing(store_url: str) -> None:
    story = story_of(store_url)
    story.silence(planet="earth")
    second = story.silence(source="db")
    alert = story.fires("db")
    assert story.tick() == []
    assert story.alert(alert).suppressed_by.startswith(f"silence {second.id} ")


def test_another_reason_is_kept_once_it_takes_over(store_url: str) -> None:
    story = story_of(store_url)
    first = story.silence(source="db", ends=100)
    second = story.silence(source="db", ends=200)
    alert = story.fires("db")
    for second_of_day in (0, 50, 100, 150):
        story.at(second_of_day).tick()
    details = [each.detail for each in story.decisions(alert) if each.stage == "mute"]
    assert [detail.split(" by ")[0] for detail in details] == [f"silence {first.id}", f"silence {second.id}"]


# -- maintenance -------------------------------------------------------------------------------------


def test_maintenance_started_by_hand(store_url: str) -> None:
    story = story_of(store_url)
    started = story.silence("maintenance", component="bank", reason="upgrade")
    alert = story.at(10).fires("db")
    assert story.tick() == []
    assert story.verdicts(alert)[-1] == "mute in_maintenance"
    assert story.alert(alert).suppressed_by == f"maintenance {started.id} by eva until ended: upgrade"
    story.at(20).end(started)
    assert story.said() == [("firing", "unmuted", "ops")]


def test_a_window_of_the_configuration(store_url: str) -> None:
    window = MaintenanceSpec.model_validate(
        {"name": "weekly", "sources": {"component": "bank"}, "start": T0, "end": T0 + timedelta(minutes=10)}
    )
    routes = [{"notify": ["channel:ops"], "repeat_interval": None}]
    story = Story(store_url, plan(routes, maintenance=(window,)), CHAIN)
    alert, _ = story.at(60).fires("db"), story.fires("other")
    assert [note.sources for note in story.tick()] == [("other",)]
    assert story.alert(alert).suppressed_by == "maintenance weekly until 2026-03-02 12:10:00 UTC"
    assert story.at(599).tick() == []
    assert story.at(604).said() == [("firing", "unmuted", "ops")]


def test_the_reasons_are_asked_in_their_order(store_url: str) -> None:
    story = story_of(store_url)
    story.silence("maintenance", source="api")
    story.silence(source="api")
    alert = story.fires("api")
    parent = story.fires("db")
    story.tick()
    assert story.alert(alert).suppressed_by.startswith("inhibited by")
    story.at(10).over(parent)
    story.at(200).tick()
    assert story.alert(alert).suppressed_by.startswith("silence 2 ")
