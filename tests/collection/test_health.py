"""How a collector does: what it reported, judged against the clock and its habits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitoring_pipeline.collection.habits import deviations, usual
from monitoring_pipeline.collection.health import collectors_health, judge, span_of
from monitoring_pipeline.collection.run import masked, samples_of, verdicts_of
from monitoring_pipeline.collection.spec import METRICS, CollectorSpec
from monitoring_pipeline.records import CollectionAttempt, CollectionCheck, Status
from monitoring_pipeline.store.activity import DAY, HOUR, SPANS, Activity, Stretch
from monitoring_pipeline.store.collectors import CollectorState

NOW = datetime(2026, 11, 30, 14, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GOOD = Stretch(60, 0, rows=6000, counted=60, p50_ms=300, p95_ms=400, quality=99)


def activity(stretch: Stretch = GOOD, *, ago: timedelta = MINUTE, failures: int = 0, **fields: Any) -> Activity:
    state = CollectorState(
        "loader", "orders", NOW - DAY, NOW - ago, NOW - ago, "timed out" if failures else "", failures
    )
    return Activity(state, dict.fromkeys(SPANS, stretch), **fields)


def spec(**fields: Any) -> CollectorSpec:
    return CollectorSpec.model_validate({"source": "orders", "every": "1m", **fields})


def verdict(found: Activity | None, declared: CollectorSpec | None = None) -> tuple[Status, str]:
    view = judge("loader", declared, found, NOW)
    return view.status, view.reason


def test_a_good_one_is_healthy():
    assert verdict(activity(), spec()) == (Status.HEALTHY, "")
    assert verdict(activity()) == (Status.HEALTHY, "")


def test_silence_is_unknown_whatever_it_said_last():
    failing = activity(Stretch(10, 10), ago=3 * MINUTE, failures=10)
    assert verdict(failing, spec()) == (Status.UNKNOWN, "no report for 3m, expected every 1m")
    assert verdict(failing, spec(grace="10m"))[0] is Status.CRITICAL
    assert verdict(failing)[0] is Status.CRITICAL  # nobody said how often it should report
    assert verdict(activity(ago=timedelta(days=8))) == (Status.UNKNOWN, "no report for 8d")
    assert verdict(None, spec()) == (Status.UNKNOWN, "it never reported")


def test_patience_is_half_as_long_again_and_a_minute_at_least():
    assert spec().patience == 2 * MINUTE
    assert spec(every="1h").patience == 90 * MINUTE
    assert spec(every="1h", grace="0s").patience == HOUR


@pytest.mark.parametrize(
    ("found", "limits", "expected"),
    [
        (activity(Stretch(100, 9)), {}, (Status.HEALTHY, "")),
        (
            activity(Stretch(100, 10)), {},
            (Status.WARNING, "10 of 100 attempts failed in the last 1h"),
        ),
        (
            activity(Stretch(100, 50), failures=1), {},
            (Status.CRITICAL, "50 of 100 attempts failed in the last 1h: timed out"),
        ),
        (activity(Stretch(4, 4), failures=1), {}, (Status.HEALTHY, "")),
        (activity(Stretch(4, 4), failures=3), {}, (Status.WARNING, "3 failures in a row: timed out")),
        (activity(Stretch(100, 20), failures=5), {}, (Status.CRITICAL, "5 failures in a row: timed out")),
        (activity(), {"quality": {"warning": 99.5}}, (Status.WARNING, "quality 99.0 in the last 1h")),
        (activity(), {"quality": {"warning": 90}}, (Status.HEALTHY, "")),
        (
            activity(), {"p95_ms": {"warning": 100, "critical": 400}},
            (Status.CRITICAL, "95 % of attempts took up to 400 ms in the last 1h"),
        ),
        (activity(Stretch(100, 50)), {"failure_rate": {}}, (Status.HEALTHY, "")),
    ],
)  # fmt: skip
def test_the_worst_of_its_thresholds_counts(found: Activity, limits: dict[str, Any], expected: tuple[Status, str]):
    assert verdict(found, spec(thresholds=limits)) == expected


def test_the_window_fits_ten_reports():
    spans = [span_of(spec(every=every)) for every in ("10s", "1m", "10m", "1d", "4w")]
    assert spans == [SPANS[0], HOUR, DAY, SPANS[3], SPANS[3]]
    assert span_of(spec(window="24h")) == DAY


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ({"window": "2h"}, "a window is 5m, 1h, 24h or 7d long"),
        ({"masks": ["("]}, "is not a regular expression"),
        ({"every": "0s"}, "greater than 0"),
    ],
)
def test_what_a_collector_cannot_be(field: dict[str, Any], problem: str):
    with pytest.raises(ValidationError, match=problem):
        spec(**field)


def test_all_are_listed_the_worst_first():
    declared = {"silent": spec(), "works": spec()}
    found = {"works": activity(), "stray": activity(Stretch(10, 10), failures=5)}
    views = collectors_health(declared, found, NOW)
    assert [(view.collector, view.status.value, view.spec is not None) for view in views] == [
        ("stray", "critical", False), ("silent", "unknown", True), ("works", "healthy", True),
    ]  # fmt: skip


# -- habits ------------------------------------------------------------------------------------------

HABITS = [replace(GOOD, p50_ms=300 + 10.0 * (day % 3), attempts=58 + day % 5) for day in range(14)]


@pytest.mark.parametrize(
    ("hour", "sentence"),
    [
        (GOOD, None),
        (replace(GOOD, p50_ms=440), None),
        (replace(GOOD, p50_ms=812), "an attempt took 812 ms in the last hour, usually 280-340 ms"),
        (replace(GOOD, failures=3), None),
        (replace(GOOD, failures=15), "15 of 60 attempts failed in the last hour, usually 0 %, p < 1e-9"),
        (replace(GOOD, rows=1200), "a success brought 20 rows in the last hour, usually 95-105, p < 1e-9"),
        (replace(GOOD, rows=60_000), None),
        (replace(GOOD, quality=80), "quality was 80 in the last hour, usually 99"),
        (replace(GOOD, attempts=12), "12 attempts in the last hour, usually 57-63, p < 1e-9"),
        (Stretch(2, 2, p50_ms=9000), "2 attempts in the last hour, usually 57-63, p < 1e-9"),
    ],
)
def test_doing_worse_than_usual(hour: Stretch, sentence: str | None):
    assert deviations(hour, HABITS) == ([] if sentence is None else [sentence])


def test_doing_worse_than_usual_is_a_warning_unless_nobody_wants_to_know():
    slow = activity(replace(GOOD, p50_ms=812), habits=tuple(HABITS))
    assert verdict(slow, spec()) == (
        Status.WARNING, "an attempt took 812 ms in the last hour, usually 280-340 ms",
    )  # fmt: skip
    assert verdict(slow, spec(compare=False)) == (Status.HEALTHY, "")


def test_four_days_are_no_habit_and_two_bad_days_change_none():
    slow = replace(GOOD, p50_ms=812)
    assert deviations(slow, HABITS[:4]) == []
    spoilt = [*HABITS[:8], replace(GOOD, p50_ms=60_000), replace(GOOD, p50_ms=60_000)]
    assert deviations(slow, spoilt) != []


@given(st.lists(st.floats(0, 1e6), min_size=5, max_size=14))
def test_what_is_usual_is_never_unusual(values: list[float]):
    known = usual(values)
    assert known is not None
    habits = [Stretch(20, 0, p50_ms=value) for value in values]
    assert deviations(Stretch(20, 0, p50_ms=known.median), habits) == []


def test_failures_are_unusual_when_there_are_too_many_for_what_days_before_had():
    days = [Stretch(40, failures) for failures in (1, 0, 2, 1, 0, 1, 0, 1, 2, 0, 1, 0, 1, 1)]
    assert deviations(Stretch(40, 5), days) == []
    assert deviations(Stretch(40, 8), days) == ["8 of 40 attempts failed in the last hour, usually 2 %, p = 8e-6"]
    assert not any("failed" in said for said in deviations(Stretch(3, 2), days))
    # Where days differ from each other, the same hour may be one of them.
    restless = [Stretch(40, failures) for failures in (0, 0, 0, 4, 0, 1, 0, 6, 0, 0, 1, 0, 0, 0)]
    assert deviations(Stretch(40, 8), restless) == []
    assert deviations(Stretch(40, 40), restless) != []
    assert deviations(Stretch(40, 8), [*days[:12], Stretch(40, 40), Stretch(40, 40)]) != []


def test_rows_are_too_few_when_days_before_never_had_so_few():
    steady = [Stretch(60, 0, rows=6000, counted=60)] * 14
    uneven = [Stretch(60, 0, rows=3000 + 1000 * (day % 7), counted=60) for day in range(14)]
    fewer = Stretch(60, 0, rows=4000, counted=60)
    assert deviations(fewer, steady) == ["a success brought 67 rows in the last hour, usually 95-105, p < 1e-9"]
    assert deviations(fewer, uneven) == []
    assert deviations(replace(fewer, rows=0), uneven) != []
    assert deviations(replace(fewer, rows=5400), steady) == []


# -- what is kept ------------------------------------------------------------------------------------


def test_masks_hide_secrets_of_their_collector_alone():
    attempts = [
        CollectionAttempt(
            "k", name, "orders", False, NOW, NOW, error="password=hunter2 for ann@example.com",
            tags={"login": "password=x", "other": "y"},
        )
        for name in ("loader", "stray")
    ]  # fmt: skip
    [redacted] = masked(attempts[:1], {}, lambda text: text.replace("password", "***"))
    assert "password" not in redacted.error
    hidden, open_ = masked(attempts, {"loader": spec(masks=[r"password=\S+", r"\S+@\S+"])})
    assert (hidden.error, hidden.tags) == ("*** for ***", {"login": "***", "other": "y"})
    assert open_ == attempts[1]


def test_an_attempt_makes_samples_of_what_it_said():
    whole = CollectionAttempt("k", "loader", "orders", True, NOW, NOW, None, 3, 4, 5, 6)
    assert tuple(sample.metric for sample in samples_of(whole)) == METRICS[:5]
    part = CollectionAttempt("k", "loader", "orders", False, NOW, NOW, CollectionCheck.SCHEMA, duration_ms=5)
    assert [(each.metric, each.value, each.unit, each.check, dict(each.tags)) for each in samples_of(part)] == [
        ("collection.success", 0, "", "loader", {"type": "schema"}),
        ("collection.duration_ms", 5, "ms", "loader", {"type": "schema"}),
    ]


def test_verdicts_are_samples_of_the_source_by_the_collector():
    views = collectors_health({"loader": spec(), "silent": spec(source="stock")}, {"loader": activity()}, NOW)
    found = [(each.source, each.check, each.metric, each.value, each.unit) for each in verdicts_of(views, NOW)]
    assert found == [
        ("stock", "silent", "collection.status", 1, ""),
        ("orders", "loader", "collection.status", 0, ""),
        ("orders", "loader", "collection.failure_rate", 0, "%"),
    ]
