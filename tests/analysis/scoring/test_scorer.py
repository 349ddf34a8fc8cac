"""The pure middle: points in any portions, names, what is worth telling."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.detection import Scored
from monitoring_pipeline.analysis.metric_types import MetricType
from monitoring_pipeline.analysis.scoring.relearning import Past, relearn
from monitoring_pipeline.analysis.scoring.roster import Name, Roster
from monitoring_pipeline.analysis.scoring.scorer import Scorer
from monitoring_pipeline.analysis.scoring.telling import Flags, Portion, Said, Told, tell
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.store.scores import Known, Points
from monitoring_pipeline.store.scoring import Ahead

HOUR = 3_600_000_000


def wild_points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three series for two weeks, mixed up: spikes, shifts, stretches that repeat, some too late, some no numbers."""
    rng = np.random.default_rng(3)
    count = 3 * 24 * 14
    numbers = rng.integers(0, 3, count)
    times = (1 + np.arange(count) // 3 + rng.integers(-2, 2, count)).clip(1) * HOUR
    values = 100 + 10 * np.sin(np.arange(count) / 72 * 2 * np.pi) + rng.standard_normal(count)
    values[rng.integers(count // 2, count, 30)] += 300
    values[rng.integers(0, count, 10)] = np.nan
    values[-150:-80] = 77.0
    return numbers, times, values


def joined(scorer: Scorer, bounds: list[int]) -> list[list[object]]:
    """All that is said of them, taken in pieces."""
    numbers, times, values = wild_points()
    found: list[list[object]] = []
    for begin, end in pairwise([0, *bounds, len(numbers)]):
        for portion in scorer.run(numbers[begin:end], times[begin:end], values[begin:end]):
            said = portion.said
            columns = (portion.series, portion.times, portion.before, *portion.scored, *said[:6])
            found += [list(map(str, row)) for row in zip(*(column.tolist() for column in columns), strict=True)]
    return found


def three() -> Scorer:
    scorer = Scorer(AnalysisSpec(), Calendar("Europe/Berlin"))
    for name in "abc":
        scorer.roster.number(Name(name, "b", "load"), "")
    return scorer


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3 * 24 * 14), max_size=40).map(sorted))
def test_it_does_not_matter_in_which_portions_points_come(bounds: list[int]) -> None:
    assert joined(three(), bounds) == in_one()


@cache
def in_one() -> list[list[object]]:
    found = joined(three(), [])
    assert sum(row[-1] == "True" for row in found) >= 3  # episodes ended
    return found


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
        (portion,) = after.run(np.array([0]), np.array([times[-1] + HOUR]), np.array([190.0]))
        scores.append(float(portion.scored.score[0]))
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


def scores_told(number: int, times: list[int], scores: list[float]) -> Flags:
    """Which of the scores of one series are worth a row."""
    count = len(times)
    room = Scored.room(count)
    for column in room:
        column[:] = 0
    room.score[:] = scores
    said, moments = Said.room(count), np.array(times, dtype=np.int64)
    portion = Portion(
        np.full(count, number), moments, np.zeros(count), np.diff(moments, prepend=moments[0]), room, said
    )
    tell(Told.room(number + 1), np.zeros(number + 1, bool), portion)
    return said.worth


@pytest.mark.parametrize("interval", [60_000_000, HOUR])
def test_a_calm_series_is_told_of_now_and_then(interval: int) -> None:
    times = list(range(interval, 24 * HOUR, interval))
    told = np.array(times)[scores_told(3, times, [0.1] * len(times))]
    assert np.diff(told).max() <= HOUR
    assert len(told) == pytest.approx(min(24 * HOUR / interval, 32), abs=1)


def test_a_high_score_is_told_until_it_is_low_again() -> None:
    scores = [0.1, 1.5, 2.5, 0.4, 0.3]
    assert scores_told(0, [HOUR + step for step in range(5)], scores).tolist() == [True, True, True, True, False]


def test_history_is_learnt_without_what_was_ahead_of_the_clock() -> None:
    known = [Known("a", "b", "load", "{}", "")]
    times, values = HOUR * np.arange(1, 72), np.sin(np.arange(1, 72.0))
    ids = np.arange(1, 72)
    wrong = np.insert(times, 30, times[-1]), np.insert(values, 30, 9.0)
    learnt = [
        relearn(AnalysisSpec(), Calendar(), known, [Points(np.zeros(len(each), np.int64), each, moments, found)], past)
        for each, moments, found, past in (
            (ids, times, values, Past()),
            (np.arange(1, 73), *wrong, Past(ahead=[Ahead(30, 31, int(times[32]), int(times[-1]))])),
            (np.arange(1, 73), *wrong, Past()),
        )
    ]
    right, without, stopped = (scorer.to_arrays()["bank.series"] for scorer in learnt)
    assert np.array_equal(right, without, equal_nan=True)
    assert not np.array_equal(right, stopped, equal_nan=True)
