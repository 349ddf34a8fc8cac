"""Forecasts beat repeating yesterday, and their intervals hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from bench.synthetic import HOUR, daily, hourly, hours, noise
from monitoring_pipeline.analysis.forecast import Forecast, forecast
from monitoring_pipeline.analysis.series import Floats

DAYS, AHEAD = 31, 72
ROWS = 60


def errors(values: Floats, unit: str = "") -> tuple[float, float, list[Forecast]]:
    """Mean absolute error relative to repeating yesterday, the share inside the interval, and the forecasts."""
    past, future = values[:, :-AHEAD], values[:, -AHEAD:]
    found = forecast(hourly(past, unit), AHEAD)
    point, low, high = (np.stack([getattr(each, name) for each in found]) for name in ("point", "low", "high"))
    yesterday = past[:, -24:][:, np.arange(AHEAD) % 24]
    ratio = float(np.abs(point - future).mean() / np.abs(yesterday - future).mean())
    return ratio, float(((future >= low) & (future <= high)).mean()), found


@pytest.mark.parametrize(
    ("values", "ratio"),
    [
        (100 + 10 * noise(ROWS, DAYS), 0.8),
        (100 + 30 * daily(DAYS) + 5 * noise(ROWS, DAYS, 0.5), 0.85),
        (100 + 20 * (hours(DAYS) // 24 % 7 >= 5) + 5 * noise(ROWS, DAYS, 0.5), 0.95),
        (1000 + hours(DAYS) + noise(ROWS, DAYS, 1.0), 0.3),
        (np.exp(3 + 0.4 * noise(ROWS, DAYS, 0.6)), 0.9),
    ],
    ids=["noise", "season", "week", "drift", "skewed"],
)
def test_it_beats_yesterday_and_covers_what_it_promises(values: Floats, ratio: float) -> None:
    error, covered, found = errors(values)

    assert error < ratio
    assert 0.85 <= covered <= 0.99
    assert all(each.mase is not None and each.mase < 1 for each in found)


def test_intervals_widen_and_hold_the_point() -> None:
    _, _, found = errors(100 + noise(5, DAYS, 1.0))

    for each in found:
        width = each.high - each.low
        assert np.all(np.diff(width) >= -1e-9)
        assert np.all((each.low <= each.point) & (each.point <= each.high))


def test_percent_stay_percent_and_counts_stay_positive() -> None:
    shares = np.clip(95 + 3 * noise(5, DAYS, 0.9), 0, 100)
    counts = np.random.default_rng(1).poisson(0.5, size=(5, DAYS * 24)).astype(np.float64)

    _, _, percent = errors(shares, "%")
    _, _, rows = errors(counts)

    assert max(each.high.max() for each in percent) <= 100
    assert min(each.low.min() for each in rows) >= 0


def test_constants_stay_what_they_are() -> None:
    (found,) = forecast(hourly(np.full(DAYS * 24, 5.0)), 24)

    assert np.allclose(found.point, 5.0)
    assert np.allclose(found.high - found.low, 0.0, atol=1e-6)


def test_a_series_with_holes_is_forecast_too() -> None:
    values = 100 + 30 * daily(DAYS) + noise(3, DAYS)
    values[np.random.default_rng(2).random(values.shape) < 0.3] = np.nan
    values[0, -30:] = np.nan

    found = forecast(hourly(values), 24)

    expected = 100 + 30 * daily(1)
    assert all(np.abs(each.point - expected).mean() < 6 for each in found)


@pytest.mark.parametrize("values", [hours(2), np.full(DAYS * 24, np.nan), np.where(hours(9) < 40, 1.0, np.nan)])
def test_too_little_history_is_no_forecast(values: Floats) -> None:
    (found,) = forecast(hourly(values), 24)

    assert found.learning
    assert np.isnan(found.point).all()
    assert found.mase is None


def test_it_begins_where_the_past_ends() -> None:
    grid = hourly(noise(1, 7))

    (found,) = forecast(grid, 5)

    assert found.times() == [grid.end + number * HOUR for number in range(5)]
    assert forecast(hourly(np.empty((0, 200))), 24) == []
