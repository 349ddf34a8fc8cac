"""Tails of counts, against scipy's distributions and exact fractions."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitoring_pipeline.collection.tails import beta_binomial_tail, negative_binomial_below


@given(st.integers(1, 600), st.floats(0.5, 1e5), st.floats(0.5, 1e5), st.data())
def test_failures_are_beta_binomial(attempts: int, a: float, b: float, data: st.DataObject):
    failures = data.draw(st.integers(0, attempts))
    # Its `sf` subtracts from one, and has no small tails.
    likely = np.exp(stats.betabinom.logpmf(np.arange(failures, attempts + 1), attempts, b, a)).sum()
    assert beta_binomial_tail(failures, attempts, a, b) == pytest.approx(likely, rel=1e-6, abs=1e-11)


@given(st.floats(0.1, 1e6), st.floats(0.005, 5), st.floats(0, 2))
def test_counts_are_negative_binomial(mean: float, spread: float, share: float):
    size = 1 / spread**2
    likely = stats.nbinom.cdf(int(share * mean), size, size / (size + mean))
    assert negative_binomial_below(int(share * mean), mean, spread) == pytest.approx(likely, rel=1e-6, abs=1e-12)


def test_small_tails_are_exact():
    a, b, attempts, failures = 835, 17, 40, 12
    ways = sum(_ways(number, attempts, a, b) for number in range(failures, attempts + 1))
    assert beta_binomial_tail(failures, attempts, a, b) == pytest.approx(float(ways), rel=1e-9)


def _ways(number: int, count: int, a: int, b: int) -> Fraction:
    rising = Fraction(comb(count, number))
    for step in range(number):
        rising *= b + step
    for step in range(count - number):
        rising *= a + step
    for step in range(count):
        rising /= a + b + step
    return rising


def test_millions_are_counted_too():
    assert beta_binomial_tail(2000, 1_440_000, 1.4e7, 2800) == 0
    assert beta_binomial_tail(700_000, 1_440_000, 1, 1.4e7) == 1
    likely = np.exp(stats.betabinom.logpmf(np.arange(330, 2000), 1_440_000, 2800, 1.4e7)).sum()
    assert beta_binomial_tail(330, 1_440_000, 1.4e7, 2800) == pytest.approx(likely, rel=1e-4)


def test_ends_are_certain_and_nonsense_is_refused():
    assert beta_binomial_tail(0, 40, 3, 1) == 1
    assert negative_binomial_below(-1, 40, 0.1) == 0
    assert negative_binomial_below(10_000, 40, 0.1) == pytest.approx(1)
    for failures, attempts, a, b in ((5, 4, 1, 1), (-1, 4, 1, 1), (1, 4, 0, 1)):
        with pytest.raises(ValueError, match="under Beta"):
            beta_binomial_tail(failures, attempts, a, b)
    for mean, spread in ((0, 1), (1, 0), (float("nan"), 1)):
        with pytest.raises(ValueError, match="no negative binomial"):
            negative_binomial_below(1, mean, spread)


def test_nobody_needs_scipy_for_it():
    code = "import sys, monitoring_pipeline.collection.health; sys.exit('scipy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
