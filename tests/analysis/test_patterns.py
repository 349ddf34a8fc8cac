"""Patterns are found where they were put, and chance has none."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.synthetic import MONDAY, hourly, noise
from monitoring_pipeline.analysis.patterns.find import Known, find_patterns
from monitoring_pipeline.analysis.patterns.pattern import Failures, Pattern, PatternKind, apart, poisson_tail
from monitoring_pipeline.clock import to_us

DAYS = 28
DAY_US = 86_400_000_000


def failures(*onsets: np.ndarray | list[float], days: int = DAYS) -> Failures:
    """Failures of source-0, source-1, ... at days from the Monday on."""
    found = {
        f"source-{n}": np.sort(to_us(MONDAY) + np.round(np.asarray(each) * DAY_US)).astype(np.int64)
        for n, each in enumerate(onsets)
    }
    return Failures(MONDAY, MONDAY + timedelta(days=days), found)


def of_kind(found: list[Pattern], kind: PatternKind) -> list[Pattern]:
    return [each for each in found if each.kind is kind]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), rate=st.integers(2, 40), sources=st.integers(1, 60))
def test_random_failures_have_no_patterns(seed: int, rate: int, sources: int) -> None:
    random = np.random.default_rng(seed)
    onsets = [random.random(random.poisson(rate)) * DAYS for _ in range(sources)]

    found = find_patterns(failures(*onsets), hourly(100 + noise(sources, DAYS, 0.9, seed)))

    # One in a hundred such runs may find one; two would be a broken test of chance.
    assert len(found) <= 1, [each.text for each in found]


def test_many_random_fleets_hardly_find_anything() -> None:
    found: Counter[PatternKind] = Counter()
    for seed in range(8):
        random = np.random.default_rng(seed)
        onsets = [random.random(random.poisson(10)) * DAYS for _ in range(100)]
        found.update(each.kind for each in find_patterns(failures(*onsets)))

    assert found.total() <= 1, found


def test_flapping_at_random_times_is_neither_periodic_nor_together() -> None:
    random = np.random.default_rng(5)
    onsets = []
    for _ in range(100):
        begins = random.random(random.poisson(5)) * (DAYS - 1)
        onsets.append(np.concatenate([b + np.cumsum(random.uniform(5, 20, 8)) / 1440 for b in begins] or [[]]))

    kinds = Counter(each.kind for each in find_patterns(failures(*onsets)))

    assert kinds[PatternKind.PERIODIC] == 0
    assert kinds[PatternKind.TOGETHER] == 0
    assert kinds[PatternKind.BURST] > 0


def test_two_that_fail_in_office_hours_are_no_pair_for_that() -> None:
    random = np.random.default_rng(6)
    onsets = [random.integers(0, DAYS, 12) + random.uniform(9, 11, 12) / 24 for _ in range(60)]

    assert of_kind(find_patterns(failures(*onsets)), PatternKind.TOGETHER) == []


@pytest.mark.parametrize(
    ("onsets", "words", "days"),
    [
        (np.arange(DAYS) + 3.2 / 24, "daily around 03:12", DAYS),
        (np.arange(DAYS * 24)[::3] / 24 + 17 / 1440, "every 3h, around 00:17", DAYS),
        (np.arange(DAYS * 24) / 24 + 5 / 1440, "hourly around minute 5", DAYS),
        (7 * np.arange(12) + 2.5, "on Wednesdays around 12:00", 84),
    ],
)
def test_what_comes_by_the_clock_is_periodic(onsets: np.ndarray, words: str, days: int) -> None:
    random = np.random.default_rng(7)
    kept = onsets[random.random(len(onsets)) < 0.95] + random.normal(size=1) / 1440 / 10
    with_others = np.concatenate([kept, random.random(max(1, len(kept) // 6)) * days])

    (found,) = of_kind(find_patterns(failures(with_others, days=days)), PatternKind.PERIODIC)

    assert words in found.text
    assert found.support >= 0.9 * len(kept)
    assert found.lift > 5
    assert found.q_value < 0.01
    assert len(found.examples) == 5


def test_the_clock_on_the_wall_decides() -> None:
    # Three o'clock in Berlin before and after the change to summer time on 29 March.
    utc = np.arange(40) + np.where(np.arange(40) < 27, 2, 1) / 24
    known = Known(zone=ZoneInfo("Europe/Berlin"))

    (found,) = find_patterns(failures(utc, days=40), known=known)

    assert "daily around 03:00" in found.text
    assert found.support == 40


def test_periods_of_the_checks_themselves_are_not_looked_for() -> None:
    random = np.random.default_rng(8)
    slots = np.sort(random.choice(DAYS * 96, 60, replace=False)) / 96
    known = Known(intervals={"source-0": timedelta(minutes=15)})

    assert find_patterns(failures(slots), known=known) == []


def test_a_burst_is_found_with_its_moment() -> None:
    random = np.random.default_rng(9)
    burst = 10 + np.arange(6) / 288

    found = of_kind(find_patterns(failures(np.concatenate([random.random(5) * DAYS, burst]))), PatternKind.BURST)

    assert found[0].support == 6
    assert found[0].first == MONDAY + timedelta(days=10)
    assert "expected by its rate" in found[0].text


def test_one_that_follows_another_is_found_with_its_lag() -> None:
    random = np.random.default_rng(10)
    cause = np.sort(random.random(14) * DAYS)
    effect = np.concatenate([cause[:12] + 4 / 1440, random.random(3) * DAYS])
    others = [random.random(12) * DAYS for _ in range(50)]
    known = Known(depends_on={"source-1": ["source-0"]})

    (found,) = of_kind(find_patterns(failures(cause, effect, *others), known=known), PatternKind.TOGETHER)

    assert (found.source, found.other) == ("source-1", "source-0")
    assert found.detail["lag_s"] == pytest.approx(240, abs=5)
    assert found.detail["known_dependency"]
    assert found.support >= 12
    assert "4 min after source-0" in found.text


def test_what_drifts_before_failures_announces_them() -> None:
    random = np.random.default_rng(11)
    places = np.sort(random.choice(np.arange(2, DAYS * 4), 12, replace=False)) * 6
    values = 100 + 3 * noise(2, DAYS)
    for place in places:
        values[0, place - 3 : place] += 15

    found = find_patterns(failures(places / 24, places / 24), hourly(values))
    (announced,) = of_kind(found, PatternKind.PRECURSOR)

    assert (announced.source, announced.other) == ("source-0", "metric")
    assert announced.support >= 10
    assert "above its normal" in announced.text


def test_few_failures_have_no_patterns() -> None:
    assert find_patterns(failures([1.0], [], [2.0, 3.0])) == []
    assert find_patterns(failures()) == []


def test_tails_of_poisson_numbers() -> None:
    assert poisson_tail(0, 3) == 1.0
    assert poisson_tail(3, 0.5) == pytest.approx(0.01438767, rel=1e-5)
    assert poisson_tail(50, 1) == pytest.approx(1.2e-65, rel=0.1)
    assert poisson_tail(5, 0) == 0.0


def test_what_flaps_fails_once() -> None:
    moments = np.array([0, 10, 20, 100, 105], dtype=np.int64) * 60_000_000

    assert list(apart(moments, timedelta(minutes=30)) // 60_000_000) == [0, 100]
