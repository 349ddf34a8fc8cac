"""Which routes take an alert, when, and into which groups."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring_pipeline.records import Source
from tests.alerting.stages.story import Story, labelled, ops, plan

SOURCES = (
    Source("orders", component="shop", owner="shop-team", tags=("eu",)),
    Source("ledger", component="bank", owner="bank-team"),
)
CHANNELS = {name: ops() for name in ("ops", "pager", "chat")}


def to(channel: str, **route: Any) -> dict[str, Any]:
    return {"notify": [f"channel:{channel}"], "repeat_interval": None, **route}


def told(url: str, routes: list[dict[str, Any]], **alert: Any) -> list[str]:
    story = Story(url, plan(routes, channels=CHANNELS), SOURCES)
    story.fires("orders", **alert)
    return [note.channel for note in story.tick()]


@pytest.mark.parametrize(
    ("routes", "channels"),
    [
        ([], ["chat", "ops", "pager"]),
        ([to("pager"), to("chat")], ["pager"]),
        ([to("pager", match={"component": "bank"}), to("chat")], ["chat"]),
        ([to("pager", match={"severity": ["warning"]}), to("chat", match={"tag": "eu"})], ["chat"]),
        ([to("pager", match={"owner": "shop-*"})], ["pager"]),
        ([to("pager", match={"labels": {"tier": "1"}}), to("ops")], ["pager"]),
        ([to("pager", match={"labels": {"tier": "2"}}), to("ops")], ["ops"]),
        ([to("pager", **{"continue": True}), to("chat"), to("ops")], ["chat", "pager"]),
        ([to("pager", match={"source": "ledger"})], []),
        # 12:00 on a Monday
        ([to("pager", hours=[{"from": "18:00", "to": "09:00"}]), to("chat")], ["chat"]),
        ([to("pager", hours=[{"from": "09:00", "to": "18:00", "days": ["mon"]}]), to("chat")], ["pager"]),
    ],
)  # fmt: skip
def test_first_route_that_matches_decides(store_url: str, routes: list[dict[str, Any]], channels: list[str]) -> None:
    assert sorted(told(store_url, routes, labels=labelled(tier="1"))) == channels


def test_a_channel_that_is_off_is_not_part_of_everybody(store_url: str) -> None:
    story = Story(store_url, plan(channels={"ops": ops(), "old": ops(enabled=False)}))
    story.fires("orders")
    assert [note.channel for note in story.tick()] == ["ops"]


def test_what_no_route_takes_is_said_once_and_taken_when_a_route_opens(store_url: str) -> None:
    night = {"hours": [{"from": "12:01", "to": "06:00"}]}
    story = Story(store_url, plan([to("pager", name="night", **night)], channels=CHANNELS), SOURCES)
    alert = story.fires("orders")
    assert story.tick() == []
    story.at(30).tick()
    assert story.verdicts(alert) == ["route no_route"]
    assert [note.said for note in story.at(61).tick()] == [("firing", "first", "pager")]
    assert story.verdicts(alert)[1] == "route routed"
    assert story.decisions(alert)[1].detail == "route night, group night/source=orders#1"


def test_an_alert_that_was_told_stays_where_it_was_told(store_url: str) -> None:
    """The warning went to chat; when it becomes critical the pager is told too, and both hear of the end."""
    routes = [to("pager", match={"severity": ["critical"]}), to("chat")]
    story = Story(store_url, plan(routes, channels=CHANNELS), SOURCES)
    alert = story.fires("orders", "warning")
    assert story.said() == [("firing", "first", "chat")]
    story.at(20).shifts(alert, severity="critical")
    assert sorted(story.said()) == [("firing", "first", "pager"), ("firing", "worse", "chat")]
    story.at(40).over(alert)
    ends = [("resolved", "all_resolved", "chat"), ("resolved", "all_resolved", "pager")]
    assert sorted(story.said()) == ends


def test_an_alert_nobody_was_told_of_moves_to_the_route_that_takes_it_now(store_url: str) -> None:
    routes = [to("pager", match={"severity": ["critical"]}), to("chat", group_wait="1m")]
    story = Story(store_url, plan(routes, channels=CHANNELS), SOURCES)
    alert = story.fires("orders", "warning")
    assert story.tick() == []
    story.at(20).shifts(alert, severity="critical")
    assert story.said() == [("firing", "first", "pager")]
    assert story.at(120).tick() == []
    assert story.group_keys() == ["1/source=orders#1"]


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (["source"], [("ledger",), ("orders",), ("orders2",)]),
        (["component"], [("ledger",), ("orders", "orders2")]),
        (["owner"], [("ledger",), ("orders", "orders2")]),
        (["tier"], [("ledger", "orders"), ("orders2",)]),
        (["component", "severity"], [("ledger",), ("orders",), ("orders2",)]),
        ([], [("ledger", "orders", "orders2")]),
    ],
)
def test_alerts_with_the_same_labels_are_one_message(store_url: str, by: list[str], groups: list[tuple[str]]) -> None:
    sources = (*SOURCES, Source("orders2", component="shop", owner="shop-team"))
    story = Story(store_url, plan([to("ops", group_by=by)], channels=CHANNELS), sources)
    story.fires("ledger", labels=labelled(tier="1"))
    story.fires("orders", labels=labelled(tier="1"))
    story.fires("orders2", "warning", labels=labelled(tier="2"))
    assert sorted(note.sources for note in story.tick()) == groups


def test_an_alert_of_a_source_that_is_gone_is_still_told(store_url: str) -> None:
    story = Story(store_url, plan([to("ops", match={"source": "van*", "component": "attic"})], channels=CHANNELS))
    story.fires("vanished", component="attic")
    assert [note.sources for note in story.tick()] == [("vanished",)]


def test_a_route_that_is_no_longer_configured_still_tells_the_end(store_url: str) -> None:
    story = Story(store_url, plan([to("pager", name="old")], channels=CHANNELS), SOURCES)
    alert = story.fires("orders")
    story.tick()
    story.plan = plan([to("chat", name="new")], channels=CHANNELS)
    story.at(3600 * 5)
    assert story.tick() == []
    story.over(alert)
    assert story.said() == [("resolved", "all_resolved", "pager")]
    assert story.group_keys() == []
