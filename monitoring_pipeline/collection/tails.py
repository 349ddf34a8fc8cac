"""How likely counts are: tails of the beta-binomial and the negative binomial. Pure, of the standard library alone.

Both allow for what a binomial and a Poisson count do not: that the rate behind a count is itself known from so many
cases only (Skellam 1948), or differs from day to day (Greenwood & Yule 1920).
"""

from __future__ import annotations

import math

__all__ = ["beta_binomial_tail", "negative_binomial_below"]

_EXACT = 1e-13
_TINY = 1e-300
_MOST_TURNS = 100_000


def beta_binomial_tail(failures: int, attempts: int, a: float, b: float) -> float:
    """P(at least `failures` of `attempts` fail) where the rate of failures is Beta(b, a): after a uniform start, `a`
    is one more than the successes that were seen, and `b` one more than the failures.

    Raises ValueError unless 0 <= failures <= attempts, a > 0 and b > 0.
    """
    if not 0 <= failures <= attempts or not (a > 0 and b > 0):
        raise ValueError(f"no {failures} of {attempts} under Beta({b}, {a})")
    if failures > attempts * b / (a + b):
        return min(1.0, _upward(failures, attempts, a, b))
    # Fewer failures are more successes: the smaller of both tails is the one that is added up.
    return max(0.0, 1.0 - (_upward(attempts - failures + 1, attempts, b, a) if failures else 0.0))


def _upward(first: int, count: int, a: float, b: float) -> float:
    term = math.exp(
        math.lgamma(count + 1) - math.lgamma(first + 1) - math.lgamma(count - first + 1)
        + _log_beta(first + b, count - first + a) - _log_beta(a, b)
    )  # fmt: skip
    total = 0.0
    for number in range(first, count + 1):
        total += term
        if number == count:
            break
        ratio = (count - number) * (number + b) / ((number + 1) * (count - number - 1 + a))
        term *= ratio
        # Below one in `a` the last terms rise once more.
        if a >= 1 and ratio < 1 and term <= _EXACT * total * (1 - ratio):
            break
    return total


def negative_binomial_below(count: float, mean: float, spread: float) -> float:
    """P(at most `count`) of a negative binomial with this mean and the variance mean + (spread * mean)**2.

    `spread` is by how much, relative to the mean, the rate behind the count differs from time to time. Raises
    ValueError unless mean > 0 and spread > 0.
    """
    if not (mean > 0 and spread > 0):
        raise ValueError(f"no negative binomial has the mean {mean} and the spread {spread}")
    if count < 0:
        return 0.0
    size = 1 / spread**2
    return _incomplete_beta(size, math.floor(count) + 1, size / (size + mean), mean / (size + mean))


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """I_x(a, b), the regularised incomplete beta function; `rest` is 1 - x."""
    front = math.exp(a * math.log(x) + b * math.log(rest) - _log_beta(a, b))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Its continued fraction by Lentz's method (Press et al., Numerical Recipes, 3rd ed., 6.4)."""
    c, d = 1.0, 1.0 / _apart(1.0 - (a + b) * x / (a + 1))
    value = d
    for turn in range(1, _MOST_TURNS):
        even = turn * (b - turn) * x / ((a + 2 * turn - 1) * (a + 2 * turn))
        d, c = 1.0 / _apart(1.0 + even * d), _apart(1.0 + even / c)
        value *= d * c
        odd = -(a + turn) * (a + b + turn) * x / ((a + 2 * turn) * (a + 2 * turn + 1))
        d, c = 1.0 / _apart(1.0 + odd * d), _apart(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) < _EXACT:
            break
    return value


def _apart(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
