"""Learns from all sources together how much each sign is worth: a logistic regression with a ridge.

Its worth is measured out of time: learnt on the first seven tenths of history, a gap of the horizon left out,
judged on the rest by the Brier score against each source's own rate. Only what is better there is used,
calibrated there too; otherwise the source's own rate is the prediction, and said to be so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.prediction.features import FEATURES, base_chance, features, outcomes
from monitoring_pipeline.analysis.prediction.fleet import Fleet
from monitoring_pipeline.analysis.series import Floats

__all__ = ["Model", "Skill", "brier", "learn", "predict"]

_TRAIN_SHARE = 0.7
_RIDGE, _STEPS, _HALVINGS = 5.0, 25, 20
_LEAST_FAILURES, _LEAST_HOURS = 60, 14 * 24
_WARM_UP = 24
_BINS, _TOP = 10, 200
_MOST_CASES = 200_000


@dataclass(frozen=True, slots=True)
class Skill:
    """How good predictions were out of time: the Brier scores, and 1 - `model` / `base` (0 is no better).

    `calibration` has (predicted, came, cases) per tenth of the predictions.
    """

    cases: int
    failures: int
    model: float
    base: float
    calibration: tuple[tuple[float, float, int], ...] = ()

    @property
    def skill(self) -> float:
        return 1 - self.model / self.base if self.base > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """What was learnt for one horizon (hours). `used` tells that it is better than the sources' own rates.

    `weights` per feature of `FEATURES`, of standardised values: (x - center) / scale. No chance is said to be
    above `ceiling`: what the greatest predictions came to, out of time.
    """

    horizon: int
    used: bool
    skill: Skill | None
    intercept: float
    weights: Floats
    center: Floats
    scale: Floats
    ceiling: float = 1.0

    def signs(self, values: Floats) -> list[tuple[str, float]]:
        """What speaks for a failure, the strongest first: features, and by how much each raises the log-odds."""
        shares = self.weights * (values - self.center) / self.scale
        order = np.argsort(-shares)
        return [(FEATURES[place], float(shares[place])) for place in order if shares[place] > 0.1]


def learn(fleet: Fleet, horizon: int) -> Model:
    """The model of one horizon, learnt from all there is; with too little it is not `used`."""
    x, y, base = features(fleet, horizon), outcomes(fleet, horizon), base_chance(fleet, horizon)
    cut = int(fleet.hours * _TRAIN_SHARE)
    early, late = _cases(y, _WARM_UP, cut - horizon), _cases(y, cut, fleet.hours)
    empty = Model(horizon, False, None, 0.0, np.zeros(x.shape[2]), np.zeros(x.shape[2]), np.ones(x.shape[2]))
    # Failures themselves: an horizon of a day sees each of them two dozen times.
    before, after = float(fleet.onsets[:, :cut].sum()), float(fleet.onsets[:, cut:].sum())
    if before < _LEAST_FAILURES or after < _LEAST_FAILURES / 2 or fleet.hours < _LEAST_HOURS:
        return empty
    if not np.nansum(y[early]) or not np.nansum(y[late]):
        return empty
    first = _fit(x[early], y[early], horizon)
    shift = _calibrated(_linear(first, x[late]), y[late])
    made = _sigmoid(shift[0] + shift[1] * _linear(first, x[late]))
    # Calibrating on what it is judged by would flatter it: the score is of the uncalibrated predictions.
    skill = _skill(_sigmoid(_linear(first, x[late])), base[late], y[late], made)
    whole = _fit(x[_cases(y, _WARM_UP, fleet.hours)], y[_cases(y, _WARM_UP, fleet.hours)], horizon)
    used = skill.skill > 0
    intercept, weights = float(shift[0] + shift[1] * whole[0]), shift[1] * whole[1]
    return Model(horizon, used, skill, intercept, weights, whole[2], whole[3], _ceiling(made, y[late]))


def predict(model: Model, fleet: Fleet, columns: Sequence[int] = (-1,)) -> Floats:
    """(sources, columns): the chance to fail within the horizon after those hours; NaN where it has failed already."""
    places = list(columns)
    if model.used:
        fitted = (model.intercept, model.weights, model.center, model.scale)
        found = np.minimum(model.ceiling, _sigmoid(_linear(fitted, features(fleet, model.horizon)[:, places])))
    else:
        found = base_chance(fleet, model.horizon)[:, places]
    return np.where((fleet.critical > 0)[:, places], np.nan, found)


def brier(predicted: Floats, came: Floats) -> float:
    """The mean squared distance of predictions from what came."""
    return float(np.mean((predicted - came) ** 2))


_Fitted = tuple[float, Floats, Floats, Floats]


def _cases(y: Floats, begin: int, end: int) -> NDArray[np.bool_]:
    inside = np.zeros(y.shape[1], dtype=bool)
    inside[max(0, begin) : max(0, end)] = True
    return np.asarray(~np.isnan(y) & inside[None, :])


def _fit(x: Floats, y: Floats, horizon: int) -> _Fitted:
    """Newton's method. Overlapping horizons make cases alike, so each counts as that much less.

    Of very many cases only some of those that did not fail are looked at, each counting for those left out.
    """
    x, y, counts = _thinned(x, y)
    center, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    z = (x - center) / scale
    design = np.concatenate([np.ones((len(z), 1)), z], axis=1)
    share = float(np.clip(np.average(y, weights=counts), 1e-6, 1 - 1e-6))
    beta = np.zeros(design.shape[1])
    beta[0] = np.log(share / (1 - share))
    penalty = np.full(design.shape[1], _RIDGE * horizon)
    penalty[0] = 1e-6
    beta = _newton(design, y, counts, beta, penalty, np.zeros_like(beta))
    return float(beta[0]), beta[1:], center, scale


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    every = max(1, round((len(y) - float(y.sum())) / _MOST_CASES))
    kept = (y > 0) | (np.arange(len(y)) % every == 0)
    return x[kept], y[kept], np.where(y[kept] > 0, 1.0, float(every))


def _newton(design: Floats, y: Floats, counts: Floats, beta: Floats, penalty: Floats, prior: Floats) -> Floats:
    """The penalised maximum of the likelihood; a step that would overshoot is halved."""
    value = _objective(design, y, counts, beta, penalty, prior)
    for _ in range(_STEPS):
        p = _sigmoid(design @ beta)
        weight = counts * np.maximum(p * (1 - p), 1e-9)
        gradient = design.T @ (counts * (y - p)) - penalty * (beta - prior)
        step = np.linalg.solve((design * weight[:, None]).T @ design + np.diag(penalty), gradient)
        for _ in range(_HALVINGS):
            tried = _objective(design, y, counts, beta + step, penalty, prior)
            if tried >= value:
                break
            step = step / 2
        else:
            break
        beta, gained, value = beta + step, tried - value, tried
        if gained < 1e-6 * abs(value):
            break
    return beta


def _objective(design: Floats, y: Floats, counts: Floats, beta: Floats, penalty: Floats, prior: Floats) -> float:
    score = np.clip(design @ beta, -30, 30)
    return float(np.sum(counts * (y * score - np.log1p(np.exp(score)))) - 0.5 * np.sum(penalty * (beta - prior) ** 2))


def _linear(fitted: _Fitted, x: Floats) -> Floats:
    intercept, weights, center, scale = fitted
    return np.asarray(intercept + ((x - center) / scale) @ weights)


def _sigmoid(value: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def _calibrated(score: Floats, y: Floats) -> Floats:
    """Intercept and slope that make the log-odds right (Platt, 1999), drawn towards leaving them as they are."""
    design, as_is = np.stack([np.ones_like(score), score], axis=1), np.array([0.0, 1.0])
    return _newton(design, y, np.ones_like(y), as_is, np.full(2, 10.0), as_is)


def _ceiling(made: Floats, y: Floats) -> float:
    """What the greatest predictions came to, and a standard error more: few cases teach nobody to be sure."""
    top = np.argsort(made)[-_TOP:]
    rate = float(y[top].mean())
    return min(1.0, rate + float(np.sqrt(max(rate * (1 - rate), 1 / len(top)) / len(top))))


def _skill(made: Floats, base: Floats, y: Floats, calibrated: Floats) -> Skill:
    order = np.argsort(made)
    bins = [part for part in np.array_split(order, _BINS) if len(part)]
    table = tuple((float(made[part].mean()), float(y[part].mean()), len(part)) for part in bins)
    return Skill(len(y), int(y.sum()), brier(made, y), brier(base, y), table)
