"""Nothing comes any more."""

from __future__ import annotations

import pytest

from monitoring_pipeline.alerting.rules.condition import Series, Subject
from monitoring_pipeline.alerting.rules.reference import Point
from monitoring_pipeline.records import Status
from tests.alerting.rules.conditions.judging import SHOP, World, ago, condition, problems

ROWS = "{kind: absence, metric: rows, duration: 15m}"


@pytest.mark.parametrize(("age", "truth"), [(0, False), (899, False), (900, True), (3600, True), (4499, True)])
def test_it_holds_when_the_last_sample_is_old_enough(age: float, truth: bool) -> None:
    assert World().samples("rows", {age: 1}).truth(ROWS) is truth


def test_it_says_when_the_last_one_came() -> None:
    seen = World().samples("rows", {2222: 1}).see(ROWS)
    assert seen.text == "last sample of rows 37m2s ago, at least 15m"
    assert (seen.value, seen.unit) == (2222, "s")
    assert World().samples("rows", {12: 1}).see(ROWS).text == "last sample of rows 12s ago, less than 15m"


def test_a_source_that_never_reported_is_unknown_until_it_has_been_known_for_longer() -> None:
    world = World()
    assert world.truth(ROWS) is None
    assert world.see(ROWS).text == "no sample of rows in 1h15m, and not known whether there should be one"
    world.sinces["shop", ""] = ago(899)
    assert world.truth(ROWS) is None
    world.sinces["shop", ""] = ago(900)
    assert world.truth(ROWS) is True
    assert world.see(ROWS).text == "no sample of rows for at least 15m, none in 1h15m"


def test_what_came_too_long_ago_to_be_looked_for_counts_as_never() -> None:
    world = World().samples("rows", {4500: 1})
    assert world.truth(ROWS) is None
    world.sinces["shop", ""] = ago(10_000)
    assert world.truth(ROWS) is True


def test_other_metrics_and_tags_are_no_sign_of_life() -> None:
    world = World().samples("columns", {0: 1}).samples("rows", {1000: 1, 0: 1}, tags={"table": "a"})
    assert world.truth(ROWS) is False
    assert world.truth("{kind: absence, metric: rows, tags: {table: b}, duration: 15m}") is None
    assert world.truth("{kind: absence, metric: rows, tags: {table: a}, duration: 15m}") is False


def test_results_of_checks() -> None:
    wanted = condition("{kind: absence, duration: 2m}")
    assert wanted.queries(Subject(SHOP))[0].series is Series.RESULTS
    assert wanted.metrics() == frozenset()
    assert World().results([Status.UNKNOWN]).truth(wanted) is False
    world = World(points=[Point(Series.RESULTS, "shop", "a", "", ago(121), 0.0)])
    assert world.see(wanted).text == "last result 2m1s ago, at least 2m"
    assert [world.truth(wanted, check=check) for check in ("a", "b")] == [True, None]


def test_another_place_is_named_in_the_text() -> None:
    world = World().samples("rows", {5: 1}, source="db", check="size")
    seen = world.see("{kind: absence, metric: rows, source: db, check: size, duration: 15m}")
    assert seen.text == "last sample of db/size/rows 5s ago, less than 15m"
    assert condition("{kind: absence, source: db, duration: 15m}").watches(Subject(SHOP)) == {"db"}


def test_it_needs_the_clock_and_a_duration() -> None:
    assert condition(ROWS).needs_clock
    assert "duration: Field required" in problems("{kind: absence}")
    assert "greater than" in problems("{kind: absence, duration: 0s}")
