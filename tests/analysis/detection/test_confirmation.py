"""Level shifts with hindsight."""

import numpy as np

from monitoring_pipeline.analysis.detection import confirm_shift


def test_a_new_level_is_confirmed_where_it_was_called() -> None:
    values = np.random.default_rng(1).normal(10, 1, 400)
    values[200:] += 6
    assert confirm_shift(values, 206)
    assert not confirm_shift(values, 60)


def test_noise_a_spike_and_too_few_values_are_none() -> None:
    values = np.random.default_rng(2).normal(10, 1, 400)
    values[200] += 30
    assert not confirm_shift(values, 203)
    assert not confirm_shift(values, 5)
