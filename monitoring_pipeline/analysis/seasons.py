"""What repeats: the profile of the day and, with three weeks of history, of the week.

By the clock on the wall, where a holiday is like a Sunday. Robust and for all series at once; where a profile does not
explain clearly more than it costs in degrees of freedom it is flat, so that noise is not taken for a season.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitoring_pipeline.analysis.series import Floats, Grid, Places, middle

__all__ = ["Season", "find_season"]

_DAYS, _WEEKS = 3, 3
_WORTH = 0.10


@dataclass(frozen=True, slots=True)
class Season:
    """Per series what a week adds to its level: `profile` (series, steps of a week) and how strong it is, 0-1."""

    profile: Floats
    strength: Floats

    def over(self, places: Places) -> Floats:
        """What it adds in columns that lie at these places in the week (`Grid.places`)."""
        return np.asarray(self.profile[:, places])


def find_season(grid: Grid) -> Season:
    """The season of every series, as a difference from its level."""
    per_day, week = grid.per_day, 7 * grid.per_day
    profile, strength = np.zeros((len(grid.keys), week)), np.zeros(len(grid.keys))
    if not grid.keys or not grid.steps:
        return Season(profile, strength)
    wall = grid.wall()
    by_day = _folded(grid.values, wall, per_day)
    if by_day.shape[1] < _DAYS:
        return Season(profile, strength)
    deviation = by_day - _line(middle(by_day), per_day)
    daily = _centred(middle(deviation, 1))
    gain = _gain(deviation, daily[:, None, :], per_day)
    worth = gain >= _worth(deviation, per_day)
    daily[~worth] = 0.0
    profile += np.tile(daily, (1, 7))
    strength = np.where(worth, gain, 0.0)
    # A holiday says nothing of its weekday.
    of_its_day = grid.places() == wall % week
    by_week = _folded(np.where(of_its_day, grid.values, np.nan), wall, week)
    if by_week.shape[1] > _WEEKS or (by_week.shape[1] == _WEEKS and grid.steps >= _WEEKS * week):
        _add_week(profile, strength, by_week)
    return Season(profile, strength)


def _add_week(profile: Floats, strength: Floats, by_week: Floats) -> None:
    """Adds what weekdays differ by, where that explains more."""
    weeks, week = by_week.shape[1], by_week.shape[2]
    deviation = by_week - _line(middle(by_week), week)
    left = deviation - profile[:, None, :]
    # The few weeks there are make a noisy median: it is drawn towards none.
    extra = _centred(middle(left, 1)) * weeks / (weeks + 1)
    gain = _gain(left, extra[:, None, :], week)
    worth = gain >= _worth(left, week)
    profile[worth] += extra[worth]
    strength[worth] = np.maximum(strength[worth], 1 - (1 - strength[worth]) * (1 - gain[worth]))


def _folded(values: Floats, wall: Places, period: int) -> Floats:
    """(series, steps) as (series, periods, steps of a period) on the wall; what the ends lack, or no clock showed, is
    NaN. Of an hour that comes twice the second counts."""
    first = int(wall.min()) // period
    folded = np.full((values.shape[0], (int(wall.max()) // period - first + 1) * period), np.nan)
    folded[:, wall - first * period] = values
    return folded.reshape(values.shape[0], -1, period)


def _line(levels: Floats, period: int) -> Floats:
    """(series, periods, steps): straight lines between the periods' levels, which hold in their middles.

    A level for each whole period would make a sawtooth of every trend, and that a season.
    """
    periods = levels.shape[1]
    place = (np.arange(periods * period) + 0.5) / period - 0.5
    left = np.clip(np.floor(place).astype(int), 0, max(0, periods - 2))
    known = _carried(levels)
    right = np.minimum(left + 1, periods - 1)
    lines = known[:, left] + (known[:, right] - known[:, left]) * (place - left)
    return np.asarray(lines.reshape(levels.shape[0], periods, period))


def _carried(levels: Floats) -> Floats:
    """Missing levels replaced by the one before, those at the beginning by the first."""
    number = np.where(np.isnan(levels), 0, np.arange(levels.shape[1]))
    first = np.argmax(~np.isnan(levels), axis=1)
    last = np.maximum(np.maximum.accumulate(number, axis=1), first[:, None])
    return np.asarray(np.take_along_axis(levels, last, 1))


def _centred(profile: Floats) -> Floats:
    known = np.nan_to_num(profile)
    return np.asarray(known - known.mean(axis=1, keepdims=True))


def _gain(deviation: Floats, fitted: Floats, parameters: int) -> Floats:
    """How much of the deviations the profile explains: a robust R squared, adjusted for its parameters.

    Absolute deviations beyond the 95th percentile do not count: an outage is not a season.
    """
    flat = np.abs(deviation).reshape(deviation.shape[0], -1)
    count = np.sum(~np.isnan(flat), axis=1)
    left = np.abs(deviation - fitted).reshape(deviation.shape[0], -1)
    total, rest = _trimmed_square(flat), _trimmed_square(left)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = 1 - rest * np.maximum(1, count - 1) / (total * np.maximum(1, count - parameters))
    return np.where((total > 0) & (count > 2 * parameters), np.nan_to_num(gain, neginf=0.0), 0.0)


def _worth(deviation: Floats, parameters: int) -> Floats:
    """What a profile must explain: a tenth, and more than so few values let noise seem to explain."""
    count = np.sum(~np.isnan(deviation), axis=(1, 2))
    return np.asarray(_WORTH + 2 * np.sqrt(2 * parameters) / np.maximum(1, count))


def _trimmed_square(absolute: Floats) -> Floats:
    ordered = np.sort(absolute, axis=1)
    count = np.sum(~np.isnan(absolute), axis=1)
    kept = np.arange(absolute.shape[1])[None, :] < np.maximum(1, np.floor(0.95 * count))[:, None]
    squares = np.where(kept, np.nan_to_num(ordered) ** 2, 0.0)
    return np.asarray(squares.sum(axis=1))
