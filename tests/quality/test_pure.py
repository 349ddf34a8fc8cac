"""Scores, dimensions and due times: functions of what they are given."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring_pipeline.quality.column_types import is_of_type
from monitoring_pipeline.quality.dimension import Dimension, dimension_of
from monitoring_pipeline.quality.due import is_due
from monitoring_pipeline.quality.gx import like_as_regex
from monitoring_pipeline.quality.outcome import Finding
from monitoring_pipeline.quality.score import composite, dimension_scores
from monitoring_pipeline.quality.spec import SuiteSpec

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)


def finding(met: bool | None, share: float | None, weight: float, dimension: Dimension = Dimension.VALIDITY) -> Finding:
    return Finding("f", "t", "", met, dimension, weight=weight, share=share)


def test_a_dimension_is_the_weighted_mean_of_what_is_known() -> None:
    found = [finding(True, 1.0, 3), finding(False, 0.8, 1), finding(None, None, 100), finding(False, None, 0)]
    assert dimension_scores(found) == {Dimension.VALIDITY: pytest.approx(95.0)}
    assert dimension_scores([finding(None, None, 1)]) == {}
    assert composite({}) is None


def test_dimensions_have_weights_too() -> None:
    scores = {Dimension.VALIDITY: 100.0, Dimension.ACCURACY: 0.0}
    assert composite(scores) == 50.0
    assert composite(scores, {Dimension.ACCURACY: 3.0}) == 25.0
    assert composite(scores, {Dimension.VALIDITY: 0.0, Dimension.ACCURACY: 0.0}) is None


def test_findings_count_more_than_reported_scores() -> None:
    given = {Dimension.VALIDITY: 10.0, Dimension.TIMELINESS: 70.0}
    assert dimension_scores([finding(True, 1.0, 1)], given) == {Dimension.TIMELINESS: 70.0, Dimension.VALIDITY: 100.0}


parts = st.tuples(
    st.sampled_from([True, False, None]), st.floats(0, 1), st.floats(0, 10), st.sampled_from(list(Dimension))
)


@given(st.lists(parts, max_size=20))
def test_scores_lie_between_0_and_100(found: list[Any]) -> None:
    scores = dimension_scores([finding(*part) for part in found])
    assert all(0 <= score <= 100 + 1e-9 for score in scores.values())
    whole = composite(scores)
    assert (whole is None) == (not scores)
    assert whole is None or min(scores.values()) - 1e-9 <= whole <= max(scores.values()) + 1e-9


@pytest.mark.parametrize(
    ("type_", "dimension"),
    [
        ("expect_column_values_to_not_be_null", "completeness"),
        ("expect_table_row_count_to_be_between", "completeness"),
        ("expect_compound_columns_to_be_unique", "uniqueness"),
        ("expect_column_pair_values_to_be_equal", "consistency"),
        ("expect_table_columns_to_match_set", "consistency"),
        ("expect_column_mean_to_be_between", "accuracy"),
        ("expect_column_values_to_be_in_set", "validity"),
        ("expect_column_values_to_be_between", "validity"),
        ("acme.rules:ExpectTotals", "validity"),
    ],
)
def test_the_dimension_of_a_type(type_: str, dimension: str) -> None:
    assert dimension_of(type_) == dimension


@pytest.mark.parametrize(
    ("wanted", "names", "is_it"),
    [
        ("int", ("int4", "INTEGER"), True),
        ("int64", ("BIGINT", "BIGINT"), True),
        ("int64", ("int4", "INTEGER"), False),
        ("numpy.int32", ("INTEGER",), True),
        ("numeric", ("numeric", "DOUBLE"), True),
        ("DECIMAL(10,2)", ("DECIMAL(12,2)",), True),
        ("str", ("text", "VARCHAR"), True),
        ("datetime64", ("timestamp", "TIMESTAMP"), True),
        ("timestamptz", ("timestamptz", "TIMESTAMP WITH TIME ZONE"), True),
        ("datetime64", ("date", "DATE"), False),
    ],
)
def test_types_by_many_names(wanted: str, names: tuple[str, ...], *, is_it: bool) -> None:
    assert is_of_type(wanted, *names) is is_it


@pytest.mark.parametrize(
    ("pattern", "escape", "matches", "not_matches"),
    [
        ("a%", None, ["a", "ab\nc"], ["ba"]),
        ("a_c", None, ["abc"], ["ac", "abbc"]),
        ("100!%", "!", ["100%"], ["1000"]),
        ("a.c", None, ["a.c"], ["abc"]),
    ],
)
def test_like_patterns(pattern: str, escape: str | None, matches: list[str], not_matches: list[str]) -> None:
    import re

    regex = re.compile(like_as_regex(pattern, escape))
    assert all(regex.match(text) for text in matches)
    assert not any(regex.match(text) for text in not_matches)


def suite(**fields: Any) -> SuiteSpec:
    return SuiteSpec.model_validate({"source": "orders", "validator": "a:B", **fields})


def test_a_suite_is_due_once_per_interval() -> None:
    hourly = suite(every="1h")
    last, runs = None, []
    for minute in range(24 * 60):
        now = NOW + timedelta(minutes=minute)
        if is_due("orders", hourly, last, now):
            last = now
            runs.append(now)
    gaps = {(after - before) for before, after in itertools.pairwise(runs[1:])}
    assert len(runs) in (24, 25)
    assert gaps == {timedelta(hours=1)}


def test_suites_do_not_all_begin_at_once() -> None:
    begins = set()
    for number in range(60):
        minute = next(m for m in range(61) if is_due(f"s{number}", suite(every="1h"), NOW, NOW + timedelta(minutes=m)))
        begins.add(minute)
    assert len(begins) > 20


def test_a_cron_suite_is_made_up_for_once() -> None:
    nightly = suite(cron="0 3 * * *", timezone="Europe/Berlin")
    before, after = datetime(2026, 11, 30, 1, 59, tzinfo=UTC), datetime(2026, 11, 30, 2, 0, tzinfo=UTC)
    assert not is_due("n", nightly, datetime(2026, 11, 29, 2, 0, 5, tzinfo=UTC), before)
    assert is_due("n", nightly, datetime(2026, 11, 29, 2, 0, 5, tzinfo=UTC), after)
    assert is_due("n", nightly, datetime(2026, 11, 20, tzinfo=UTC), NOW)
    assert not is_due("n", nightly, after + timedelta(seconds=1), NOW)
    assert not is_due("n", suite(enabled=False), None, NOW)
