"""When groups speak, and what is new each time: the clocks of `group`, the named reasons of `dedup`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitoring_pipeline.alerting.message import Kind
from monitoring_pipeline.records import AlertState
from tests.alerting.stages.story import T0, Story, plan

TOGETHER = {"notify": ["channel:ops"], "group_by": [], "repeat_interval": None}


def story_of(url: str, **route: Any) -> Story:
    return Story(url, plan([{**TOGETHER, **route}]))


def test_a_new_group_speaks_at_once(store_url: str) -> None:
    story = story_of(store_url)
    story.fires("a")
    note = story.tick()[0]
    assert note.said == ("firing", "first", "ops")
    assert (note.due, note.sources, note.message.severity, note.message.at) == (0, ("a",), "critical", T0)


def test_a_new_group_waits_for_more(store_url: str) -> None:
    story = story_of(store_url, group_wait="30s")
    first = story.fires("a")
    assert story.tick() == []
    story.at(29).fires("b")
    assert story.tick() == []
    note = story.at(30).tick()[0]
    assert (note.said, note.sources) == (("firing", "first", "ops"), ("a", "b"))
    waiting = [each for each in story.decisions(first) if each.verdict == "waiting"]
    assert [each.detail for each in waiting] == ["group 1/#1 speaks at 2026-03-02 12:00:30 UTC (group_wait 30s)"]


def test_later_messages_keep_their_distance(store_url: str) -> None:
    story = story_of(store_url, group_interval="10s")
    story.fires("a")
    story.tick()
    story.at(1).fires("b", "warning")
    assert story.tick() == []
    story.at(9).fires("c", "warning")
    assert story.tick() == []
    assert [(note.reason, note.sources) for note in story.at(10).tick()] == [("new_alerts", ("a", "b", "c"))]
    assert story.at(25).tick() == []


@pytest.mark.parametrize(("severity", "second"), [("warning", 10), ("error", 1), ("critical", 1)])
def test_what_is_worse_than_all_that_was_told_is_said_at_once(store_url: str, severity: str, second: int) -> None:
    story = story_of(store_url, group_interval="10s")
    story.fires("a", "warning")
    story.tick()
    story.at(1).fires("b", severity)
    assert bool(story.tick()) == (second == 1)
    assert bool(story.at(10).tick()) == (second == 10)


def test_an_alert_that_gets_worse_is_said_at_once(store_url: str) -> None:
    story = story_of(store_url, group_interval="10s")
    alert = story.fires("a", "warning")
    story.tick()
    story.at(1).shifts(alert, severity="critical")
    note = story.tick()[0]
    assert (note.said, note.message.severity) == (("firing", "worse", "ops"), "critical")


def test_an_alert_that_gets_better_is_no_news(store_url: str) -> None:
    story = story_of(store_url)
    alert = story.fires("a", "critical")
    story.tick()
    story.at(20).shifts(alert, severity="warning")
    assert story.tick() == []
    assert story.verdicts(alert)[-1] == "dedup unchanged"
    # It was never told as a warning: the same severity again is nothing new either.
    story.at(40).shifts(alert, severity="critical")
    assert story.tick() == []


def test_the_end_of_one_and_of_all(store_url: str) -> None:
    story = story_of(store_url)
    first, second = story.fires("a"), story.fires("b", "warning")
    story.tick()
    story.at(20).over(first)
    note = story.tick()[0]
    assert (note.said, note.sources, note.message.severity) == (
        ("firing", "resolved_some", "ops"),
        ("a", "b"),
        "warning",
    )
    assert [(fact.source, fact.state) for fact in note.message.alerts] == [("b", "firing"), ("a", "resolved")]
    story.at(40).over(second)
    note = story.tick()[0]
    assert (note.said, note.sources) == (("resolved", "all_resolved", "ops"), ("b",))
    assert story.group_keys() == []


def test_what_was_over_before_anybody_was_told_is_dropped(store_url: str) -> None:
    story = story_of(store_url, group_wait="30s")
    alert = story.fires("a")
    story.tick()
    story.at(10).over(alert)
    assert story.tick() == []
    assert story.verdicts(alert)[-1] == "group never_told"
    assert story.group_keys() == []
    assert story.at(30).tick() == []


def test_an_episode_that_comes_back_is_a_new_thread(store_url: str) -> None:
    story = story_of(store_url)
    alert = story.fires("a")
    first = story.tick()[0]
    story.over(alert)
    story.at(10).tick()
    story.fires("a")
    again = story.tick()[0]
    assert again.said == ("firing", "first", "ops")
    assert again.key != first.key
    assert again.thread != first.thread


def test_fires_resolves_and_fires_again_in_one_instant(store_url: str) -> None:
    """Even while the clock stands still each message has a key of its own."""
    story = story_of(store_url, group_interval="0s")
    for _ in range(3):
        alert = story.fires("a")
        assert story.said() == [("firing", "first", "ops")]
        story.over(alert)
        assert story.said() == [("resolved", "all_resolved", "ops")]


def test_acknowledging_is_told_and_taken_back(store_url: str) -> None:
    story = story_of(store_url)
    alert = story.fires("a")
    story.tick()
    story.at(20).acknowledged(alert)
    note = story.tick()[0]
    assert (note.said, note.message.alerts[0].acknowledged_by) == (("acknowledged", "acknowledged", "ops"), "eva")
    story.at(40).unacknowledged(alert)
    assert story.said() == [("firing", "unacknowledged", "ops")]


def test_acknowledging_one_of_two_is_not_the_acknowledgement_of_all(store_url: str) -> None:
    story = story_of(store_url)
    first, second = story.fire_all(["a", "b"])
    story.tick()
    story.at(20).acknowledged(first)
    assert story.said() == [("firing", "acknowledged", "ops")]
    story.at(40).acknowledged(second)
    assert story.said() == [("acknowledged", "acknowledged", "ops")]


def test_what_was_acknowledged_before_it_was_told_needs_no_telling(store_url: str) -> None:
    story = story_of(store_url, group_wait="30s")
    alert = story.fires("a")
    story.tick()
    story.at(10).acknowledged(alert)
    assert story.at(30).tick() == []
    story.at(60).over(alert)
    assert story.tick() == []
    assert story.verdicts(alert)[-1] == "group never_told"


def test_reminders_while_nobody_acknowledges(store_url: str) -> None:
    story = story_of(store_url, repeat_interval="1h")
    alert = story.fires("a")
    story.tick()
    assert story.at(3599).tick() == []
    assert story.at(3600).said() == [("reminder", "reminder", "ops")]
    assert story.at(7199).tick() == []
    assert story.at(7200).said() == [("reminder", "reminder", "ops")]
    story.at(7300).acknowledged(alert)
    story.tick()
    assert story.at(20000).tick() == []


def test_no_reminder_of_what_is_muted(store_url: str) -> None:
    story = story_of(store_url, repeat_interval="1h")
    alert = story.fires("a")
    story.tick()
    story.at(60).silence(source="a", ends=8000)
    assert story.at(3600).tick() == []
    assert story.alert(alert).state is AlertState.SUPPRESSED
    # Its firing was told: the end of the silence is no news, but a reminder is overdue.
    assert story.at(8000).said() == [("reminder", "reminder", "ops")]


def test_a_clock_that_is_set_back_delays_nothing(store_url: str) -> None:
    story = story_of(store_url, group_interval="10s", repeat_interval="1h")
    story.at(7200).fires("a")
    story.tick()
    story.at(0).fires("b", "warning")
    story.tick()
    assert [note.reason for note in story.at(10).tick()] == ["new_alerts"]
    assert story.at(3600).tick() == []
    assert [note.reason for note in story.at(3610).tick()] == ["reminder"]


def test_a_clock_that_leaps_ahead_sends_one_reminder(store_url: str) -> None:
    story = story_of(store_url, repeat_interval="1h")
    story.fires("a")
    story.tick()
    assert story.at(86400).said() == [("reminder", "reminder", "ops")]
    assert story.at(86405).tick() == []


def test_flapping_within_the_interval_is_one_message(store_url: str) -> None:
    story = story_of(store_url, group_interval="1m")
    alert = story.fires("a")
    story.tick()
    story.at(10).over(alert)
    story.tick()
    story.at(20).fires("a")
    assert story.tick() == []
    note = story.at(60).tick()[0]
    assert (note.said, [fact.state for fact in note.message.alerts]) == (
        ("firing", "new_alerts", "ops"), ["firing", "resolved"],
    )  # fmt: skip


def test_every_group_tells_only_once_however_often_it_is_asked(store_url: str) -> None:
    story = story_of(store_url)
    alert = story.fires("a")
    story.tick()
    for second in range(5, 60, 5):
        assert story.at(second).tick() == []
    assert story.verdicts(alert) == ["route routed", "dedup first", "deliver queued"]


def test_the_message_of_all_ends_counts_as_resolved(store_url: str) -> None:
    story = story_of(store_url)
    ids = story.fire_all(["a", "b", "c"])
    story.tick()
    story.at(20).over(*ids)
    message = story.tick()[0].message
    assert message.kind is Kind.RESOLVED
    assert {fact.resolved for fact in message.alerts} == {T0 + timedelta(seconds=20)}
