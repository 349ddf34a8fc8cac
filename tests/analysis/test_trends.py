"""Directions are found where they are, and not in noise, seasons, steps or too little history."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bench.synthetic import daily, hourly, hours, noise
from monitoring_pipeline.analysis.calendars import HOUR_US, Calendar
from monitoring_pipeline.analysis.seasons import find_season
from monitoring_pipeline.analysis.series import Grid, SeriesKey, false_discoveries, middle
from monitoring_pipeline.analysis.trends import Direction, Trend, find_trends
from monitoring_pipeline.clock import to_us

DAYS = 28


def directions(found: list[Trend]) -> Counter[Direction]:
    return Counter(trend.direction for trend in found)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.97])
def test_noise_has_no_direction_however_its_neighbours_correlate(rho: float) -> None:
    found = find_trends(hourly(1000 + 10 * noise(300, DAYS, rho)))

    moving = [trend for trend in found if trend.direction in (Direction.UPWARD, Direction.DOWNWARD)]
    assert len(moving) <= 6
    assert np.mean([trend.p_value < 0.01 for trend in found]) <= 0.03


def test_a_line_under_a_season_and_noise_is_found_with_its_slope() -> None:
    values = 100 + 30 * daily(DAYS) + hours(DAYS) / 24 + 5 * noise(50, DAYS)

    found = find_trends(hourly(values))

    assert directions(found) == {Direction.UPWARD: 50}
    assert np.allclose([trend.slope_per_day for trend in found], 1.0, atol=0.15)
    assert min(trend.strength for trend in found) > 0.6
    assert min(trend.season for trend in found) > 0.8


def test_a_random_walk_with_drift_is_a_direction_and_one_without_rarely_is() -> None:
    drifting = find_trends(hourly(1000 + noise(100, DAYS, 1.0) - 0.3 * hours(DAYS)))
    wandering = find_trends(hourly(1000 + noise(300, DAYS, 1.0)))

    assert directions(drifting)[Direction.DOWNWARD] >= 98
    assert directions(wandering)[Direction.STABLE] >= 270


def test_direction_survives_gaps_and_outliers() -> None:
    random = np.random.default_rng(4)
    values = 50 + hours(DAYS) / 48 + noise(40, DAYS) / 10
    values[random.random(values.shape) < 0.3] = np.nan
    values[random.random(values.shape) < 0.01] *= 20

    assert directions(find_trends(hourly(values))) == {Direction.UPWARD: 40}


def test_a_change_too_small_to_speak_of_is_stable() -> None:
    (found,) = find_trends(hourly(1000 + hours(DAYS) / 100 + noise(1, DAYS) / 10))

    assert found.p_value < 0.01
    assert found.direction is Direction.STABLE


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        (np.full(DAYS * 24, 5.0), Direction.STABLE),
        (np.zeros(DAYS * 24), Direction.STABLE),
        (np.exp(1.5 * noise(1, DAYS)), Direction.VOLATILE),
        (np.full(DAYS * 24, np.nan), Direction.LEARNING),
        (hours(1), Direction.LEARNING),
        (np.where(hours(DAYS) < 40, 1.0 + hours(DAYS), np.nan), Direction.LEARNING),
    ],
)
def test_what_has_no_direction(values: np.ndarray, direction: Direction) -> None:
    (found,) = find_trends(hourly(values))

    assert found.direction is direction
    assert 0 <= found.strength <= 1


def test_one_jump_is_no_trend() -> None:
    values = np.where(hours(DAYS) > 300, 25.0, 20.0) + noise(20, DAYS) / 2

    assert directions(find_trends(hourly(values)))[Direction.UPWARD] == 0


def test_nothing_gives_nothing() -> None:
    assert find_trends(hourly(np.empty((0, 48)))) == []


def test_seasons_of_day_and_week_are_learnt_and_trends_are_none() -> None:
    weekend = 20.0 * (hours(DAYS) // 24 % 7 >= 5)
    grid = hourly(np.stack([10 * daily(DAYS), weekend, hours(DAYS)]) + noise(3, DAYS))

    season = find_season(grid)
    week = season.over(grid.places(0, 7 * 24))

    assert np.abs(week[0] - np.tile(10 * daily(1), 7)).max() < 2
    assert week[1, 5 * 24 :].mean() - week[1, : 5 * 24].mean() > 10
    assert season.strength[2] == 0
    assert np.all(week[2] == 0)


@pytest.mark.parametrize("began", [datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 10, 5, tzinfo=UTC)])
def test_seasons_follow_the_wall_over_a_change_of_clocks_and_know_holidays(began: datetime) -> None:
    """Clocks are changed in the third week; the Wednesdays of the second and the fifth are holidays."""
    free = [(began + timedelta(days=day)).date() for day in (9, 30)]
    calendar = Calendar.of("Europe/Berlin", free)
    times = to_us(began) + HOUR_US * np.arange(24 * 35)
    slot, weekday = calendar.slots(times, 24)
    at_work = (slot >= 9) & (slot < 17) & (weekday < 5)
    values = 100 + 50.0 * at_work + np.random.default_rng(1).normal(0, 1, len(times))
    whole = Grid((SeriesKey("s", "m"),), began, timedelta(hours=1), values[None, :], calendar)
    known = 24 * 28

    off = whole.values - find_season(whole.until(known)).over(whole.places())

    assert np.abs(off[0, known:] - np.median(off)).max() < 12  # three of four weeks say what a weekday is
    blind = replace(whole, calendar=Calendar())
    off = blind.values - find_season(blind.until(known)).over(blind.places())
    assert np.abs(off[0, known:] - np.median(off)).max() > 30


def test_the_middle_is_numpys() -> None:
    values = np.random.default_rng(1).normal(size=(20, 9))
    values[values > 1] = np.nan

    assert np.array_equal(middle(values), np.nanmedian(values, axis=1))
    assert np.isnan(middle(np.full((1, 3), np.nan)))[0]


def test_false_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    found = false_discoveries(np.array([0.01, 0.04, 0.03, 0.005]))

    assert np.allclose(found, [0.02, 0.04, 0.04, 0.02])
    assert np.allclose(false_discoveries(np.array([0.01]), 100), [1.0])
