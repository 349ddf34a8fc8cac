"""Conditions on numbers that analysis and quality suites leave behind: quality, anomaly, deviation, burn."""

from __future__ import annotations

import pytest

from tests.alerting.rules.conditions.judging import CRITICAL, WARNING, World, condition, problems


def test_a_quality_score_below_its_limits() -> None:
    wanted = "{kind: quality, threshold: {warning: 95, critical: 80}}"
    world = World().samples("quality", {3600 * 30: 99, 3600: 90})
    seen = world.see(wanted)
    assert seen.truths == {WARNING: True, CRITICAL: False}
    assert seen.text == "quality score (90) < 95"
    assert World().samples("quality", {0: 95}).see(wanted).text == "quality score (95) >= 95"


def test_a_dimension_of_quality() -> None:
    world = World().samples("quality.completeness", {60: 98.5}).samples("quality", {60: 100})
    wanted = condition("{kind: quality, dimension: completeness, threshold: 99, clear: 99.5}")
    assert world.truth(wanted) is True
    assert World().samples("quality.completeness", {60: 99.2}).truth(wanted, held=CRITICAL) is True
    assert World().samples("quality.completeness", {60: 99.2}).truth(wanted) is False
    assert wanted.metrics() == {"quality.completeness"}
    assert "'completeness'" in problems("{kind: quality, dimension: beauty, threshold: 1}")


def test_an_old_quality_score_is_unknown() -> None:
    world = World().samples("quality", {3600 * 49: 10})
    assert world.see("{kind: quality, threshold: 95}").truths == {None: None}
    assert world.see("{kind: quality, threshold: 95}").text == "quality score is unknown: no value"
    assert world.truth("{kind: quality, threshold: 95, window: 3d}") is True


@pytest.mark.parametrize(("score", "warning", "critical"), [(1.9, False, False), (2, True, False), (3, True, True)])
def test_an_anomaly_score_has_levels_by_default(score: float, warning: bool, critical: bool) -> None:
    seen = World().samples("anomaly.rows", {30: score}).see("{kind: anomaly, metric: rows}")
    assert seen.truths == {WARNING: warning, CRITICAL: critical}


def test_an_alert_about_an_anomaly_says_what_would_be_normal() -> None:
    world = World().samples("anomaly.rows", {30: 3.4}).samples("rows", {30: 812})
    assert "expected" not in world.see("{kind: anomaly, metric: rows}").text
    world.samples("expected_low.rows", {30: 210.123}).samples("expected_high.rows", {30: 339.9})
    assert world.see("{kind: anomaly, metric: rows}").text == (
        "anomaly score of rows (3.4) >= 3: 812, expected 210-340"
    )
    world.samples("rows", {10: 300})  # a newer one, not scored yet
    assert world.see("{kind: anomaly, metric: rows}").text == "anomaly score of rows (3.4) >= 3"


def test_of_several_checks_the_strangest_counts() -> None:
    world = World().samples("anomaly.rows", {30: 3.4}, check="a").samples("anomaly.rows", {10: 0.2}, check="b")
    assert world.see("{kind: anomaly, metric: rows}").truths == {WARNING: True, CRITICAL: True}
    world.samples("anomaly.rows", {5: 0.9}, check="a")
    assert world.see("{kind: anomaly, metric: rows}").truths == {WARNING: False, CRITICAL: False}


def test_an_anomaly_in_words() -> None:
    world = World().samples("anomaly.rows", {30: 3.456789}, source="db")
    assert world.see("{kind: anomaly, metric: rows, source: db}").text == "db anomaly score of rows (3.4568) >= 3"
    assert world.see("{kind: anomaly, metric: rows}").truths == {WARNING: None, CRITICAL: None}


@pytest.mark.parametrize(
    ("direction", "low", "high"), [("both", True, True), ("above", False, True), ("below", True, False)]
)
def test_a_deviation_on_either_side(direction: str, low: bool, high: bool) -> None:
    wanted = f"{{kind: deviation, metric: rows, direction: {direction}, threshold: 30}}"
    found = [World().samples("deviation.rows", {0: value}).truth(wanted) for value in (-45, 45)]
    assert found == [low, high]


def test_a_deviation_in_words() -> None:
    below = World().samples("deviation.rows", {0: -45}, unit="%")
    assert below.see("{kind: deviation, metric: rows, threshold: 30}").text == (
        "deviation of rows (45 % below its baseline) > 30 %"
    )
    assert below.see("{kind: deviation, metric: rows, direction: above, threshold: 30}").text == (
        "deviation of rows upwards (45 % below its baseline) <= 30 %"
    )


@pytest.mark.parametrize(
    ("long", "short", "truth"),
    [(15, 20, True), (15, 1, False), (1, 20, False), (15, None, None), (1, None, False), (None, 1, False),
     (None, None, None)],
)  # fmt: skip
def test_burning_must_be_fast_in_both_windows(long: float | None, short: float | None, truth: bool | None) -> None:
    world = World()
    for name, value in (("burn.uptime.1h", long), ("burn.uptime.5m", short)):
        if value is not None:
            world.samples(name, {60: value})
    assert world.truth("{kind: burn, objective: uptime}") is truth


def test_burning_in_words_and_levels() -> None:
    wanted = condition("{kind: burn, objective: uptime, long: 6h, short: 30m, threshold: {warning: 6, critical: 14}}")
    world = World().samples("burn.uptime.6h", {60: 15.5}).samples("burn.uptime.30m", {60: 7})
    seen = world.see(wanted)
    assert seen.truths == {WARNING: True, CRITICAL: False}
    assert seen.text == "burn rate of uptime (15.5 over 6h, 7 over 30m) >= 6"
    assert wanted.metrics() == {"burn.uptime.6h", "burn.uptime.30m"}
    assert "`short` (1h) must be shorter than `long` (1h)" in problems("{kind: burn, objective: uptime, short: 1h}")
