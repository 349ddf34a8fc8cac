"""What may announce a failure: a handful of numbers per source and hour that a person understands."""

from __future__ import annotations

import numpy as np

from monitoring_pipeline.analysis.prediction.fleet import Fleet
from monitoring_pipeline.analysis.series import Floats

__all__ = ["FEATURES", "base_chance", "features", "outcomes"]

FEATURES = (
    "own rate", "failed lately", "failed within a day", "failed within a week", "this time of day", "time of week",
    "fails in bursts", "warning", "warning for long", "strange", "very strange", "stranger than before",
    "upstream is critical",
    "upstream failed lately", "others fail",
)  # fmt: skip
_PRIOR_HOURS = 240.0
_HALF_LIVES_H = (3.0, 24.0, 168.0)
_TIME_PRIOR = 0.5
_BURST_HOURS = 12


def features(fleet: Fleet, horizon: int) -> Floats:
    """(sources, hours, features), each column knowing the past up to its own hour's end only."""
    since = [_faded(fleet.onsets, half_life) for half_life in _HALF_LIVES_H]
    warned = _faded(fleet.warning, 6.0) / 9.2
    strange = np.abs(fleet.strange)
    before = _lagged(strange, 6)
    up_critical, up_failed = _upstream(fleet, fleet.critical), _upstream(fleet, since[0])
    others = np.log1p(since[0].sum(axis=0, keepdims=True) - since[0]) * np.ones_like(strange)
    own = _logit(base_chance(fleet, horizon))
    clock, week = _clock(fleet.onsets, horizon, 24, 0), _clock(fleet.onsets, horizon, 168, 1)
    found = (
        own, np.minimum(since[0], 3), np.log1p(since[1]), np.log1p(since[2]), clock, week,
        _burstiness(fleet.onsets) * np.log1p(since[1]), fleet.warning, warned, np.clip(strange - 1.5, 0, 4),
        np.clip(strange - 5, 0, 5), np.clip(strange - before, -4, 4), up_critical, np.minimum(up_failed, 3), others,
    )  # fmt: skip
    return np.stack(found, axis=2)


def outcomes(fleet: Fleet, horizon: int) -> Floats:
    """(sources, hours): 1 where it became critical within the next `horizon` hours, else 0; NaN where that is
    not known yet, and where it was critical or unknown already."""
    total = np.cumsum(np.pad(fleet.onsets, ((0, 0), (1, horizon))), axis=1)
    after = total[:, 1 + horizon :] - total[:, 1:-horizon]
    found = (after > 0).astype(np.float64)
    found[(fleet.critical > 0) | (fleet.unknown > 0)] = np.nan
    found[:, fleet.hours - horizon :] = np.nan
    return found


def base_chance(fleet: Fleet, horizon: int) -> Floats:
    """(sources, hours): the chance by a source's own rate of the past, drawn to everybody's while it is short.

    What a prediction must be better than.
    """
    well = 1 - np.maximum(fleet.critical, fleet.unknown)
    count, lived = np.cumsum(fleet.onsets, axis=1), np.cumsum(well, axis=1)
    everybody = (count.sum(axis=0) + 0.5) / (lived.sum(axis=0) + 500.0)
    rate = (count + _PRIOR_HOURS * everybody) / (lived + _PRIOR_HOURS)
    return np.asarray(1 - np.exp(-np.minimum(rate, 5.0) * horizon))


def _logit(p: Floats) -> Floats:
    bounded = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _faded(values: Floats, half_life: float) -> Floats:
    """The sum of the past, what is older counting less."""
    keep = 0.5 ** (1 / half_life)
    found, level = np.empty_like(values), np.zeros(values.shape[0])
    for column in range(values.shape[1]):
        level = level * keep + values[:, column]
        found[:, column] = level
    return found


def _burstiness(onsets: Floats) -> Floats:
    """The share of a source's failures so far that came within half a day after another: failing lately says
    something of those that fail in bursts, and nothing of those that fail by the clock."""
    again = np.minimum(onsets, 1) * np.minimum(1, _window_sum(onsets, _BURST_HOURS)) + np.maximum(0, onsets - 1)
    return np.asarray((np.cumsum(again, axis=1) + 0.5) / (np.cumsum(onsets, axis=1) + 2.0))


def _window_sum(values: Floats, hours: int) -> Floats:
    """The sum of so many hours before each."""
    total = np.cumsum(np.pad(values, ((0, 0), (hours + 1, 0))), axis=1)
    return np.asarray(total[:, hours:-1] - total[:, : -hours - 1])


def _lagged(values: Floats, hours: int) -> Floats:
    return np.pad(values, ((0, 0), (hours, 0)))[:, : values.shape[1]]


def _upstream(fleet: Fleet, values: Floats) -> Floats:
    found = np.zeros_like(values)
    for row, above in enumerate(fleet.upstream):
        if above:
            found[row] = values[list(above)].max(axis=0)
    return found


def _clock(onsets: Floats, horizon: int, period: int, around: int) -> Floats:
    """How much more often than usual it failed at the coming hours of the day (or week) before: a log ratio.

    One failure per hour counts, and the window is so many hours wider on both sides. A horizon of a whole
    period has no time of its own: 0 everywhere.
    """
    found = np.zeros_like(onsets)
    if horizon >= period:
        return found
    counts, total = np.zeros((onsets.shape[0], period)), np.zeros(onsets.shape[0])
    share = min(1.0, (horizon + 2 * around) / period)
    for column in range(onsets.shape[1]):
        hit = np.minimum(onsets[:, column], 1)
        counts[:, column % period] += hit
        total += hit
        coming = sorted({(column + ahead) % period for ahead in range(1 - around, horizon + 1 + around)})
        found[:, column] = np.log((counts[:, coming].sum(axis=1) + _TIME_PRIOR) / (total * share + _TIME_PRIOR))
    return np.asarray(np.clip(found, -2, 3))
