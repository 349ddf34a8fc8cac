"""What queries find: set-wise as in the plain reference, and each recorded row exactly once."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from monitoring_pipeline.alerting import asking
from monitoring_pipeline.alerting.condition import Aggregation, Answer, Query, Series
from monitoring_pipeline.alerting.observe import Windows
from monitoring_pipeline.alerting.reference import Point, answer
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store import tables
from monitoring_pipeline.store.expiry import expire_hot
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from tests.store.rows import RETENTION, T0, minutes, result, sample, write

STATUSES = ("healthy", "unknown", "warning", "critical")
WINDOWS = tuple(timedelta(minutes=n) for n in (1, 5, 17, 60))


def query(
    metric: str = "response_time_ms",
    aggregation: Aggregation = Aggregation.COUNT,
    *,
    source: str = "s",
    check: str = "",
    window: timedelta = timedelta(minutes=10),
    newest: int = 0,
    tags: tuple[tuple[str, str], ...] = (),
) -> Query:
    return Query(Series.SAMPLES, source, check, metric, aggregation, window, newest, tags)


def of_results(
    aggregation: Aggregation, *, source: str = "s", check: str = "", window: timedelta = timedelta(minutes=10),
    newest: int = 0,
) -> Query:  # fmt: skip
    return Query(Series.RESULTS, source, check, "", aggregation, window, newest)


# -- the property: set-wise is as the reference says -----------------------------------------------------

# Few moments, so that many points share one; values that repeat, fall and are negative.
moments = st.integers(0, 40).map(lambda n: minutes(n * 0.5))
sources = st.sampled_from(("s", "t"))
checks = st.sampled_from(("", "a", "b"))
tag_sets = st.sampled_from(({}, {"zone": "a"}, {"zone": "b"}, {"zone": "a", "disk": "x"}))
numbers = st.one_of(st.integers(-3, 6).map(float), st.floats(-1e6, 1e6, allow_nan=False))


@st.composite
def point_lists(draw: st.DrawFn) -> list[Point]:
    points = []
    for number in range(draw(st.integers(0, 40))):
        common = (draw(sources), draw(checks))
        if draw(st.booleans()):
            metric, unit = draw(st.sampled_from((("m", "ms"), ("m", ""), ("n", "%"))))
            points.append(
                Point(Series.SAMPLES, *common, metric, draw(moments), draw(numbers), number + 1, unit, draw(tag_sets))
            )
        else:
            rank = float(draw(st.integers(0, 3)))
            points.append(Point(Series.RESULTS, *common, "", draw(moments), rank, number + 1))
    return points


@st.composite
def queries(draw: st.DrawFn) -> Query:
    of_samples = draw(st.booleans())
    known = {Aggregation.CHANGES, Aggregation.FAILURES, Aggregation.FAILED}
    return Query(
        Series.SAMPLES if of_samples else Series.RESULTS,
        draw(sources),
        draw(checks),
        draw(st.sampled_from(("m", "n"))) if of_samples else "",
        draw(st.sampled_from([each for each in Aggregation if not (of_samples and each in known)])),
        draw(st.sampled_from(WINDOWS)),
        draw(st.sampled_from((0, 0, 1, 3, 8))),
        draw(st.sampled_from(((), (("zone", "a"),), (("zone", "b"), ("disk", "x"))))) if of_samples else (),
    )


asked_lists = st.lists(st.tuples(queries(), st.integers(0, 25).map(minutes)), min_size=1, max_size=12)


def same(found: Answer, wanted: Answer) -> bool:
    """Equal; numbers to 1e-9, or what remains of sums of millions that cancel out."""
    if (found.value is None) != (wanted.value is None) or found[1:] != wanted[1:]:
        return False
    return found.value is None or math.isclose(found.value, wanted.value or 0.0, rel_tol=1e-9, abs_tol=1e-6)


def check_all(windows: Windows, points: Sequence[Point], asked: Sequence[tuple[Query, datetime]]) -> None:
    for (each, at), found in zip(asked, windows.answer(asked), strict=True):
        wanted = answer(points, each, at)
        assert same(found, wanted), (each, at, found, wanted)


@given(point_lists(), asked_lists)
@settings(max_examples=150, deadline=None)
def test_answers_are_those_of_the_reference(points: list[Point], asked: list[tuple[Query, datetime]]) -> None:
    windows = Windows.over(points, [each for each, _ in asked])
    try:
        check_all(windows, points, asked)
    finally:
        windows.close()


@given(point_lists(), st.lists(queries(), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_answers_at_very_many_moments_are_too(points: list[Point], asked: list[Query]) -> None:
    moments = [minutes(n * 0.25) for n in range(100)]
    windows = Windows.over(points, asked)
    try:
        check_all(windows, points, [(each, at) for each in asked for at in moments])
    finally:
        windows.close()
