"""Conditions made of conditions: three-valued logic, severity by severity, over several sources."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring_pipeline.alerting.rules.composition import both, either
from monitoring_pipeline.alerting.rules.condition import Subject, Truth
from monitoring_pipeline.records import Status
from tests.alerting.rules.conditions.judging import CRITICAL, ERROR, INFO, SHOP, WARNING, World, condition, problems

LEVELS = "{kind: metric, metric: a, threshold: {warning: 1, critical: 2}}"


def single(metric: str) -> str:
    return f"{{kind: metric, metric: {metric}, threshold: 0}}"


def world_of(truths: list[Truth]) -> World:
    """The metrics m0, m1, ... are above 0, are not, or are missing."""
    world = World()
    for number, truth in enumerate(truths):
        if truth is not None:
            world.samples(f"m{number}", {0: 1.0 if truth else -1.0})
    return world


TRUTHS: tuple[Truth, ...] = (True, False, None)


@pytest.mark.parametrize("truths", list(product(TRUTHS, repeat=3)))
def test_kleene(truths: tuple[Truth, ...]) -> None:
    parts = ", ".join(single(f"m{number}") for number in range(3))
    world = world_of(list(truths))
    assert world.truth(f"{{kind: all, of: [{parts}]}}") is both(truths)
    assert world.truth(f"{{kind: any, of: [{parts}]}}") is either(truths)
    assert world.truth(f"{{kind: at_least, count: 3, of: [{parts}]}}") is both(truths)
    assert world.truth(f"{{kind: at_least, count: 1, of: [{parts}]}}") is either(truths)
    first = truths[0]
    assert world.truth(f"{{kind: not, of: {single('m0')}}}") is (None if first is None else not first)


@given(st.lists(st.sampled_from(TRUTHS), min_size=1, max_size=5), st.integers(1, 5))
def test_unknown_means_that_either_answer_is_possible(truths: list[Truth], count: int) -> None:
    """Filling in the unknown ones in every way gives one answer exactly where the answer is known."""
    count = min(count, len(truths))
    parts = ", ".join(single(f"m{number}") for number in range(len(truths)))
    possible = {
        sum(filled) >= count
        for filled in product(*(((True, False) if truth is None else (truth,)) for truth in truths))
    }
    found = world_of(truths).truth(f"{{kind: at_least, count: {count}, of: [{parts}]}}")
    assert found is (possible.pop() if len(possible) == 1 else None)


def test_severities_are_combined_one_by_one() -> None:
    both_of = f"{{kind: all, of: [{LEVELS}, {{kind: status}}]}}"
    world = World().samples("a", {0: 3}).is_(Status.WARNING)
    assert world.see(both_of).truths == {WARNING: True, CRITICAL: False}
    assert world.see(both_of.replace("kind: all", "kind: any")).truths == {WARNING: True, CRITICAL: True}
    assert World().samples("a", {0: 3}).see(both_of).truths == {WARNING: None, CRITICAL: None}


def test_a_part_without_severities_holds_at_each() -> None:
    wanted = f"{{kind: all, of: [{LEVELS}, {single('b')}]}}"
    world = World().samples("a", {0: 3}).samples("b", {0: 1})
    assert world.see(wanted).truths == {WARNING: True, CRITICAL: True}
    assert World().samples("a", {0: 3}).samples("b", {0: -1}).see(wanted).truths == {WARNING: False, CRITICAL: False}


def test_a_part_between_counts_by_its_next_worse_severity() -> None:
    other = "{kind: metric, metric: b, threshold: {info: 1, error: 2}}"
    world = World().samples("a", {0: 3}).samples("b", {0: 3})
    seen = world.see(f"{{kind: all, of: [{LEVELS}, {other}]}}")
    assert list(seen.truths.items()) == [(INFO, True), (WARNING, True), (ERROR, True), (CRITICAL, False)]


def test_not_holds_only_where_its_part_holds_at_no_severity() -> None:
    wanted = f"{{kind: not, of: {LEVELS}}}"
    found = [World().samples("a", {0: value}).see(wanted).truths for value in (0, 1.5, 3)]
    assert found == [{None: True}, {None: False}, {None: False}]


def test_texts_say_what_is_so() -> None:
    world = world_of([True, False, True])
    parts = ", ".join(single(f"m{number}") for number in range(3))
    assert world.see(f"{{kind: any, of: [{parts}]}}").text == "m0 (1) > 0 and m2 (1) > 0"
    assert world.see(f"{{kind: all, of: [{parts}]}}").text == "m0 (1) > 0 and m1 (-1) <= 0 and m2 (1) > 0"
    assert world.see(f"{{kind: at_least, count: 2, of: [{parts}]}}").text == "2 of 3: m0 (1) > 0 and m2 (1) > 0"
    assert world.see(f"{{kind: not, of: {single('m1')}}}").text == "m1 (-1) <= 0"


def test_the_value_is_that_of_a_part_that_holds() -> None:
    seen = world_of([False, True]).see(f"{{kind: any, of: [{single('m0')}, {single('m1')}]}}")
    assert (seen.value, seen.details["metric"]) == (1, "m1")


def test_one_rule_looks_at_several_sources() -> None:
    wanted = condition(
        "{kind: all, of: [{kind: status}, {kind: not, of: {kind: status, source: gateway}}, "
        "{kind: metric, source: db, metric: m, threshold: 0}]}"
    )
    world = World().is_(Status.CRITICAL).is_(Status.HEALTHY, source="gateway").samples("m", {0: 1}, source="db")
    assert world.see(wanted).truths == {WARNING: True, CRITICAL: True}
    world.is_(Status.CRITICAL, source="gateway")
    assert world.see(wanted).truths == {WARNING: False, CRITICAL: False}
    assert wanted.watches(Subject(SHOP)) == {"shop", "gateway", "db"}
    assert wanted.named_sources() == {"gateway", "db"}
    assert wanted.metrics() == {"m"}


def test_clear_thresholds_work_inside() -> None:
    part = "{kind: metric, metric: m, threshold: 90, clear: 80}"
    world = World().samples("m", {0: 85})
    wanted = f"{{kind: any, of: [{part}]}}"
    assert [world.truth(wanted, held=held) for held in (None, WARNING)] == [False, True]
    # Of an alert that stands because the part does not hold, the part has nothing to clear.
    assert world.truth(f"{{kind: not, of: {part}}}", held=WARNING) is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{kind: all, of: []}", "give at least one condition"),
        ("{kind: any}", "of: Field required"),
        (f"{{kind: at_least, count: 2, of: [{single('m')}]}}", "`count` (2) is more than there are conditions (1)"),
        ("{kind: all, of: [{kind: metric, metric: m, threshold: 5, clear: 9}]}", "all.of.0.metric"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    assert message in problems(text)
    assert len(problems(text).splitlines()) == 1
