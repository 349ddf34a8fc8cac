"""A storm becomes a digest per recipient; what went out, what gathers, and what becomes of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import event

from monitoring_pipeline.alerting.spec import PersonSpec
from monitoring_pipeline.records import Source
from tests.alerting.stages.story import Mail, Story, ops, plan

ROUTE = {"notify": ["channel:ops"], "repeat_interval": None}


def cap(messages: int, per: str = "1m") -> dict[str, Any]:
    return {"messages": messages, "per": per}


def story_of(url: str, messages: int = 3, route: dict[str, Any] | None = None, **spec: Any) -> Story:
    own = {"ops": ops(storm_cap=cap(messages)), "chat": ops(storm_cap=None)}
    return Story(url, plan([{**ROUTE, **(route or {})}], channels=own, spec={"storm_cap": None, **spec}))


def kinds(story: Story) -> dict[str, int]:
    return Counter(note.kind for note in story.tick())


def test_a_storm_of_a_thousand_is_the_worst_thirty_and_one_digest(store_url: str) -> None:
    sources = [Source(f"s{number:03}") for number in range(1000)]
    story = Story(store_url, plan([ROUTE]), sources)
    warnings = story.fire_all([source.id for source in sources[:70]], "warning")
    critical = story.fire_all([source.id for source in sources[70:]])
    notes = story.tick()
    assert Counter(note.kind for note in notes) == {"firing": 30, "digest": 1}
    assert {note.message.severity for note in notes[:30]} == {"critical"}
    digest = notes[-1]
    assert (digest.state, digest.due, digest.reason, len(digest.sources)) == ("collecting", 60, "storm", 970)
    assert (
        digest.message.title == "970 more alerts: 900 critical, 70 warning (s100, s101, s102, s103, s104 and 965 more)"
    )
    assert (len(digest.message.alerts), digest.message.more) == (50, 920)
    assert story.verdicts(warnings[0])[-1] == "throttle folded"
    assert story.verdicts(critical[0])[-1] == "deliver queued"
    assert story.unhandled() == 0
    assert story.at(5).tick() == []


def test_what_comes_later_joins_the_digest_until_it_is_due(store_url: str) -> None:
    story = story_of(store_url)
    story.fire_all("abcd")
    assert kinds(story) == {"firing": 3, "digest": 1}
    story.at(30).fires("e", "warning")
    assert story.tick() == []
    digest = story.notes()[-1]
    assert (digest.sources, digest.message.title) == (("d", "e"), "2 more alerts: 1 critical, 1 warning (d, e)")
    # At 60 s it was sent and there is room again.
    story.at(60).tick()
    assert story.notes()[-1].state == "sent"
    story.at(61).fires("f")
    assert kinds(story) == {"firing": 1}


def test_a_second_wave_is_a_second_digest(store_url: str) -> None:
    story = story_of(store_url)
    story.fire_all("abcd")
    story.tick()
    story.at(60).tick()
    story.at(61).fire_all("efghi")
    notes = story.tick()
    assert [(note.kind, note.sources, note.due) for note in notes if note.kind == "digest"] == [
        ("digest", ("h", "i"), 121)
    ]


def test_the_end_of_what_only_a_gathering_digest_knows_leaves_it(store_url: str) -> None:
    story = story_of(store_url)
    ids = story.fire_all("abcde")
    story.tick()
    story.at(20).over(ids[3])
    assert story.tick() == []
    digest = story.notes()[-1]
    assert (digest.state, digest.sources, digest.message.title) == (
        "collecting",
        ("e",),
        "1 more alert: 1 critical (e)",
    )
    assert "recall resolved_in_digest" in story.verdicts(ids[3])
    story.at(40).over(ids[4])
    assert story.tick() == []
    assert story.notes()[-1].state == "dropped"


def test_whoever_got_the_digest_hears_the_end(store_url: str) -> None:
    story = story_of(store_url)
    ids = story.fire_all("abcd")
    story.tick()
    story.at(60).tick()
    story.at(100).over(ids[3])
    assert [(note.kind, note.sources) for note in story.tick()] == [("resolved", ("d",))]


def test_a_thousand_ends_are_a_digest_too(store_url: str) -> None:
    story = story_of(store_url, 30)
    ids = story.fire_all([f"s{number}" for number in range(1000)])
    story.tick()
    story.at(60).tick()
    story.at(100).over(*ids)
    notes = story.tick()
    assert Counter(note.kind for note in notes) == {"resolved": 30, "digest": 1}
    assert notes[-1].message.title.startswith("970 alerts are over (")
    assert story.group_keys() == []


def test_acknowledging_what_a_digest_gathers_changes_the_digest(store_url: str) -> None:
    story = story_of(store_url)
    ids = story.fire_all("abcd")
    story.tick()
    story.at(20).acknowledged(ids[3])
    assert story.tick() == []
    assert [fact.state for fact in story.notes()[-1].message.alerts] == ["acknowledged"]


def test_all_channels_together_have_a_cap_too(store_url: str) -> None:
    routes = [{**ROUTE, "notify": ["channel:ops", "channel:chat"]}]
    channels = {"ops": ops(storm_cap=None), "chat": ops(storm_cap=None)}
    story = Story(store_url, plan(routes, channels=channels, spec={"storm_cap": cap(5)}))
    story.fire_all("abcd")
    notes = story.tick()
    assert Counter(note.kind for note in notes) == {"firing": 5, "digest": 2}
    assert sum(len(note.sources) for note in notes) == 8
    assert {note.channel for note in notes if note.kind == "digest"} == {"ops", "chat"}


def test_without_caps_everything_goes_out(store_url: str) -> None:
    story = Story(store_url, plan([ROUTE], channels={"ops": ops(storm_cap=None)}, spec={"storm_cap": None}))
    story.fire_all([f"s{number}" for number in range(150)])
    assert kinds(story) == {"firing": 150}


def test_every_address_has_a_digest_of_its_own(store_url: str) -> None:
    people = {name: PersonSpec(email=f"{name}@example.com") for name in ("eva", "max")}
    routes = [{**ROUTE, "notify": ["person:eva", "person:max"]}]
    channels = {"mail": Mail.model_validate({"storm_cap": cap(2)})}
    story = Story(store_url, plan(routes, channels=channels, people=people))
    story.fire_all("abc")
    digests = [(note.recipient, note.sources) for note in story.tick() if note.kind == "digest"]
    assert digests == [("eva@example.com", ("b", "c")), ("max@example.com", ("b", "c"))]


def test_the_end_of_quiet_hours_is_no_storm(store_url: str) -> None:
    """What waited for one moment counts at that moment: it comes as the cap's messages and one digest."""
    eva = PersonSpec.model_validate({"email": "eva@example.com", "quiet_hours": [{"from": "11:00", "to": "13:00"}]})
    channels = {"mail": Mail.model_validate({"storm_cap": cap(2)})}
    story = Story(store_url, plan([{**ROUTE, "notify": ["person:eva"]}], channels=channels, people={"eva": eva}))
    for number in range(10):
        story.at(number * 300).fires(f"s{number}", "warning")
        story.tick()
    notes = story.notes()
    assert [(note.kind, note.due, note.state) for note in notes] == [
        ("firing", 3600, "waiting"), ("firing", 3600, "waiting"), ("digest", 3600, "collecting"),
    ]  # fmt: skip
    assert len(notes[-1].sources) == 8
    # And what wakes is not held up by what waits.
    story.at(3000).fires("loud", "critical")
    assert [(note.kind, note.due) for note in story.tick()] == [("firing", 3000)]


@pytest.mark.parametrize(("mode", "sending", "verdict"), [("shadow", True, "shadow"), ("active", False, "sending_off")])
def test_what_is_not_sent_uses_up_nothing(store_url: str, mode: str, sending: bool, verdict: str) -> None:
    story = story_of(store_url, sending=sending)
    ids = story.fire_all("abcdef", mode=mode)
    assert story.tick() == []
    assert [story.verdicts(each)[-1] for each in ids] == [f"deliver {verdict}"] * 6
    details = [story.decisions(each)[-1].detail for each in ids]
    assert details == ["would have been sent: firing to ops, first"] * 6
    story.at(20).over(*ids)
    assert story.tick() == []
    assert story.decisions(ids[0])[-1].detail == "would have been sent: resolved to ops, all_resolved"
    story.plan = story_of(store_url).plan
    story.at(40).fire_all("xyz")
    assert kinds(story) == {"firing": 3}


def test_shadow_and_active_alerts_of_one_source_are_told_apart(store_url: str) -> None:
    story = story_of(store_url)
    story.fires("a", mode="shadow", rule="trial")
    story.fires("a")
    assert [(note.kind, len(note.message.alerts)) for note in story.tick()] == [("firing", 1)]
    assert story.group_keys() == ["1/source=a#1/shadow", "1/source=a#2"]


def test_a_storm_costs_little(store_url: str) -> None:
    """No statement per alert: their number does not grow with the storm."""
    story = story_of(store_url)
    statements: list[str] = []
    with story.store() as store:
        event.listen(store.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    counts = []
    for second, size in ((0, 20), (400, 400)):
        ids = story.at(second).fire_all([f"s{size}-{number}" for number in range(size)])
        statements.clear()
        story.tick()
        counts.append(len(statements))
        story.at(second + 200).over(*ids)
        story.tick()
    assert counts[1] <= counts[0] + 10


def test_a_digest_given_up_and_one_begun_for_the_same_moment_are_two(store_url: str) -> None:
    story = story_of(store_url)
    ids = story.fire_all("abcd")
    story.tick()
    story.at(10).over(ids[3])
    story.tick()
    story.at(20).fires("e")
    assert [(note.kind, note.sources, note.due) for note in story.tick()] == [("digest", ("e",), 60)]
    assert [note.state for note in story.notes() if note.kind == "digest"] == ["dropped", "collecting"]


def test_a_digest_that_is_due_counts_as_told_before_it_is_sent(store_url: str) -> None:
    story = story_of(store_url)
    ids = story.fire_all("abcd")
    story.tick()
    story.at(61).over(ids[3])
    assert [(note.kind, note.sources) for note in story.tick(deliver=False)] == [("resolved", ("d",))]


def test_what_a_digest_tells_is_how_it_stands_when_it_is_sent(store_url: str) -> None:
    """Also of alerts of one group, of which another one was told by itself."""
    story = story_of(store_url, 1, route={"group_by": [], "group_interval": "10s"})
    story.fires("a")
    story.tick()
    second = story.at(20).fires("b")
    assert [note.kind for note in story.tick()] == ["digest"]
    story.at(40).over(second)
    story.tick()
    digest = next(note for note in story.notes() if note.kind == "digest")
    assert [(fact.source, fact.state) for fact in digest.message.alerts] == [("a", "firing"), ("b", "resolved")]
