"""A metric against its limits: aggregates, windows, levels, hysteresis, M of N."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring_pipeline.alerting.rules.condition import Aggregation, Query, Series, Subject
from monitoring_pipeline.records import Source
from tests.alerting.rules.conditions.judging import CRITICAL, ERROR, INFO, WARNING, World, condition, problems

TIMES = {0: 100.0, 60: 200.0, 120: 300.0, 240: 812.0, 360: 5000.0}


def response_times() -> World:
    return World().samples("response_time_ms", TIMES, unit="ms", check="web")


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [
        ("last", 100), ("avg", 353), ("max", 812), ("min", 100), ("count", 4), ("sum", 1412), ("p50", 250),
        ("p95", 735.2), ("p99", 796.64),
    ],
)  # fmt: skip
def test_each_aggregation_looks_at_its_window(aggregation: str, value: float) -> None:
    seen = response_times().see(
        f"{{kind: metric, metric: response_time_ms, aggregation: {aggregation}, window: 5m, threshold: 0}}"
    )
    assert seen.truths == {None: True}
    assert seen.value == pytest.approx(value)
    assert seen.unit == ("" if aggregation == "count" else "ms")


def test_a_rate_is_per_second_and_survives_a_restart_of_the_counter() -> None:
    world = World().samples("requests", {180: 100, 120: 160, 60: 10, 0: 70}, unit="req")
    seen = world.see("{kind: metric, metric: requests, aggregation: rate, threshold: 0.5}")
    assert seen.value == pytest.approx((60 + 10 + 60) / 180)
    assert seen.unit == "req/s"
    assert seen.text == "rate(requests, 5m) (0.72222 req/s) > 0.5 req/s"


@pytest.mark.parametrize(
    ("sign", "below", "equal", "above"),
    [
        (">", False, False, True), (">=", False, True, True), ("<", True, False, False), ("<=", True, True, False),
        ("==", False, True, False), ("!=", True, False, True), ("greater_than", False, False, True),
        ("less_than_or_equals", True, True, False),
    ],
)  # fmt: skip
def test_each_operator(sign: str, below: bool, equal: bool, above: bool) -> None:
    found = [
        World().samples("m", {0: value}).truth(f'{{kind: metric, metric: m, operator: "{sign}", threshold: 5}}')
        for value in (4.0, 5.0, 6.0)
    ]
    assert found == [below, equal, above]


def test_the_text_is_the_relation_that_is_true() -> None:
    text = "{kind: metric, metric: response_time_ms, aggregation: p95, threshold: %s}"
    assert response_times().see(text % 300).text == "p95(response_time_ms, 5m) (735.2 ms) > 300 ms"
    assert response_times().see(text % 800).text == "p95(response_time_ms, 5m) (735.2 ms) <= 800 ms"


def test_where_one_looks_is_part_of_the_text() -> None:
    world = World().samples("used", {0: 91}, unit="%", source="db", check="disk", tags={"mount": "/"})
    seen = world.see("{kind: metric, metric: used, source: db, check: disk, tags: {mount: /}, threshold: 90}")
    assert seen.text == "db/disk/used{mount=/} (91 %) > 90 %"
    assert seen.details["metric"] == "used"
    assert seen.details["threshold"] == 90


def test_levels_hold_up_to_the_worst_that_does() -> None:
    text = "{kind: metric, metric: m, threshold: {info: 10, warning: 100, critical: 200}}"
    seen = [World().samples("m", {0: value}).see(text) for value in (5, 50, 150, 250)]
    assert [each.truths for each in seen] == [
        {INFO: False, WARNING: False, CRITICAL: False},
        {INFO: True, WARNING: False, CRITICAL: False},
        {INFO: True, WARNING: True, CRITICAL: False},
        {INFO: True, WARNING: True, CRITICAL: True},
    ]
    assert [each.text for each in seen] == ["m (5) <= 10", "m (50) > 10", "m (150) > 100", "m (250) > 200"]


def test_with_equality_too_the_lesser_levels_hold_along() -> None:
    seen = (
        World()
        .samples("state", {0: 2})
        .see('{kind: metric, metric: state, operator: "==", threshold: {warning: 1, critical: 2}}')
    )
    assert seen.truths == {WARNING: True, CRITICAL: True}


def test_a_clear_threshold_counts_only_while_it_is_held() -> None:
    wanted = condition("{kind: metric, metric: m, threshold: 90, clear: 80}")
    world = World().samples("m", {0: 85})
    assert world.truth(wanted) is False
    assert world.truth(wanted, held=CRITICAL) is True
    assert world.see(wanted, held=CRITICAL).text == "m (85) > 80"
    assert World().samples("m", {0: 80}).truth(wanted, held=CRITICAL) is False


def test_clear_thresholds_of_levels_count_up_to_the_level_that_is_held() -> None:
    wanted = condition(
        "{kind: metric, metric: m, threshold: {warning: 50, critical: 90}, clear: {warning: 40, critical: 80}}"
    )
    world = World().samples("m", {0: 85})
    assert world.see(wanted, held=WARNING).truths == {WARNING: True, CRITICAL: False}
    assert world.see(wanted, held=ERROR).truths == {WARNING: True, CRITICAL: False}
    assert world.see(wanted, held=CRITICAL).truths == {WARNING: True, CRITICAL: True}
    assert World().samples("m", {0: 45}).see(wanted, held=WARNING).truths[WARNING] is True
    assert World().samples("m", {0: 45}).see(wanted).truths[WARNING] is False


def test_downwards_the_clear_threshold_lies_above() -> None:
    wanted = condition('{kind: metric, metric: rows, operator: "<", threshold: 10, clear: 20}')
    world = World().samples("rows", {0: 15})
    assert (world.truth(wanted), world.truth(wanted, held=WARNING)) == (False, True)


def test_without_values_it_is_unknown_but_a_count_is_zero() -> None:
    seen = World().see("{kind: metric, metric: m, aggregation: avg, threshold: {warning: 1, critical: 2}}")
    assert seen.truths == {WARNING: None, CRITICAL: None}
    assert seen.text == "avg(m, 5m) is unknown: no value"
    assert World().truth('{kind: metric, metric: m, aggregation: count, operator: "<", threshold: 1}') is True
    assert World().truth("{kind: metric, metric: m, aggregation: sum, threshold: 1}") is None


def test_too_few_values_are_unknown() -> None:
    wanted = "{kind: metric, metric: response_time_ms, aggregation: p95, threshold: 1, min_values: %d}"
    assert response_times().truth(wanted % 4) is True
    assert response_times().truth(wanted % 5) is None
    assert response_times().see(wanted % 5).text == "p95(response_time_ms, 5m) is unknown: only 4 of 5 values"


def test_a_last_value_counts_for_an_hour() -> None:
    wanted = condition("{kind: metric, metric: m, threshold: 1}")
    assert World().samples("m", {3599: 2}).truth(wanted) is True
    assert World().samples("m", {3600: 2}).truth(wanted) is None


def test_only_samples_with_the_tags_count() -> None:
    world = World().samples("used", {0: 95}, tags={"mount": "/"}).samples("used", {0: 10}, tags={"mount": "/data"})
    wanted = "{kind: metric, metric: used, tags: {mount: %s}, threshold: 90}"
    assert [world.truth(wanted % mount) for mount in ("/", "/data", "/none")] == [True, False, None]


def test_a_rule_per_check_looks_at_that_check() -> None:
    world = World().samples("m", {0: 5}, check="a").samples("m", {60: 1}, check="b")
    wanted = condition("{kind: metric, metric: m, threshold: 3}")
    assert [world.truth(wanted, check=check) for check in ("", "a", "b")] == [True, True, False]
    assert world.truth("{kind: metric, metric: m, check: b, threshold: 3}", check="a") is False


@pytest.mark.parametrize(
    ("values", "truth"),
    [((9, 9, 9, 1, 1), True), ((9, 9, 1, 1, 1), False), ((9, 9, 1, 1, 1, 9, 9, 9), False), ((9, 9, 9), True),
     ((9, 1), None), ((1, 1, 1), False), ((), None)],
)  # fmt: skip
def test_so_many_of_the_last_values(values: tuple[float, ...], truth: bool | None) -> None:
    world = World().samples("m", {10 * place: value for place, value in enumerate(values)})
    assert world.truth("{kind: metric, metric: m, threshold: 5, matches: {at_least: 3, of_last: 5}}") is truth


def test_so_many_of_the_last_values_in_words() -> None:
    wanted = condition(
        "{kind: metric, metric: m, threshold: {warning: 5, critical: 8}, matches: {at_least: 2, of_last: 3}}"
    )
    seen = World().samples("m", {0: 9, 10: 7, 20: 1}, unit="ms").see(wanted)
    assert seen.truths == {WARNING: True, CRITICAL: False}
    assert seen.text == "m > 5 ms in 2 of the last 3 values (9, 7, 1)"
    assert seen.value == 9
    assert World().samples("m", {0: 9}).see(wanted).text == "m > 5 in 1 of the last 1 values (9), 3 are looked at"
    assert World().samples("m", {0: 9}).see(wanted).truths == {WARNING: None, CRITICAL: None}


def test_so_many_of_the_last_values_with_a_clear_threshold() -> None:
    wanted = condition("{kind: metric, metric: m, threshold: 5, clear: 3, matches: {at_least: 2, of_last: 2}}")
    world = World().samples("m", {0: 4, 10: 4})
    assert (world.truth(wanted), world.truth(wanted, held=WARNING)) == (False, True)


def test_what_it_asks() -> None:
    subject = Subject(Source("shop"), "web")
    wanted = condition(
        "{kind: metric, metric: m, aggregation: p95, tags: {b: 2, a: 1}, threshold: 1}".replace("2", "'2'").replace(
            "a: 1", "a: '1'"
        )
    )
    assert wanted.queries(subject) == (
        Query(
            Series.SAMPLES, "shop", "web", "m", Aggregation.P95, timedelta(minutes=5), 0, (("a", "1"), ("b", "2"))
        ),
    )  # fmt: skip
    assert wanted.metrics() == {"m"}
    assert wanted.needs_clock
    other = condition("{kind: metric, metric: m, source: db, threshold: 1}")
    assert other.queries(subject)[0][1:3] == ("db", "")
    assert other.watches(subject) == other.named_sources() == {"db"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{kind: metric, metric: m}", "threshold: Field required"),
        ("{kind: metric, metric: m, threshold: {}}", "names no severity"),
        ("{kind: metric, metric: m, threshold: {fatal: 3}}", "'info', 'warning', 'error' or 'critical'"),
        ("{kind: metric, metric: m, threshold: 5, clear: 6}", "`clear` (6) must be at or below `threshold` (5)"),
        ('{kind: metric, metric: m, operator: "<", threshold: 5, clear: 4}', "`clear` (4) must be at or above"),
        ('{kind: metric, metric: m, operator: "==", threshold: 5, clear: 4}', "`clear` needs an order between values"),
        ("{kind: metric, metric: m, threshold: 5, clear: {warning: 4}}", "`threshold` is not"),
        ("{kind: metric, metric: m, threshold: {warning: 5, critical: 9}, clear: 4}", "give `clear` per severity too"),
        ("{kind: metric, metric: m, threshold: {warning: 5}, clear: {critical: 4}}", "`clear` names critical"),
        ("{kind: metric, metric: m, threshold: {warning: 9, critical: 5}}",
         "with > the limit of critical (5) must not be below that of warning (9)"),
        ('{kind: metric, metric: m, operator: "<", threshold: {warning: 5, critical: 9}}', "must not be above that of"),
        ("{kind: metric, metric: m, threshold: 5, window: 0s}", "greater than"),
        ("{kind: metric, metric: m, threshold: 5, operator: '=>'}", "'>', '>=', '<', '<=', '==' or '!='"),
        ("{kind: metric, metric: m, threshold: 5, aggregation: median}", "'p50'"),
        ("{kind: metric, metric: m, threshold: 5, aggregation: avg, matches: {at_least: 1, of_last: 2}}",
         "leave `aggregation` out"),
        ("{kind: metric, metric: m, threshold: 5, matches: {at_least: 3, of_last: 2}}", "must not exceed `of_last`"),
        ("{kind: metric, metric: m, threshold: .inf}", "finite number"),
        ("{kind: metric, metric: m, treshold: 5, threshold: 5}", "treshold: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    assert message in problems(text)
