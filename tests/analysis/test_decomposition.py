"""Parts of a series add up to it, and are where they were put."""

from __future__ import annotations

import numpy as np
import pytest

from bench.synthetic import daily, hourly, hours, noise
from monitoring_pipeline.analysis.decomposition import Decomposition, decompose, ets_forecaster
from monitoring_pipeline.analysis.forecast import forecast

DAYS = 22


@pytest.fixture(scope="module")
def parts() -> Decomposition:
    values = 100 + 20 * daily(DAYS) + 10 * (hours(DAYS) // 24 % 7 >= 5) + hours(DAYS) / 24 + noise(1, DAYS)
    found = decompose(hourly(values))
    assert found is not None
    return found


def test_the_parts_add_up(parts: Decomposition):
    whole = parts.trend + sum(parts.seasons.values()) + parts.rest

    assert np.allclose(whole, parts.observed)
    assert set(parts.seasons) == {"day", "week"}
    assert len(parts.times()) == DAYS * 24


def test_the_parts_are_what_they_were_made_of(parts: Decomposition):
    assert parts.trend[-1] - parts.trend[0] == pytest.approx(DAYS, rel=0.25)
    assert parts.season_strength["day"] > 0.9
    assert parts.season_strength["week"] > 0.7
    assert parts.trend_strength > 0.9


def test_short_ones_have_a_day_only_and_too_short_ones_nothing():
    short = decompose(hourly(100 + 20 * daily(7) + noise(1, 7)))

    assert short is not None
    assert set(short.seasons) == {"day"}
    assert decompose(hourly(noise(1, 2))) is None
    assert decompose(hourly(np.full((1, 7 * 24), np.nan))) is None


def test_exponential_smoothing_takes_part_in_a_forecast():
    values = 100 + 20 * daily(8) + noise(1, 8, 0.5)
    (made,) = forecast(hourly(values), 12, extra={"ets": ets_forecaster})

    assert np.abs(made.point - (100 + 20 * daily(1)[:12])).mean() < 4
    assert "ets" in made.weights
    few = hourly(noise(1, 2))
    assert np.isnan(ets_forecaster(few.values, few, 3)).all()
    flat = hourly(np.full((1, 96), 7.0))
    assert ets_forecaster(flat.values, flat, 3) == pytest.approx(7.0)
