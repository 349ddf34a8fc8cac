"""One series taken apart: trend, the seasons of the day and the week, and what is left (statsmodels).

For looking at a single series: a second of CPU and an import of three, so nothing that runs for all series
comes here. STL (Cleveland and others, 1990), MSTL with two seasons (Bandara and others, 2021); the
strengths are those of Wang, Smith and Hyndman (2006): 1 - Var(rest) / Var(rest + part).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey
from monitoring_pipeline.errors import MonitoringError

__all__ = ["Decomposition", "decompose", "ets_forecaster"]

_LEAST_DAYS, _LEAST_SHARE = 3, 0.5
_WEEKS = 3


@dataclass(frozen=True, slots=True)
class Decomposition:
    """`observed` = `trend` + all of `seasons` + `rest`, per step from `start` on; holes were filled by lines.

    `seasons` by name (`day`, `week`); the strengths are between 0 and 1.
    """

    key: SeriesKey
    start: datetime
    step: timedelta
    observed: Floats
    trend: Floats
    seasons: dict[str, Floats]
    rest: Floats
    trend_strength: float
    season_strength: dict[str, float]

    def times(self) -> list[datetime]:
        """The beginnings of the steps."""
        return [self.start + number * self.step for number in range(self.observed.size)]


def decompose(grid: Grid, row: int = 0) -> Decomposition | None:
    """Takes one series apart; None with less than three days, or less than half of the values.

    Raises MonitoringError where statsmodels is not installed.
    """
    values = grid.values[row]
    filled = _filled(values)
    if grid.steps < _LEAST_DAYS * grid.per_day or filled is None:
        return None
    seasons = _fit(filled, grid.per_day, robust=True)
    trend = seasons.pop("trend")
    rest = filled - trend - sum(seasons.values())
    return Decomposition(
        grid.keys[row], grid.start, grid.step, filled, trend, seasons, rest, _strength(trend, rest),
        {name: _strength(season, rest) for name, season in seasons.items()},
    )  # fmt: skip


def ets_forecaster(values: Floats, past: Grid, horizon: int) -> Floats:
    """A further `forecast.Forecaster`: the seasons of STL go on, ETS(A, Ad, N) forecasts what is left of them.

    Shape (1, steps) in, (1, horizon) out; all NaN where there is too little, so that the others speak for it.
    """
    filled = _filled(values[0])
    if filled is None or len(filled) < _LEAST_DAYS * past.per_day:
        return np.full((1, horizon), np.nan)
    parts = _fit(filled, past.per_day, robust=False)
    trend = parts.pop("trend")
    ahead = np.zeros(horizon)
    for name, season in parts.items():
        period = past.per_day * (7 if name == "week" else 1)
        ahead += season[len(season) - period :][np.arange(horizon) % period]
    adjusted = filled - sum(parts.values()) if parts else trend
    return (_smoothed(adjusted, horizon) + ahead)[None, :]


def _smoothed(adjusted: Floats, horizon: int) -> Floats:
    import warnings

    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    if np.ptp(adjusted) < 1e-9 * (1 + np.abs(adjusted).max()):
        return np.full(horizon, adjusted[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that did not converge is judged by its errors in the past
        model: Any = ETSModel(adjusted, error="add", trend="add", damped_trend=True)
        return np.asarray(model.fit(disp=False, maxiter=50).forecast(horizon), dtype=np.float64)


def _fit(filled: Floats, per_day: int, *, robust: bool) -> dict[str, Floats]:
    """The parts by name: `trend`, and the seasons that there is history for."""
    try:
        from statsmodels.tsa.seasonal import MSTL, STL
    except ImportError as error:
        raise MonitoringError(
            "taking a series apart needs statsmodels: pip install 'monitoring-pipeline[analysis]'"
        ) from error
    if len(filled) >= _WEEKS * 7 * per_day:
        found: Any = MSTL(filled, periods=(per_day, 7 * per_day), stl_kwargs={"robust": robust}).fit()
        return {"trend": found.trend, "day": found.seasonal[:, 0], "week": found.seasonal[:, 1]}
    found = STL(filled, period=per_day, robust=robust).fit()
    return {"trend": found.trend, "day": found.seasonal}


def _filled(values: Floats) -> Floats | None:
    """Without holes, from the first value to the last step; None where more than half are missing."""
    known = np.nonzero(~np.isnan(values))[0]
    if known.size < max(2.0, _LEAST_SHARE * values.size):
        return None
    return np.asarray(np.interp(np.arange(values.size), known, values[known]))


def _strength(part: Floats, rest: Floats) -> float:
    whole = float(np.var(part + rest))
    return max(0.0, 1 - float(np.var(rest)) / whole) if whole > 0 else 0.0
