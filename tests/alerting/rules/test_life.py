"""The life of an alert: each way from state to state, and what must hold on every way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_pipeline.alerting.rules.condition import Observation
from monitoring_pipeline.alerting.rules.life import UNKNOWN, Moved, Reason, advance, close, level_of
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.records import AlertState, Severity

SECOND = 1_000_000
WARNING, ERROR, CRITICAL = Severity.WARNING, Severity.ERROR, Severity.CRITICAL


def rule(**fields: Any) -> Rule:
    return Rule.model_validate({"id": "r", "when": {"kind": "status"}, "flapping": None, **fields})


class Story:
    """Observations of one subject in the order of time (seconds), each moving the same alert."""

    def __init__(self, **fields: Any) -> None:
        self.rule, self.row, self.past, self.reasons = rule(**fields), None, [], []

    def see(self, at: float, what: Any) -> Story:
        truths = what if isinstance(what, Mapping) else {CRITICAL: what}
        moved = advance(self.rule, self.row, Observation(truths, "text"), self.past, int(at * SECOND))
        return self._take(at, moved)

    def _take(self, at: float, moved: Moved) -> Story:
        self.reasons += [(at, change.after.value, change.reason.value) for change in moved.changes]
        self.row = moved.row
        if self.row is not None:
            self.row.setdefault("id", 1)
            if self.row["state"] == AlertState.RESOLVED.value:
                if self.row["fired"] is not None:
                    self.past.append((self.row["fired"], self.row["resolved"]))
                self.row = None
        return self

    @property
    def state(self) -> str | None:
        return None if self.row is None else self.row["state"]


def test_without_a_duration_it_fires_at_once_and_ends_at_once() -> None:
    story = Story().see(0, False).see(5, True).see(10, True).see(15, False)
    assert story.reasons == [(5, "firing", "fired"), (15, "resolved", "cleared")]


def test_it_waits_as_long_as_the_rule_says() -> None:
    story = Story(**{"for": "30s"}).see(0, True)
    assert story.row["due"] == 30 * SECOND
    assert story.see(29, True).state == "pending"
    assert story.see(30, True).reasons == [(0, "pending", "holds"), (30, "firing", "fired")]


def test_what_does_not_last_never_fires() -> None:
    story = Story(**{"for": "30s"}).see(0, True).see(10, False).see(20, True).see(40, True)
    assert story.reasons == [(0, "pending", "holds"), (10, "resolved", "did_not_last"), (20, "pending", "holds")]


def test_it_ends_only_after_the_condition_was_gone_long_enough() -> None:
    story = Story(clear_for="20s").see(0, True).see(10, False)
    assert story.row["due"] == 30 * SECOND
    story.see(20, True).see(25, False).see(44, False)
    assert story.state == "firing"
    assert story.row["count"] == 2
    assert story.see(45, False).reasons[-1] == (45, "resolved", "cleared")


@pytest.mark.parametrize(
    ("unknown", "expected"),
    [
        ("keep", [(0, "firing", "fired")]),
        ("clear", [(0, "firing", "fired"), (10, "resolved", "cleared")]),
        ("fire", [(0, "firing", "fired")]),
    ],
)
def test_what_is_not_known_means_what_the_rule_says(unknown: str, expected: list[Any]) -> None:
    story = Story(unknown=unknown).see(0, True).see(10, None)
    assert story.reasons == expected
    fresh = Story(unknown=unknown).see(0, None)
    assert fresh.state == ("firing" if unknown == "fire" else None)


def test_a_pending_alert_neither_fires_nor_ends_while_nothing_is_known() -> None:
    story = Story(**{"for": "30s"}).see(0, True).see(20, None).see(60, None)
    assert (story.state, story.row["due"]) == ("pending", None)
    assert story.see(61, True).state == "firing"


def test_a_worse_level_is_told_once_it_lasted_as_well() -> None:
    warning, both = {WARNING: True, CRITICAL: False}, {WARNING: True, CRITICAL: True}
    story = Story(**{"for": "10s"}).see(0, warning).see(10, warning).see(12, both)
    assert story.row["severity"] == "warning"
    assert story.row["due"] == 22 * SECOND
    story.see(22, both)
    assert story.reasons[-1] == (22, "firing", "worse")
    assert story.row["severity"] == "critical"
    assert story.see(30, warning).reasons[-1] == (30, "firing", "better")
    assert story.row["severity"] == "warning"


def test_a_short_peak_of_a_worse_level_is_not_told() -> None:
    warning, both = {WARNING: True, CRITICAL: False}, {WARNING: True, CRITICAL: True}
    story = Story(**{"for": "10s"}).see(0, warning).see(10, both).see(15, warning).see(18, both).see(26, both)
    assert story.row["severity"] == "warning"


def test_an_unknown_worse_level_keeps_the_severity_it_stands_at() -> None:
    both, unsure = {WARNING: True, CRITICAL: True}, {WARNING: True, CRITICAL: None}
    story = Story().see(0, both).see(10, unsure)
    assert (story.row["severity"], story.reasons) == ("critical", [(0, "firing", "fired")])


def test_what_gets_worse_is_no_longer_acknowledged() -> None:
    warning, both = {WARNING: True, CRITICAL: False}, {WARNING: True, CRITICAL: True}
    story = Story().see(0, warning)
    story.row.update(state="acknowledged", acknowledged=1, acknowledged_by="ana")
    story.see(10, both)
    assert story.reasons[-1] == (10, "firing", "worse")
    assert (story.row["acknowledged"], story.row["acknowledged_by"]) == (None, "")


def test_an_acknowledgement_runs_out() -> None:
    story = Story().see(0, True)
    story.row.update(state="acknowledged", acknowledged=1, acknowledged_by="ana", acknowledged_until=60 * SECOND)
    assert story.see(10, True).row["due"] == 60 * SECOND
    assert story.see(60, True).reasons[-1] == (60, "firing", "unacknowledged")


def test_after_an_end_it_may_not_fire_until_it_has_cooled_down() -> None:
    story = Story(cooldown="60s").see(0, True).see(10, False).see(20, True)
    assert (story.state, story.row["due"]) == ("pending", 70 * SECOND)
    assert story.see(70, True).state == "firing"


def test_what_comes_and_goes_becomes_one_alert_until_it_is_calm() -> None:
    story = Story(flapping={"times": 3, "within": "10m", "calm": "2m"})
    for minute in range(6):
        story.see(minute * 60, True).see(minute * 60 + 30, False)
    fired = [at for at, _, reason in story.reasons if reason == "fired"]
    assert fired == [0, 60, 120]
    assert (150, "firing", "flapping") in story.reasons
    assert story.row["flapping"] is True
    assert story.see(330 + 119, False).state == "firing"
    assert story.see(330 + 120, False).reasons[-1] == (450, "resolved", "cleared")


def test_a_rule_in_shadow_makes_shadow_alerts() -> None:
    assert Story(mode="shadow").see(0, True).row["mode"] == "shadow"


def test_an_alert_can_be_ended_whatever_is_observed() -> None:
    story = Story().see(0, True)
    moved = close(story.row, Reason.RULE_GONE, 9 * SECOND)
    assert moved.row is not None
    assert (moved.row["state"], moved.row["resolution"], moved.row["open_key"]) == ("resolved", "rule_gone", None)
    assert [change.reason for change in moved.changes] == [Reason.RULE_GONE]


@pytest.mark.parametrize(
    ("truths", "held", "expected"),
    [
        ({None: True}, None, ERROR),
        ({None: False}, None, None),
        ({None: None}, None, UNKNOWN),
        ({WARNING: True, CRITICAL: None}, None, WARNING),
        ({WARNING: True, CRITICAL: None}, CRITICAL, UNKNOWN),
        ({WARNING: False, CRITICAL: None}, WARNING, UNKNOWN),
        ({WARNING: True, CRITICAL: True}, WARNING, CRITICAL),
    ],
)
def test_levels(truths: Any, held: Severity | None, expected: Any) -> None:
    assert level_of(rule(severity="error"), truths, held) == expected


TRUTHS = st.sampled_from([True, False, None])
STEPS = st.lists(st.tuples(st.integers(1, 90), TRUTHS, TRUTHS), max_size=40)
FIELDS = st.fixed_dictionaries(
    {
        "for": st.sampled_from(["0s", "30s", "2m"]), "clear_for": st.sampled_from(["0s", "45s"]),
        "cooldown": st.sampled_from(["0s", "5m"]), "unknown": st.sampled_from(["keep", "clear", "fire"]),
        "flapping": st.sampled_from([None, {"times": 3, "within": "10m", "calm": "3m"}]),
    }
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(FIELDS, STEPS)
def test_on_every_way(fields: dict[str, Any], steps: list[tuple[int, bool | None, bool | None]]) -> None:
    """Nothing fires before it held long enough; each alert fires at most once; a due clock lies ahead."""
    story, at = Story(**fields), 0
    for pause, warning, critical in steps:
        at += pause
        if critical:
            warning = True
        story.see(at, {WARNING: warning, CRITICAL: critical})
        if story.row is None:
            continue
        assert (story.row["fired"] is None) == (story.state == "pending")
        if story.row["fired"] is not None:
            assert story.row["fired"] >= story.row["started"] + story.rule.hold.total_seconds() * SECOND
        if story.row["due"] is not None:
            assert story.row["due"] > at * SECOND
    for (_, ended), (began, _) in zip(story.past, story.past[1:], strict=False):
        assert began >= ended + story.rule.cooldown.total_seconds() * SECOND
