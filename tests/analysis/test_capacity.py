"""When a limit is reached: lines, walks, bends, and what is emptied now and then."""

from __future__ import annotations

import numpy as np
import pytest

from bench.synthetic import daily, hourly, hours, noise
from monitoring_pipeline.analysis.capacity import Limit, Reach, ReachState, find_resets, time_to
from monitoring_pipeline.analysis.series import Floats

DAYS, FUTURE = 28, 90
ROWS = 40
TIME = hours(DAYS + FUTURE)


def reach(values: Floats, limit: float = 95.0) -> tuple[list[Reach], Floats]:
    """What is said of the first 28 days, and after how many hours the limit really was reached."""
    past, future = values[:, : DAYS * 24], values[:, DAYS * 24 :]
    hit = np.where((future >= limit).any(axis=1), np.argmax(future >= limit, axis=1) + 1.0, np.inf)
    return time_to(hourly(past, "%"), [Limit(limit)] * len(values)), hit


def share_right(found: list[Reach], hit: Floats) -> float:
    """How often the range held what came."""
    right = [
        (each.earliest or 0) <= real <= (each.latest or np.inf)
        if each.state is ReachState.REACHES
        else real > FUTURE * 24
        for each, real in zip(found, hit, strict=True)
    ]
    return float(np.mean(right))


def small(rho: float = 0.0) -> Floats:
    return noise(ROWS, DAYS + FUTURE, rho) / 5


@pytest.mark.parametrize(
    ("values", "least"),
    [
        (50 + TIME / 24 + small(0.5), 0.7),
        (50 + TIME / 24 + 3 * daily(DAYS + FUTURE) + small(), 0.7),
        (50 + np.cumsum(0.04 + noise(ROWS, DAYS + FUTURE) / 20, axis=1), 0.6),
        (30 + 0.8 * TIME / 24 + 20 * ((TIME + 4.2 * np.arange(ROWS)[:, None]) % 168) / 168 + small(), 0.6),
    ],
    ids=["line", "line and season", "drifting walk", "rising saw"],
)
def test_the_range_holds_the_moment(values: Floats, least: float) -> None:
    found, hit = reach(values)

    assert np.isfinite(hit).all()
    assert {each.state for each in found} == {ReachState.REACHES}
    assert share_right(found, hit) >= least


@pytest.mark.parametrize(
    "values",
    [
        60 + 5 * noise(ROWS, DAYS, 0.5),
        60 + 10 * daily(DAYS) + noise(ROWS, DAYS, 0.9),
        40 + 40 * ((hours(DAYS) + 7) % 168) / 168 + noise(ROWS, DAYS) / 5,
        80 - 60 * np.exp(-hours(DAYS) / 200) + noise(ROWS, DAYS) / 5,
        np.full((ROWS, DAYS * 24), 50.0),
        90 - hours(DAYS) / 24 + noise(ROWS, DAYS) / 5,
    ],
    ids=["noise", "season", "saw", "saturating", "constant", "falling"],
)
def test_what_never_gets_there_is_not_within_ninety_days(values: Floats) -> None:
    found = time_to(hourly(values, "%"), [Limit(95)] * len(values))

    assert np.mean([each.state is ReachState.NOT_WITHIN for each in found]) >= 0.8
    assert np.mean([each.state is ReachState.REACHES for each in found]) <= 0.05


def test_free_space_falls_to_a_limit_from_above() -> None:
    (found,) = time_to(hourly(500 - hours(DAYS) / 2 + noise(1, DAYS)), [Limit(100, above=True)])

    assert found.state is ReachState.REACHES
    assert found.likely == pytest.approx((500 - 336 - 100) * 2, rel=0.1)
    assert found.per_day == pytest.approx(-12, rel=0.05)


def test_one_clean_up_does_not_hide_the_growth() -> None:
    values = 20 + 1.5 * hours(DAYS) / 24 - 20 * (hours(DAYS) > 400) + noise(1, DAYS) / 10

    (found,) = time_to(hourly(values), [Limit(95)])

    assert found.resets == 1
    assert found.likely is not None
    assert found.likely / 24 == pytest.approx((95 - 42) / 1.5, rel=0.1)


def test_what_is_beyond_is_said_to_be() -> None:
    (found,) = time_to(hourly(np.full(DAYS * 24, 97.0)), [Limit(95)])

    assert found.state is ReachState.BEYOND
    assert (found.earliest, found.chance, found.within(1)) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("values", [hours(1)[:10], np.where(hours(DAYS) < 600, 50.0, np.nan), np.full(48, np.nan)])
def test_too_little_or_nothing_lately_is_no_verdict(values: Floats) -> None:
    (found,) = time_to(hourly(values), [Limit(95)])

    assert found.state is ReachState.LEARNING
    assert found.within(1000) == 0.0


def test_the_chance_grows_with_time() -> None:
    (found,) = time_to(hourly(50 + hours(DAYS) / 24 + noise(1, DAYS)), [Limit(95)])

    assert found.earliest is not None
    assert found.latest is not None
    assert found.within(found.earliest) == pytest.approx(0.1)
    assert found.within(found.latest) == pytest.approx(0.9)
    assert found.within(1) < found.within(found.earliest) < found.within(1e6)


def test_the_same_past_gives_the_same_future() -> None:
    grid = hourly(50 + noise(3, DAYS, 1.0))

    assert time_to(grid, [Limit(95)] * 3) == time_to(grid, [Limit(95)] * 3)


def test_spikes_and_dips_are_no_resets() -> None:
    values = 50 + noise(1, DAYS)[0] / 10
    values[100], values[200] = 5, 95

    assert find_resets(values) == []
    assert find_resets(np.where(hours(DAYS) < 300, hours(DAYS), hours(DAYS) - 300.0)) == [300]
