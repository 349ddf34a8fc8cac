"""Level shifts with hindsight."""

import numpy as np
import pytest

from monitoring_pipeline.analysis.detection import confirm_shift


def test_a_new_level_is_confirmed_where_it_was_called() -> None:
    values = np.random.default_rng(1).normal(10, 1, 400)
    values[200:] += 6
    found = confirm_shift(values, 206)
    assert found == (True, pytest.approx(10, abs=0.3), pytest.approx(16, abs=0.3))
    assert confirm_shift(1e10 + values, 206).confirmed
    assert not confirm_shift(values, 60).confirmed


def test_noise_a_spike_and_too_few_values_are_none() -> None:
    values = np.random.default_rng(2).normal(10, 1, 400)
    values[200] += 30
    assert not confirm_shift(values, 203).confirmed
    assert not confirm_shift(values, 5).confirmed
    with pytest.raises(ValueError, match="nothing lies on both sides of 400"):
        confirm_shift(values, 400)


def test_a_level_that_went_back_is_none() -> None:
    values = np.random.default_rng(3).normal(10, 1, 400)
    values[200:240] += 6
    assert not confirm_shift(values, 206).confirmed
    assert confirm_shift(values[:236], 206).confirmed


@pytest.mark.parametrize(("rho", "least"), [(0.0, 0.9), (0.9, 0.75)])
def test_a_level_that_wanders_is_none_and_moves_all_the_same(rho: float, least: float) -> None:
    rng = np.random.default_rng(4)
    drawn = rng.normal(0, (1 - rho**2) ** 0.5, (60, 500))
    for place in range(1, 500):
        drawn[:, place] += rho * drawn[:, place - 1]
    moved = drawn + 3.0 * (np.arange(500) >= 350)
    assert np.mean([confirm_shift(values, 358).confirmed for values in drawn]) <= 0.05
    assert np.mean([confirm_shift(values, 358).confirmed for values in moved]) >= least


def test_values_that_never_vary_may_move_too() -> None:
    assert confirm_shift(np.repeat([3.0, 5.0], 50), 52) == (True, 3.0, 5.0)
    assert not confirm_shift(np.full(100, 3.0), 50).confirmed
