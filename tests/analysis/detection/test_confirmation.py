"""Level shifts with hindsight."""

import numpy as np
import pytest

from monitoring_pipeline.analysis.detection import confirm_shift


def test_a_new_level_is_confirmed_where_it_was_called() -> None:
    values = np.random.default_rng(1).normal(10, 1, 400)
    values[200:] += 6
    found = confirm_shift(values, 206)
    assert found == (True, pytest.approx(10, abs=0.3), pytest.approx(16, abs=0.3))
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


def test_values_that_never_vary_may_move_too() -> None:
    assert confirm_shift(np.repeat([3.0, 5.0], 50), 52) == (True, 3.0, 5.0)
    assert not confirm_shift(np.full(100, 3.0), 50).confirmed
