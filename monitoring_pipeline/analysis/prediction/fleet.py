"""What was known of every source at the end of every hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.seasons import find_season
from monitoring_pipeline.analysis.series import Floats, Grid, mean, middle, spread
from monitoring_pipeline.clock import to_us

__all__ = ["HOUR", "Change", "Fleet", "Strangeness", "build_fleet", "strangeness"]

HOUR = timedelta(hours=1)
Change = tuple[str, int, str]
"""A source, the moment in microseconds, and the status it went to then."""

_REFIT_DAYS, _FIRST_DAYS = 7, 5
_WINDOW_H = 3


@dataclass(frozen=True, slots=True)
class Fleet:
    """Arrays of the shape (sources, hours). `onsets` counts how often a source became critical within the hour;
    `critical`, `warning` and `unknown` are its status at the hour's end (0 or 1). `strange` is how far the
    strangest of its metrics was from normal lately, in sigmas, `metric` which row of the grid that is (-1: none).
    `upstream` are the rows that each source depends on, directly or by a pattern.
    """

    sources: tuple[str, ...]
    start: datetime
    onsets: Floats
    critical: Floats
    warning: Floats
    unknown: Floats
    strange: Floats
    metric: NDArray[np.intp]
    upstream: tuple[tuple[int, ...], ...]

    @property
    def hours(self) -> int:
        return int(self.onsets.shape[1])

    @property
    def end(self) -> datetime:
        return self.start + self.hours * HOUR


@dataclass(frozen=True, slots=True)
class Strangeness:
    """Per row of a grid and per hour, in sigmas (signed), with nothing used that came later."""

    grid: Grid
    z: Floats


def strangeness(grid: Grid) -> Strangeness:
    """Means over three hours of the deviations from normal, where normal is learnt from the weeks before only."""
    z = np.full(grid.values.shape, np.nan)
    day, refit = grid.per_day, _REFIT_DAYS * grid.per_day
    begins = [_FIRST_DAYS * day, *range(refit, grid.steps, refit)]
    for begin, end in zip(begins, [*begins[1:], grid.steps], strict=True):
        past = grid.until(begin)
        season = find_season(past)
        plain = past.values - season.over(past.places())
        center = middle(plain)[:, None]
        scale = np.maximum(spread(plain)[:, None], 0.02 * np.abs(center) + 1e-9)
        ahead = season.over(grid.places(begin, end - begin))
        z[:, begin:end] = np.clip((grid.values[:, begin:end] - ahead - center) / scale, -20, 20)
    width = max(1, round(_WINDOW_H / grid.step_hours))
    shifted = [np.pad(z, ((0, 0), (lag, 0)), constant_values=np.nan)[:, : grid.steps] for lag in range(width)]
    return Strangeness(grid, mean(np.stack(shifted), 0))


def build_fleet(
    sources: Sequence[str],
    start: datetime,
    hours: int,
    changes: Sequence[Change],
    strange: Strangeness | None = None,
    upstream: Mapping[str, Sequence[str]] | None = None,
) -> Fleet:
    """The fleet over `hours` from `start` on.

    `changes` are in the order of time; those before the start tell how it began. The strangeness must be of an
    hourly grid of the same stretch.
    """
    rows = {source: row for row, source in enumerate(sources)}
    shape = (len(sources), hours)
    onsets, state = np.zeros(shape), np.full((len(sources), hours), -1, dtype=np.int8)
    first, hour = to_us(start), HOUR // timedelta(microseconds=1)
    codes = {"critical": 1, "warning": 2, "healthy": 0}
    for source, moment, after in changes:
        row, column = rows.get(source), (moment - first) // hour
        if row is None or column >= hours:
            continue
        state[row, max(0, column) :] = codes.get(after, -1)
        if column >= 0 and after == "critical":
            onsets[row, column] += 1
    z, metric = _worst(rows, hours, strange)
    above = {source: tuple(rows[each] for each in found if each in rows) for source, found in (upstream or {}).items()}
    return Fleet(
        tuple(sources), start, onsets, (state == 1).astype(np.float64), (state == 2).astype(np.float64),
        (state == -1).astype(np.float64), z, metric, tuple(above.get(source, ()) for source in sources),
    )  # fmt: skip


def _worst(rows: Mapping[str, int], hours: int, strange: Strangeness | None) -> tuple[Floats, NDArray[np.intp]]:
    """Of each source and hour the metric farthest from normal."""
    z, metric = np.zeros((len(rows), hours)), np.full((len(rows), hours), -1, dtype=np.intp)
    if strange is None:
        return z, metric
    for number, key in enumerate(strange.grid.keys):
        row = rows.get(key.source)
        if row is None:
            continue
        own = np.nan_to_num(strange.z[number])
        farther = np.abs(own) > np.abs(z[row])
        z[row, farther] = own[farther]
        metric[row, farther] = number
    return z, metric
