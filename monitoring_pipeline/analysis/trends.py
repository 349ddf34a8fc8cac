"""Where series are heading: upward, downward, stable, or only volatile, and how sure that is.

The season is taken out, blocks of time become one value each, and two tests ask whether there is a
direction: Mann-Kendall with its variance corrected for ties and for autocorrelation (Hamed and Rao,
1998, with an AR(1) autocorrelation freed of its small-sample bias), which sees a line in noise, and
a test of the increments, which sees a random walk that drifts, such as a disk that fills. The slope is
Theil-Sen's. A direction must be significant and worth speaking of; with too little history there is
no verdict at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from monitoring_pipeline.analysis.seasons import find_season
from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey, mean, middle, normal_tail, spread

__all__ = ["Direction", "Trend", "find_trends"]

_BLOCKS = 56
_LEAST_BLOCKS, _LEAST_STEPS, _LEAST_COVERED = 14, 48, 0.4
_SIGNIFICANT = 0.01
_WORTH, _NOISE_SHARE = 0.03, 0.5
_VOLATILE = 0.3
_ROWS = 500


class Direction(StrEnum):
    """What a series does in the long run."""

    UPWARD = "upward"
    DOWNWARD = "downward"
    STABLE = "stable"
    VOLATILE = "volatile"
    LEARNING = "learning"


@dataclass(frozen=True, slots=True)
class Trend:
    """The verdict on one series over [since, until).

    `slope_per_day` in the series' unit; `change` is what the slope makes of the whole stretch, and
    `change_percent` that of the level (None at a level of nothing). `strength` (0-1) is how much of
    what moves, beside its season, the line explains; `volatility` is the scatter around the line as a
    share of the level, `season` how much a day or week explains, `p_value` how likely chance alone
    does as much. While `learning` only the counts mean anything.
    """

    key: SeriesKey
    since: datetime
    until: datetime
    direction: Direction
    strength: float = 0.0
    slope_per_day: float = 0.0
    change: float = 0.0
    change_percent: float | None = None
    level: float = 0.0
    volatility: float = 0.0
    season: float = 0.0
    p_value: float = 1.0
    values: int = 0


def find_trends(grid: Grid) -> list[Trend]:
    """The trend of every series of the grid, in its order."""
    found: list[Trend] = []
    for first in range(0, len(grid.keys), _ROWS):
        rows = range(first, min(first + _ROWS, len(grid.keys)))
        found += _trends(grid.pick(list(rows)))
    return found


def _trends(grid: Grid) -> Iterator[Trend]:
    season = find_season(grid)
    plain = grid.values - season.over(grid.places())
    count = np.sum(~np.isnan(grid.values), axis=1)
    blocks, width = _blocks(plain)
    slope = _theil_sen(blocks)
    p_value = np.minimum(1.0, 2 * np.minimum(_mann_kendall(blocks, slope), _increments(blocks)))
    line = slope[:, None] * (np.arange(grid.steps)[None, :] / width)
    level, noise = middle(plain), spread(plain - line)
    change = slope * blocks.shape[1]
    strength = _explained(plain, plain - line)
    known = np.sum(~np.isnan(blocks), axis=1)
    enough = (known >= max(_LEAST_BLOCKS, _LEAST_COVERED * blocks.shape[1])) & (count >= _LEAST_STEPS)
    floor = np.maximum(_WORTH * np.abs(level), _NOISE_SHARE * noise)
    moves = enough & (p_value < _SIGNIFICANT) & (np.abs(change) > floor)
    per_day = slope / (width * grid.step / timedelta(days=1))
    for row, key in enumerate(grid.keys):
        if not enough[row]:
            yield Trend(key, grid.start, grid.end, Direction.LEARNING, values=int(count[row]))
            continue
        size = abs(float(level[row]))
        volatility = float(noise[row]) / size if size else 0.0
        yield Trend(
            key, grid.start, grid.end, _direction(bool(moves[row]), float(change[row]), volatility),
            float(strength[row]), float(per_day[row]), float(change[row]),
            100 * float(change[row]) / size if size else None, float(level[row]), volatility,
            float(season.strength[row]), float(p_value[row]), int(count[row]),
        )  # fmt: skip


def _direction(moves: bool, change: float, volatility: float) -> Direction:
    if moves:
        return Direction.UPWARD if change > 0 else Direction.DOWNWARD
    return Direction.VOLATILE if volatility > _VOLATILE else Direction.STABLE


def _blocks(values: Floats) -> tuple[Floats, int]:
    """Medians of equally long blocks, the newest values at the end of the last; and a block's steps."""
    width = max(1, -(-values.shape[1] // _BLOCKS))
    padded = np.pad(values, ((0, 0), (-values.shape[1] % width, 0)), constant_values=np.nan)
    return middle(padded.reshape(values.shape[0], -1, width)), width


def _theil_sen(blocks: Floats) -> Floats:
    """The median of the slopes of all pairs, per block."""
    early, late = np.triu_indices(blocks.shape[1], 1)
    slopes = (blocks[:, late] - blocks[:, early]) / (late - early)
    return np.nan_to_num(middle(slopes))


def _mann_kendall(blocks: Floats, slope: Floats) -> Floats:
    """Two-sided p-values of no monotonic direction."""
    early, late = np.triu_indices(blocks.shape[1], 1)
    score = np.nansum(np.sign(blocks[:, late] - blocks[:, early]), axis=1)
    n = np.sum(~np.isnan(blocks), axis=1).astype(np.float64)
    variance = (n * (n - 1) * (2 * n + 5) - _ties(blocks)) / 18
    variance *= _inflation(blocks - slope[:, None] * np.arange(blocks.shape[1]), n)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(variance > 0, (np.abs(score) - 1) / np.sqrt(variance), 0.0)
    return np.asarray(np.minimum(1.0, 2 * normal_tail(np.maximum(0.0, np.nan_to_num(z)))))


def _ties(blocks: Floats) -> Floats:
    """What equal values take from 18 times the variance: the sum of t (t - 1) (2 t + 5) over runs of t."""
    ordered = np.sort(blocks, axis=1)
    new = np.ones(ordered.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]  # a NaN equals nothing, so NaNs are runs of one
    sizes = np.bincount(np.cumsum(new.ravel()) - 1)
    rows = np.nonzero(new.ravel())[0] // ordered.shape[1]
    taken = sizes * (sizes - 1.0) * (2 * sizes + 5)
    return np.bincount(rows, weights=taken, minlength=blocks.shape[0]).astype(np.float64)


def _inflation(rest: Floats, n: Floats) -> Floats:
    """By how much autocorrelation widens the distribution of the Mann-Kendall score."""
    centred = rest - middle(rest)[:, None]
    limit = 4 * spread(rest)[:, None]
    centred = np.clip(centred, -limit, limit)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = mean(centred[:, 1:] * centred[:, :-1]) / mean(centred**2)
        rho = np.clip(np.nan_to_num((n * first + 2) / (n - 4)), 0.0, 0.98)
        lags = np.arange(1, rest.shape[1])
        left = np.maximum(0.0, n[:, None] - lags)
        weights = left * np.maximum(0.0, left - 1) * np.maximum(0.0, left - 2)
        inflation = 1 + 2 * np.sum(weights * rho[:, None] ** lags, axis=1) / (n * (n - 1) * (n - 2))
    return np.asarray(np.nan_to_num(inflation, nan=1.0, posinf=1.0))


def _increments(blocks: Floats) -> Floats:
    """Two-sided p-values of increments without drift: a t-test, its heavy tail approximated."""
    steps = np.diff(blocks, axis=1)
    limit = middle(steps)[:, None], 6 * spread(steps)[:, None]
    steps = np.where(limit[1] > 0, np.clip(steps, limit[0] - limit[1], limit[0] + limit[1]), steps)
    n = np.sum(~np.isnan(steps), axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        drift = mean(steps)
        deviation = np.sqrt(np.nansum((steps - drift[:, None]) ** 2, axis=1) / (n - 1))
        t = np.abs(drift) / (deviation / np.sqrt(n))
        # A normal value as improbable as this t (Wallace, 1959).
        df = n - 1
        z = np.sqrt(df * np.log1p(t**2 / df)) * (1 - 3 / (4 * df + 1)) ** 0.5
    steady = (deviation <= 1e-12 * np.abs(drift)) & (drift != 0)
    z = np.where(steady, 8.0, np.nan_to_num(z, posinf=8.0))
    return np.asarray(np.where(n >= 3, np.minimum(1.0, 2 * normal_tail(z)), 1.0))


def _explained(plain: Floats, rest: Floats) -> Floats:
    """1 - (scatter around the line / scatter at all) squared: robust, between 0 and 1."""
    whole, left = spread(plain), spread(rest)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.clip(np.nan_to_num(1 - (left / whole) ** 2), 0.0, 1.0))
