"""What others do to find anomalies, for comparison: customary rules and two products' methods, at their defaults.

Each is a function of a series' moments (seconds, int64, ascending) and values to a score (higher is stranger) and
alerts. All are causal: a point is judged by what came before it, and by itself where the original does so.

- `static_sigma`: mean and standard deviation of a learning period, then fixed; alert beyond three.
- `rolling_mad`: distance to the median of the last day in scaled median absolute deviations; alert beyond 3.5
  (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
- `ewma`: distance to an exponentially weighted mean (weight 0.2) in standard deviations of such distances (weight
  0.005, as a chart takes its limits from a longer past), alert beyond three (after Roberts, Technometrics 1959).
- `elementary_style`: z-score over a training period of 14 days that includes the judged point, at least 7 points,
  alert beyond three, as Elementary's dbt package computes it over time buckets. Buckets are the points themselves.
- `netdata_style`: k-means with two centres on differences, smoothed over 3 and lagged by 5, of the last 6 hours
  (40 points at least), trained anew every 3 hours (20 points); distances scaled to those in training; a point is
  anomalous when each of the last 18 models says 99 % or more; silent while half of the last 900 points are so.
  Hours rather than as many points as Netdata has seconds: on labelled data that does much better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["DETECTORS", "Detect", "elementary_style", "ewma", "netdata_style", "rolling_mad", "static_sigma"]

Floats: TypeAlias = NDArray[np.float64]
Judged: TypeAlias = tuple[Floats, NDArray[np.bool_]]
Detect: TypeAlias = Callable[[NDArray[np.int64], Floats], Judged]

_DAY_S = 86_400
_LEARNT_DAYS, _LEARNT_SHARE = 14, 0.25
_MAD_TO_SIGMA = 1.4826
_MODELS, _WINDOW_S, _EVERY_S, _LEAST_WINDOW, _LEAST_EVERY, _MOST_VECTORS = 18, 6 * 3600, 3 * 3600, 40, 20, 4320


def static_sigma(times: NDArray[np.int64], values: Floats) -> Judged:
    """Three standard deviations around the mean of the first 14 days, or of the first quarter if that is less."""
    learnt = max(2, min(int(len(values) * _LEARNT_SHARE), int(np.searchsorted(times, times[0] + 14 * _DAY_S))))
    past = values[:learnt]
    return _beyond(values, float(np.nanmean(past)), float(np.nanstd(past)), 3.0, learnt)


def rolling_mad(times: NDArray[np.int64], values: Floats) -> Judged:
    """Median and median absolute deviation of the day before each point."""
    import pandas as pd

    window = max(10, round(_DAY_S / _interval(times)))
    middle = _before(pd.Series(values).rolling(window, min_periods=10).median())
    spread = _before(pd.Series(np.abs(values - middle)).rolling(window, min_periods=10).median())
    return _beyond(values, middle, _MAD_TO_SIGMA * spread, 3.5, window)


def ewma(times: NDArray[np.int64], values: Floats) -> Judged:
    """Exponentially weighted mean and variance of what came before."""
    import pandas as pd

    middle = _before(pd.Series(values).ewm(alpha=0.2).mean())
    scale = np.sqrt(_before(pd.Series((values - middle) ** 2).ewm(alpha=0.005).mean()))
    return _beyond(values, middle, scale, 3.0, 100)


def elementary_style(times: NDArray[np.int64], values: Floats) -> Judged:
    """Mean and standard deviation of the last 14 days, the judged point among them."""
    known = np.isfinite(values)
    clean = np.where(known, values - np.nanmedian(values), 0.0)  # centred, for the sums' precision
    first = np.searchsorted(times, times - _LEARNT_DAYS * _DAY_S)
    count, total, square = (_sums(column, first) for column in (known.astype(float), clean, clean**2))
    enough = count >= 7
    count = np.maximum(count, 2)
    variance = np.maximum(square - total**2 / count, 0.0) / (count - 1)
    score, _ = _beyond(clean, total / count, np.sqrt(variance), 3.0, 0)
    score = np.where(known & enough, score, 0.0)
    return score, score > 3.0


def netdata_style(times: NDArray[np.int64], values: Floats) -> Judged:
    """The agreement of the last 18 models: the least of their scores, 1 being the strangest they have learnt."""
    vectors = _netdata_features(values)
    rng = np.random.default_rng(0)
    score = np.full(len(values), np.inf)
    window, every = (round(span / _interval(times)) for span in (_WINDOW_S, _EVERY_S))
    window, every = max(_LEAST_WINDOW, window), max(_LEAST_EVERY, every)
    for end in range(window, len(values), every):
        model = _two_means(vectors[max(5, end - window) : end], rng)
        judged = slice(end, end + _MODELS * every)
        score[judged] = np.minimum(score[judged], model(vectors[judged]))
    score[~np.isfinite(score)] = 0.0
    anomalous = score >= 0.99
    recent = _sums(anomalous.astype(float), np.maximum(np.arange(len(values)) - 899, 0))
    return score, anomalous & (recent <= 450)


DETECTORS: dict[str, Detect] = {
    "static 3 sigma": static_sigma,
    "rolling median/MAD": rolling_mad,
    "EWMA": ewma,
    "Elementary-style": elementary_style,
    "Netdata-style": netdata_style,
}
"""All of them by the names that tables show."""


def _beyond(values: Floats, middle: Floats | float, scale: Floats | float, limit: float, learning: int) -> Judged:
    """How many scales a value lies from the middle; nothing while learning, or where the scale is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.abs(values - middle) / scale
    score[~np.isfinite(score)] = 0.0
    score[:learning] = 0.0
    return score, score > limit


def _interval(times: NDArray[np.int64]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 60.0


def _before(series: object) -> Floats:
    """A pandas series as it was one point earlier."""
    return np.concatenate(([np.nan], np.asarray(series, dtype=float)[:-1]))


def _sums(column: Floats, first: NDArray[np.int64]) -> Floats:
    """The sum of `column` from place `first` up to and including each place."""
    total = np.concatenate(([0.0], np.cumsum(column)))
    return np.asarray(total[1:] - total[first])


def _netdata_features(values: Floats) -> Floats:
    """One vector a point: its last six differences, each averaged over three."""
    filled = np.where(np.isfinite(values), values, np.nanmedian(values))
    difference = np.diff(filled, prepend=filled[0])
    padded = np.concatenate((np.zeros(2), difference))
    smooth = (padded[2:] + padded[1:-1] + padded[:-2]) / 3
    return np.lib.stride_tricks.sliding_window_view(np.concatenate((np.zeros(5), smooth)), 6)


def _two_means(vectors: Floats, rng: np.random.Generator) -> Callable[[Floats], Floats]:
    """Lloyd's algorithm from two vectors that are far apart; answers how to score others."""
    chosen = vectors if len(vectors) <= _MOST_VECTORS else rng.choice(vectors, _MOST_VECTORS, replace=False)
    centres = chosen[[0, int(np.argmax(np.linalg.norm(chosen - chosen[0], axis=1)))]]
    for _ in range(1000):
        nearer = np.linalg.norm(chosen - centres[0], axis=1) > np.linalg.norm(chosen - centres[1], axis=1)
        if nearer.all() or not nearer.any():
            break
        moved = np.stack([chosen[~nearer].mean(axis=0), chosen[nearer].mean(axis=0)])
        if np.array_equal(moved, centres):
            break
        centres = moved

    def distance(points: Floats) -> Floats:
        return np.asarray(sum(np.linalg.norm(points - centre, axis=1) for centre in centres) / 2)

    known = distance(chosen)
    low, high = float(known.min()), float(known.max())
    return lambda points: np.abs(distance(points) - low) / (high - low) if high > low else np.zeros(len(points))
