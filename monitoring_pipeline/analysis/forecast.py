"""Forecasts with intervals, for many series at once.

Seven cheap forecasters (the last value, the same time yesterday and last week, fast and slow levels
on the season's profile, with and without a slope) are tried at sixteen moments of the past, each with
nothing but what was known then. The forecast is their mean weighted by the inverse square of the errors they made
at a like horizon, which hardly loses to the best of them and never follows a bad one far. The interval comes
from the errors that this mean made at those moments (split conformal prediction: Vovk and others,
2005), so it promises what was kept and not what a model assumes. Skewed positive series are forecast as
logarithms. `analysis.models` offers ETS as one more forecaster where a single series is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.seasons import find_season
from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey, mean, middle, spread

__all__ = ["Bounds", "Forecast", "bounds_of", "forecast"]

_ORIGINS, _REFITS, _ROWS = 16, 4, 500
_LEAST_DAYS, _LEAST_VALUES = 3, 48
_HALF_LIVES_H = (2.0, 12.0, 72.0)
_SLOPE_DAYS = (7, 28)
_DAMPED_PER_DAY = 0.97
_SKEWED = 1.8
_OUTLIER = 6.0
NAMES = ("last", "yesterday", "last week", "fast level", "level", "slow level", "slope of a week", "slope of a month")

Flags = NDArray[np.bool_]
Bounds = tuple[float, float]
"""What the values of a series cannot leave."""

Forecaster = Callable[[Floats, Grid, int], Floats]
"""One more forecaster: (values (1, steps), the grid's frame, horizon) -> (1, horizon)."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one series will be: column i of each array is `start + i * step` to the next step.

    `point` is the middle, and a share `level` of what comes lies between `low` and `high`. `mase` is the mean
    absolute error in the past relative to repeating yesterday (1 is as good as that; None without any).
    `weights` says what the forecast is made of. `learning` means too little history: the arrays are NaN.
    """

    key: SeriesKey
    start: datetime
    step: timedelta
    point: Floats
    low: Floats
    high: Floats
    level: float
    mase: float | None
    weights: dict[str, float]
    learning: bool = False

    def times(self) -> list[datetime]:
        """The beginnings of the steps."""
        return [self.start + number * self.step for number in range(self.point.size)]


def bounds_of(key: SeriesKey, values: Floats) -> Bounds:
    """What the unit and the past say: percent stay within 0 and 100, what never was negative stays so."""
    known = values[~np.isnan(values)]
    low = 0.0 if known.size and known.min() >= 0 else -np.inf
    percent = key.unit in ("%", "percent") and known.size and known.min() >= 0 and known.max() <= 100
    return (0.0, 100.0) if percent else (low, np.inf)


def forecast(
    grid: Grid, horizon: int, *, level: float = 0.9, extra: Mapping[str, Forecaster] | None = None
) -> list[Forecast]:
    """Forecasts `horizon` steps beyond the grid, for every series, in its order."""
    found: list[Forecast] = []
    for first in range(0, len(grid.keys), _ROWS):  # what is tried takes room: horizon x forecasters x moments each
        rows = range(first, min(first + _ROWS, len(grid.keys)))
        found += _forecast(grid.pick(rows), horizon, level, extra or {})
    return found


def _forecast(grid: Grid, horizon: int, level: float, extra: Mapping[str, Forecaster]) -> list[Forecast]:
    names = [*NAMES, *extra]
    empty = np.full((len(grid.keys), horizon), np.nan)
    if grid.steps < _LEAST_DAYS * grid.per_day:
        return list(_collected(grid, (empty, empty, empty), level, None, names))
    logs = _skewed(grid.values)
    worked = replace(grid, values=_logged(grid.values, logs))
    origins = _origins(grid.steps, horizon, grid.per_day)
    tried = list(_tried(worked, origins, horizon, extra))
    errors = np.stack([_missed(worked.values, made, origin) for origin, made in zip(origins, tried, strict=True)])
    buckets = _buckets(horizon)
    weights = _weights(errors, buckets)
    missed = np.einsum("oncb,ncb->onb", np.nan_to_num(errors), weights)
    missed[np.all(np.isnan(errors), axis=2)] = np.nan
    # The last one with all there is.
    (now,) = _tried(worked, [grid.steps], horizon, extra)
    point = np.einsum("ncb,ncb->nb", now, weights)
    half = np.maximum(_half_widths(missed, buckets, level), 1e-9 * np.abs(point))
    bands = [_bounded(_unlogged(values, logs), grid) for values in (point, point - half, point + half)]
    return list(_collected(grid, (bands[0], bands[1], bands[2]), level, weights, names, _mase(missed, errors)))


# -- trying the past ---------------------------------------------------------------------------------


def _origins(steps: int, horizon: int, per_day: int) -> list[int]:
    """Moments of the past at which it is tried, oldest first, at changing times of the day."""
    first = max(_LEAST_DAYS * per_day - per_day, steps // 3)
    last = steps - max(1, min(horizon, steps // 4) // 4)
    found = np.linspace(first, last, _ORIGINS + 1)[1:].round().astype(int)
    return sorted({int(value) for value in found})


def _tried(grid: Grid, origins: Sequence[int], horizon: int, extra: Mapping[str, Forecaster]) -> Iterator[Floats]:
    """(series, forecasters, horizon) per origin. The season is learnt anew only now and then."""
    every = max(1, len(origins) // _REFITS)
    for number, origin in enumerate(origins):
        past = grid.until(origin)
        if number % every == 0:
            season = find_season(past)
        ahead = season.over(grid.places(origin, horizon))
        plain = past.values - season.over(past.places())
        made = _forecasters(past, plain, ahead, horizon)
        others = [forecaster(past.values, past, horizon) for forecaster in extra.values()]
        yield np.stack([*made, *others], axis=1)


def _forecasters(past: Grid, plain: Floats, ahead: Floats, horizon: int) -> list[Floats]:
    """What each of the seven, in the order of `NAMES`, makes of the past."""
    steps, per_day = np.arange(1, horizon + 1), past.per_day
    clean = _without_outliers(plain)
    fast, level, slow = (_level(clean, half_life / past.step_hours) for half_life in _HALF_LIVES_H)
    week, month = (_slope(clean, days * per_day) for days in _SLOPE_DAYS)
    damp = _DAMPED_PER_DAY ** (1 / per_day)
    damped = damp * (1 - damp**steps) / (1 - damp)
    found = [
        np.repeat(_last(past.values)[:, None], horizon, 1),
        _repeated(past.values, per_day, horizon),
        _repeated(past.values, 7 * per_day, horizon),
        fast[:, None] + ahead,
        level[:, None] + ahead,
        slow[:, None] + ahead,
        fast[:, None] + week[:, None] * damped + ahead,
        fast[:, None] + month[:, None] * steps + ahead,
    ]
    # Where a forecaster knows nothing the level speaks for it.
    known = np.nan_to_num(np.where(np.isnan(found[4]), found[0], found[4]))
    return [np.where(np.isnan(each), known, each) for each in found]


def _last(values: Floats) -> Floats:
    place = values.shape[1] - 1 - np.argmax(~np.isnan(values[:, ::-1]), axis=1)
    return np.asarray(values[np.arange(values.shape[0]), place])


def _repeated(values: Floats, period: int, horizon: int) -> Floats:
    if values.shape[1] < period:
        return np.full((values.shape[0], horizon), np.nan)
    columns = np.arange(horizon) % period
    return np.asarray(values[:, values.shape[1] - period :][:, columns])


def _without_outliers(plain: Floats) -> Floats:
    center, limit = middle(plain)[:, None], _OUTLIER * spread(plain)[:, None]
    wide = np.where(limit > 0, limit, np.inf)
    return np.asarray(np.clip(plain, center - wide, center + wide))


def _level(plain: Floats, half_life: float) -> Floats:
    """The mean of the past, what is older counting less."""
    reach = min(plain.shape[1], int(8 * half_life) + 1)
    recent = plain[:, plain.shape[1] - reach :]
    weights = np.where(np.isnan(recent), 0.0, 0.5 ** (np.arange(reach)[::-1] / half_life))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.nan_to_num(recent) * weights).sum(axis=1) / weights.sum(axis=1))


def _slope(plain: Floats, reach: int) -> Floats:
    """Per step: Theil-Sen over two dozen blocks of the last `reach` steps."""
    recent = plain[:, -min(reach, plain.shape[1]) :]
    width = max(1, recent.shape[1] // 24)
    cut = recent[:, recent.shape[1] % width :]
    blocks = middle(cut.reshape(cut.shape[0], -1, width))
    early, late = np.triu_indices(blocks.shape[1], 1)
    return np.nan_to_num(middle((blocks[:, late] - blocks[:, early]) / ((late - early) * width)))


# -- learning of errors ------------------------------------------------------------------------------


def _missed(values: Floats, made: Floats, origin: int) -> Floats:
    """What each forecaster was off by, NaN where nothing came: (series, forecasters, horizon)."""
    horizon = made.shape[2]
    came = values[:, origin : origin + horizon]
    came = np.pad(came, ((0, 0), (0, horizon - came.shape[1])), constant_values=np.nan)
    return np.asarray(made - came[:, None, :])


def _buckets(horizon: int) -> list[slice]:
    """Like horizons: 1, 2, 3 to 4, 5 to 8, 9 to 16 steps and so on."""
    edges = [0, 1]
    while edges[-1] < horizon:
        edges.append(min(horizon, 2 * edges[-1]))
    return [slice(first, last) for first, last in pairwise(edges)]


def _weights(errors: Floats, buckets: Sequence[slice]) -> Floats:
    """(series, forecasters, horizon), adding up to 1 over the forecasters."""
    _, series, forecasters, horizon = errors.shape
    weights = np.full((series, forecasters, horizon), 1 / forecasters)
    squares = np.full((series, forecasters), np.nan)
    for bucket in buckets:
        size = np.abs(errors[:, :, :, bucket])
        found = mean(size, (0, 3))
        squares = np.where(np.isnan(found), squares, found**2)
        floor = 1e-8 * np.nanmax(np.where(np.isnan(squares), 0.0, squares), axis=1, keepdims=True) + 1e-18
        inverse = 1 / (squares + floor) ** 1.5
        with np.errstate(invalid="ignore"):
            share = inverse / inverse.sum(axis=1, keepdims=True)
        weights[:, :, bucket] = np.where(np.isnan(share), 1 / forecasters, share)[:, :, None]
    return weights


def _half_widths(missed: Floats, buckets: Sequence[slice], level: float) -> Floats:
    """(series, horizon): what a share `level` of the errors at a like horizon did not exceed."""
    _, series, horizon = missed.shape
    centers, widths = [], []
    for bucket in buckets:
        window = missed[:, :, max(0, bucket.start // 2) : min(horizon, bucket.stop * 2)]
        known = np.moveaxis(np.abs(window), 1, 0).reshape(series, -1)
        tried = np.sum(np.any(~np.isnan(window), axis=2), axis=0)
        # Few moments were tried: the conformal quantile lies a little further out.
        share = np.minimum(1.0, level * (tried + 0.5) / np.maximum(1, tried))
        widths.append(_quantile(known, share))
        centers.append((bucket.start + bucket.stop + 1) / 2)
    known = np.stack(widths, axis=1)
    for number in range(1, known.shape[1]):  # further ahead is never surer; and where nothing came, wider
        wider = known[:, number - 1] * np.sqrt(centers[number] / centers[number - 1])
        known[:, number] = np.fmax(np.where(np.isnan(known[:, number]), wider, known[:, number]), known[:, number - 1])
    steps = np.log(np.arange(1, horizon + 1))
    return np.stack([np.interp(steps, np.log(centers), row) for row in known])


def _quantile(values: Floats, share: Floats) -> Floats:
    ordered = np.sort(values, axis=1)
    count = np.sum(~np.isnan(values), axis=1)
    place = np.clip(np.ceil(share * count).astype(int) - 1, 0, values.shape[1] - 1)
    return np.asarray(ordered[np.arange(values.shape[0]), place])


def _mase(missed: Floats, errors: Floats) -> Floats:
    """Mean absolute error relative to the forecaster that repeats yesterday."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(mean(np.abs(missed), (0, 2)) / mean(np.abs(errors[:, :, 1]), (0, 2)))


# -- scales ------------------------------------------------------------------------------------------


def _skewed(values: Floats) -> Flags:
    """Which series are positive with a long tail upward: (series, 1)."""
    low, center, high = (_quantile(values, np.full(values.shape[0], share)) for share in (0.05, 0.5, 0.95))
    with np.errstate(invalid="ignore"):
        positive = np.nanmin(np.where(np.isnan(values), np.inf, values), axis=1) > 0
        return np.asarray((positive & (high - center > _SKEWED * (center - low)))[:, None])


def _logged(values: Floats, logs: Flags) -> Floats:
    return np.where(logs, np.log(np.where(logs & ~(values <= 0), values, 1.0)), values)


def _unlogged(values: Floats, logs: Flags) -> Floats:
    return np.where(logs, np.exp(np.where(logs, np.minimum(values, 700.0), 0.0)), values)


def _bounded(values: Floats, grid: Grid) -> Floats:
    bounds = np.array([bounds_of(key, row) for key, row in zip(grid.keys, grid.values, strict=True)])
    return np.asarray(np.clip(values, bounds[:, :1], bounds[:, 1:]))


def _collected(
    grid: Grid,
    bands: tuple[Floats, Floats, Floats],
    level: float,
    weights: Floats | None,
    names: Sequence[str],
    mase: Floats | None = None,
) -> Iterator[Forecast]:
    enough = np.sum(~np.isnan(grid.values), axis=1) >= _LEAST_VALUES
    for row, key in enumerate(grid.keys):
        learning = weights is None or not enough[row]
        point, low, high = (np.full_like(band[row], np.nan) if learning else band[row] for band in bands)
        made, error = {}, None
        if weights is not None and mase is not None and not learning:
            shares = weights[row].mean(axis=1)
            made = {name: round(float(share), 3) for name, share in zip(names, shares, strict=True) if share >= 0.05}
            error = float(mase[row]) if np.isfinite(mase[row]) else None
        yield Forecast(key, grid.end, grid.step, point, low, high, level, error, made, learning)
