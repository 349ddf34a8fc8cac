"""What channels, people and teams do not want to hear, and what waits for the end of quiet hours."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring_pipeline.alerting.spec import PersonSpec, Plan, TeamSpec
from monitoring_pipeline.records import AlertState
from tests.alerting.stages.story import Mail, Story, ops, plan

QUIET = {"from": "11:00", "to": "13:00"}  # the story begins at 12:00
ENDS = 3600


def asleep(channels: dict[str, Any] | None = None, **person: Any) -> Plan:
    eva = PersonSpec.model_validate({"email": "eva@example.com", "quiet_hours": [QUIET], **person})
    routes = [{"notify": ["person:eva"], "repeat_interval": None, "group_by": [], "group_interval": "0s"}]
    return plan(routes, channels=channels or {"mail": Mail()}, people={"eva": eva})


@pytest.mark.parametrize(
    ("channel", "severity", "verdict"),
    [
        ({"enabled": False}, "critical", "channel_off"),
        ({"minimum_severity": "error"}, "warning", "below_minimum"),
        ({"minimum_severity": "error"}, "error", ""),
        ({}, "info", ""),
    ],
)
def test_what_a_channel_wants(store_url: str, channel: dict[str, Any], severity: str, verdict: str) -> None:
    story = Story(store_url, plan([{"notify": ["channel:ops"]}], channels={"ops": ops(**channel)}))
    alert = story.fires("a", severity)
    story.tick()
    assert [each.verdict for each in story.decisions(alert) if each.stage == "prefer"] == [verdict] * bool(verdict)


def test_what_a_channel_that_is_off_would_have_said_is_kept(store_url: str) -> None:
    story = Story(store_url, plan([{"notify": ["channel:ops"]}], channels={"ops": ops(enabled=False)}))
    alert = story.fires("a")
    assert [(note.said, note.state) for note in story.tick()] == [(("firing", "first", "ops"), "dropped")]
    story.at(20).over(alert)
    assert story.tick() == []


def test_a_channel_that_wants_no_ends(store_url: str) -> None:
    story = Story(store_url, plan([{"notify": ["channel:ops"]}], channels={"ops": ops(send_resolved=False)}))
    alert = story.fires("a")
    story.tick()
    story.at(20).over(alert)
    assert story.tick() == []
    assert story.verdicts(alert)[-1] == "prefer resolved_unwanted"
    assert story.group_keys() == []


@pytest.mark.parametrize(("person", "team", "told"), [("info", "info", 1), ("error", "info", 0), ("info", "error", 0)])
def test_what_a_person_and_a_team_want(store_url: str, person: str, team: str, told: int) -> None:
    own = plan(
        [{"notify": ["team:shop"]}],
        channels={"mail": Mail()},
        people={"eva": PersonSpec.model_validate({"email": "eva@example.com", "minimum_severity": person})},
        teams={"shop": TeamSpec.model_validate({"members": ["eva"], "minimum_severity": team})},
    )
    story = Story(store_url, own)
    story.fires("a", "warning")
    assert len(story.tick()) == told


# -- quiet hours -------------------------------------------------------------------------------------


def test_waits_for_the_end_of_quiet_hours(store_url: str) -> None:
    story = Story(store_url, asleep())
    alert = story.fires("a", "warning")
    note = story.tick()[0]
    assert (note.said, note.due, note.state) == (("firing", "first", "mail"), ENDS, "waiting")
    quiet = [each.detail for each in story.decisions(alert) if each.verdict == "quiet_hours"]
    assert quiet == ["firing to mail (eva@example.com): quiet hours of eva until 2026-03-02 13:00:00 UTC"]


def test_what_is_critical_wakes(store_url: str) -> None:
    story = Story(store_url, asleep())
    story.fires("a", "critical")
    assert [note.due for note in story.tick()] == [0]


def test_what_gets_critical_wakes_and_replaces_what_waited(store_url: str) -> None:
    story = Story(store_url, asleep())
    alert = story.fires("a", "warning")
    waits = story.tick()[0]
    story.at(60).shifts(alert, severity="critical")
    assert [(note.reason, note.due) for note in story.tick()] == [("worse", 60)]
    first = story.notes()[0]
    assert (first.id, first.state) == (waits.id, "dropped")
    assert "deliver superseded" in story.verdicts(alert)


def test_what_is_over_before_morning_is_never_told(store_url: str) -> None:
    story = Story(store_url, asleep())
    alert = story.fires("a", "warning")
    story.tick()
    story.at(60).over(alert)
    assert story.tick() == []
    assert [note.state for note in story.notes()] == ["dropped"]
    assert story.verdicts(alert)[-1] == "address resolved_in_quiet_hours"
    assert story.group_keys() == []


def test_only_what_still_holds_is_told_in_the_morning(store_url: str) -> None:
    story = Story(store_url, asleep())
    first, _ = story.fire_all(["a", "b"], "warning")
    story.tick()
    story.at(60).over(first)
    later = story.tick()
    assert [(note.reason, note.due) for note in later] == [("resolved_some", ENDS)]
    story.at(120).fires("c", "warning")
    story.tick()
    assert [note.state for note in story.notes()] == ["dropped", "dropped", "waiting"]
    last = story.notes()[-1]
    assert (last.reason, last.due, last.sources) == ("new_alerts", ENDS, ("b", "c"))


def test_whoever_is_awake_hears_the_end(store_url: str) -> None:
    own = asleep({"mail": Mail(), "ops": ops()})
    routes = [{"notify": ["person:eva", "channel:ops"], "repeat_interval": None}]
    story = Story(store_url, plan(routes, channels=own.channels, people=own.people))
    alert = story.fires("a", "warning")
    story.tick()
    story.at(60).over(alert)
    assert story.said() == [("resolved", "all_resolved", "ops")]
    assert [note.state for note in story.notes()] == ["dropped", "sent", "sent"]


def test_what_was_told_before_the_night_ends_in_the_morning(store_url: str) -> None:
    eva = PersonSpec.model_validate({"email": "eva@example.com", "quiet_hours": [{"from": "12:30", "to": "13:00"}]})
    routes = [{"notify": ["person:eva"], "repeat_interval": None}]
    story = Story(store_url, plan(routes, channels={"mail": Mail()}, people={"eva": eva}))
    alert = story.fires("a", "warning")
    assert [note.due for note in story.tick()] == [0]
    story.at(2000).over(alert)
    assert [(note.kind, note.due) for note in story.tick()] == [("resolved", ENDS)]


def test_what_is_muted_meanwhile_is_taken_back(store_url: str) -> None:
    story = Story(store_url, asleep())
    alert = story.fires("a", "warning")
    story.tick()
    silence = story.at(60).silence(source="a")
    story.tick()
    assert [note.state for note in story.notes()] == ["dropped"]
    assert story.alert(alert).state is AlertState.SUPPRESSED
    assert "recall muted_in_quiet_hours" in story.verdicts(alert)
    story.at(120).end(silence)
    assert [(note.reason, note.due) for note in story.tick()] == [("unmuted", ENDS)]


def test_what_reached_somebody_else_is_not_news_after_the_mute(store_url: str) -> None:
    own = asleep({"mail": Mail(), "ops": ops()})
    routes = [{"notify": ["person:eva", "channel:ops"], "repeat_interval": None}]
    story = Story(store_url, plan(routes, channels=own.channels, people=own.people))
    alert = story.fires("a", "warning")
    story.tick()
    silence = story.at(60).silence(source="a")
    story.tick()
    assert [note.state for note in story.notes()] == ["dropped", "sent"]
    story.at(120).end(silence)
    assert story.tick() == []
    story.at(180).over(alert)
    assert story.said() == [("resolved", "all_resolved", "ops")]


def test_hours_are_those_of_the_persons_wall_clock(store_url: str) -> None:
    quiet = {"from": "21:00", "to": "22:00"}  # 12:00 UTC is 21:00 in Tokyo
    story = Story(store_url, asleep(timezone="Asia/Tokyo", quiet_hours=[quiet]))
    story.fires("a", "warning")
    assert [note.due for note in story.tick()] == [ENDS]


def test_an_end_that_is_owed_outlives_the_message_it_waited_in(store_url: str) -> None:
    eva = PersonSpec.model_validate({"email": "eva@example.com", "quiet_hours": [{"from": "12:30", "to": "13:00"}]})
    route = {"notify": ["person:eva"], "repeat_interval": None, "group_by": []}
    story = Story(store_url, plan([route], channels={"mail": Mail()}, people={"eva": eva}))
    first = story.fires("a", "warning")
    story.tick()
    story.at(2000).over(first)
    second = story.fires("b", "warning")
    assert [(note.reason, note.sources, note.due) for note in story.tick()] == [("new_alerts", ("a", "b"), ENDS)]
    # Of b she never hears; of a she was told before the night.
    story.at(2100).over(second)
    note = story.tick()[0]
    assert (note.said, note.sources, note.due) == (("resolved", "all_resolved", "mail"), ("a",), ENDS)
    assert [note.state for note in story.notes()] == ["sent", "dropped", "waiting"]
