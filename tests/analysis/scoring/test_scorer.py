"""The pure middle: turns, names, what is worth telling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.metric_types import MetricType
from monitoring_pipeline.analysis.scoring.roster import Name, Roster
from monitoring_pipeline.analysis.scoring.scorer import Scorer, _turns
from monitoring_pipeline.analysis.scoring.telling import Told
from monitoring_pipeline.analysis.spec import AnalysisSpec

HOUR = 3_600_000_000


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=40))
def test_turns_have_each_series_once_and_keep_its_order(numbers: list[int]) -> None:
    turns = list(_turns(np.array(numbers, dtype=np.int64)))
    assert sorted(place for turn in turns for place in turn.tolist()) == list(range(len(numbers)))
    for turn in turns:
        of_turn = [numbers[place] for place in turn.tolist()]
        assert len(set(of_turn)) == len(of_turn)
    for number in set(numbers):
        places = [place for turn in turns for place in turn.tolist() if numbers[place] == number]
        assert places == sorted(places)


def test_the_configuration_says_what_is_scored_and_how() -> None:
    spec = AnalysisSpec.model_validate(
        {
            "sensitivity": "high", "max_series": 3,
            "series": [
                {"metric": "disk.*", "enabled": False},
                {"source": "orders", "metric": "rows", "type": "gauge", "direction": "below", "sensitivity": 0.5},
            ],
        }
    )  # fmt: skip
    roster = Roster(spec)
    assert roster.number(Name("orders", "sql", "disk.used"), "%") == -1
    assert roster.number(Name("orders", "sql", "anomaly.rows"), "") == -1
    assert roster.number(Name("orders", "sql", "rows"), "") == 0
    assert roster.number(Name("orders", "sql", "response_time_ms"), "ms") == 1
    assert roster.number(Name("orders", "sql", "rows"), "") == 0
    told, other = roster.traits
    assert (told.type, told.direction, told.sensitivity) == (MetricType.GAUGE, "below", 0.5)
    assert (other.type, other.direction, other.sensitivity) == (MetricType.LATENCY, "both", 1.25)
    assert roster.number(Name("a", "b", "c"), "") == 2
    assert [roster.number(Name("a", "b", f"d{each}"), "") for each in range(4)] == [-1] * 4
    assert roster.full == 4


def test_tags_that_never_repeat_are_no_series() -> None:
    roster = Roster(AnalysisSpec())
    numbers = [roster.number(Name("a", "b", "c", f'{{"run": "{each}"}}'), "") for each in range(150)]
    assert max(numbers) == 99
    assert numbers[100:] == [-1] * 50


def test_a_checkpoint_keeps_numbers_but_what_is_of_another_type_learns_anew() -> None:
    before = Scorer(AnalysisSpec(), Calendar())
    before.roster.number(Name("a", "b", "rows"), "")
    before.roster.number(Name("a", "b", "x"), "")
    before.pause("a")
    list(before.run(np.array([0, 1]), np.array([HOUR, HOUR]), np.array([1.0, 2.0])))
    spec = AnalysisSpec.model_validate(
        {"series": [{"metric": "rows", "type": "gauge"}, {"metric": "x", "enabled": False}]}
    )
    after = Scorer(spec, Calendar())
    after.restore(before.to_arrays())
    assert after.paused == {"a"}
    assert after.roster.number(Name("a", "b", "rows"), "") == 2
    assert after.roster.number(Name("a", "b", "x"), "") == -1
    assert after.roster.find("a") == [1, 2]


def test_a_changed_sensitivity_counts_for_what_was_learnt_before() -> None:
    times, values = HOUR * np.arange(1, 24 * 5), 100 + 10.0 * (np.arange(1, 24 * 5) % 7)
    before = Scorer(AnalysisSpec(), Calendar())
    before.roster.number(Name("a", "b", "load"), "")
    for moment, value in zip(times, values, strict=True):
        list(before.run(np.array([0]), np.array([moment]), np.array([value])))
    scores = []
    for sensitivity in (1.0, 2.0):
        after = Scorer(AnalysisSpec(sensitivity=sensitivity), Calendar())
        after.restore({name: array.copy() for name, array in before.to_arrays().items()})
        (tick,) = after.run(np.array([0]), np.array([times[-1] + HOUR]), np.array([190.0]))
        scores.append(float(tick.scored.score[0]))
    assert scores[1] > 1.2 * scores[0] > 0


@pytest.mark.parametrize("wild", [1e308, 1e99, 5e-324])
def test_numbers_beyond_all_measure_end_nothing(wild: float) -> None:
    scorer, told = Scorer(AnalysisSpec(), Calendar()), []
    for hour in range(1, 24 * 16):
        value = wild * (1 - hour % 2 * 2) if hour % 3 else 1e99
        rows = [(2 * hour, "a", "b", "wild", "", "{}", hour * HOUR, value),
                (2 * hour + 1, "a", "b", "calm", "", "{}", hour * HOUR, hour % 7.0)]  # fmt: skip
        told += scorer.take(rows).samples
    assert all(np.isfinite(sample.value) for sample in told)
    assert {sample.metric for sample in told} >= {"anomaly.calm"}


@pytest.mark.parametrize("interval", [60_000_000, HOUR])
def test_a_calm_series_is_told_of_now_and_then(interval: int) -> None:
    told, index = Told(), np.array([3])
    told.grow(4)
    known, worth = np.array([True]), []
    for step in range(1, 24 * HOUR // interval):
        _, now = told.take(index, np.array([step * interval]), np.array([0.1]), known)
        worth.append(bool(now[0]))
    times = np.flatnonzero(worth) * interval
    assert np.diff(times).max() <= HOUR
    assert len(times) == pytest.approx(min(24 * HOUR / interval, 32), abs=1)


def test_a_high_score_is_told_until_it_is_low_again() -> None:
    told, index, known = Told(), np.array([0]), np.array([True])
    told.grow(1)
    scores = [0.1, 1.5, 2.5, 0.4, 0.3]
    worth = [
        bool(told.take(index, np.array([HOUR + step]), np.array([score]), known)[1][0])
        for step, score in enumerate(scores)
    ]
    assert worth == [True, True, True, True, False]
