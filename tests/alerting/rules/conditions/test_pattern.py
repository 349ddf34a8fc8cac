"""Patterns of results."""

from __future__ import annotations

import pytest

from monitoring_pipeline.records import Status
from tests.alerting.rules.conditions.judging import CRITICAL, WARNING, World, problems

STATUSES = {"h": Status.HEALTHY, "w": Status.WARNING, "c": Status.CRITICAL, "u": Status.UNKNOWN}


def after(letters: str, check: str = "web") -> World:
    """Results a minute apart, oldest first."""
    return World().results([STATUSES[letter] for letter in letters], check=check)


@pytest.mark.parametrize(
    ("letters", "truth"),
    [("hccc", True), ("hcc", False), ("ccch", False), ("wcccc", True), ("hcucuc", True), ("hccwc", False),
     ("ccc", True), ("cc", None), ("u", None), ("", None), ("cch", False)],
)  # fmt: skip
def test_failures_in_a_row_leave_unknown_results_out(letters: str, truth: bool | None) -> None:
    assert after(letters).truth("{kind: pattern, failures_in_a_row: 3}") is truth


def test_failures_in_a_row_in_words_and_levels() -> None:
    seen = after("hccc").see("{kind: pattern, failures_in_a_row: {warning: 2, critical: 5}}")
    assert seen.truths == {WARNING: True, CRITICAL: False}
    assert seen.text == "failures in a row (3 of 4) >= 2"
    assert after("").see("{kind: pattern, failures_in_a_row: 3}").text == (
        "failures in a row: unknown, 0 known results in 1h"
    )


def test_each_check_of_a_source_has_its_own_row() -> None:
    world = after("hccch", "a").results([STATUSES[letter] for letter in "hhccc"], check="b", every=61)
    wanted = "{kind: pattern, failures_in_a_row: 3}"
    assert world.truth(wanted) is True
    assert [world.truth(wanted, check=check) for check in ("a", "b")] == [False, True]
    apart = after("hchc", "a").results([STATUSES["c"]] * 2, check="b", every=61)
    assert apart.truth(wanted) is False


@pytest.mark.parametrize(
    ("letters", "truth"),
    [("hchch", True), ("hchc", False), ("huchuc", False), ("hwchw", True), ("hhhhh", False), ("u", None)],
)  # fmt: skip
def test_flapping_is_many_changes(letters: str, truth: bool | None) -> None:
    assert after(letters).truth("{kind: pattern, changes: 4, window: 30m}") is truth


def test_changes_are_counted_within_the_window() -> None:
    assert after("hchchhhhhh").truth("{kind: pattern, changes: 4, window: 10m}") is True
    assert after("hchchhhhhh").truth("{kind: pattern, changes: 4, window: 8m}") is False
    assert after("hchch").see("{kind: pattern, changes: 4, window: 8m}").text == (
        "changes of the status in 8m (4 of 5) >= 4"
    )


@pytest.mark.parametrize(("letters", "truth"), [("hhhc", True), ("hhhhc", False), ("uuhhhhc", False), ("wwww", False)])
def test_too_few_successes(letters: str, truth: bool) -> None:
    assert after(letters).truth("{kind: pattern, success_below: 80}") is truth


def test_a_success_rate_needs_enough_known_results() -> None:
    wanted = "{kind: pattern, success_below: 80, min_results: 4}"
    assert after("ccuc").truth(wanted) is None
    assert after("cccc").truth(wanted) is True
    assert after("ccuc").see(wanted).text == "success rate over 1h: unknown, 3 known results in 1h"
    assert after("hhhc").see(wanted).text == "success rate over 1h (75 % of 4) < 80 %"


def test_a_pattern_can_clear_apart() -> None:
    wanted = "{kind: pattern, success_below: 80, clear: 95}"
    assert [after("hhhhhhhhhc").truth(wanted, held=held) for held in (None, CRITICAL)] == [False, True]


@pytest.mark.parametrize("text", ["{kind: pattern}", "{kind: pattern, changes: 3, success_below: 4}"])
def test_it_is_one_pattern(text: str) -> None:
    assert "give one of `failures_in_a_row`, `changes` and `success_below`" in problems(text)
