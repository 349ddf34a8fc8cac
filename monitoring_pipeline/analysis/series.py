"""Many series on one regular grid of time: what trends, forecasts and capacity are computed of.

A grid holds one row per series and one column per step; a step without values is NaN, never zero. Steps are of UTC;
where in the week each lies is told by a calendar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.calendars import THURSDAY, Calendar
from monitoring_pipeline.clock import to_us

__all__ = ["Floats", "Grid", "Places", "SeriesKey", "false_discoveries", "mean", "middle", "normal_tail", "spread"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """One series: a metric of a source, by one check; `tags` is JSON text, `unit` as it was recorded."""

    source: str
    metric: str
    check: str = ""
    unit: str = ""
    tags: str = "{}"


@dataclass(frozen=True, slots=True)
class Grid:
    """`values` has the shape (series, steps); column i is the time from `start + i * step` to the next one.

    `step` divides a day, so that the seasons of the day and the week are whole numbers of steps.
    """

    keys: tuple[SeriesKey, ...]
    start: datetime
    step: timedelta
    values: Floats
    calendar: Calendar = field(default_factory=Calendar)

    def __post_init__(self) -> None:
        if timedelta(days=1) % self.step:
            raise ValueError(f"a step must divide a day, {self.step} does not")
        if self.values.shape[0] != len(self.keys):
            raise ValueError(f"{len(self.keys)} series, but {self.values.shape[0]} rows")

    @property
    def steps(self) -> int:
        return int(self.values.shape[1])

    @property
    def end(self) -> datetime:
        """The end of the last column."""
        return self.start + self.steps * self.step

    @property
    def step_hours(self) -> float:
        return self.step / timedelta(hours=1)

    @property
    def per_day(self) -> int:
        return timedelta(days=1) // self.step

    def wall(self, first: int = 0, count: int | None = None) -> Places:
        """The columns from `first` on, all or `count`, also beyond the last: in steps since 1970 on the wall."""
        step_us = self.step // timedelta(microseconds=1)
        numbers = np.arange(first, self.steps if count is None else first + count, dtype=np.int64)
        return np.asarray(self.calendar.local(to_us(self.start) + step_us * numbers) // step_us)

    def places(self, first: int = 0, count: int | None = None) -> Places:
        """The places of such columns in the week, in steps since Thursday began; a holiday's are those of a Sunday."""
        wall = self.wall(first, count)
        day = wall // self.per_day
        return np.asarray((self.calendar.weekdays(day) - THURSDAY) % 7 * self.per_day + wall % self.per_day)

    def times(self, beyond: int = 0) -> list[datetime]:
        """The beginnings of the columns, or of so many that follow the last one."""
        numbers = range(self.steps, self.steps + beyond) if beyond else range(self.steps)
        return [self.start + number * self.step for number in numbers]

    def pick(self, rows: Sequence[int]) -> Grid:
        """Only these rows."""
        return replace(self, keys=tuple(self.keys[row] for row in rows), values=self.values[list(rows)])

    def until(self, steps: int) -> Grid:
        """Only the first columns, or all but so many as `steps` is negative."""
        return replace(self, values=self.values[:, :steps])


def middle(values: Floats, axis: int = -1) -> Floats:
    """The median along an axis without the NaNs; NaN where there is nothing else.

    numpy's own nanmedian takes ten times as long on short axes.
    """
    ordered = np.sort(values, axis=axis)  # NaNs go last
    count = np.sum(~np.isnan(values), axis=axis, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(0, (count - 1) // 2), axis)
    high = np.take_along_axis(ordered, np.maximum(0, count // 2), axis)
    return np.squeeze((low + high) / 2, axis=axis)


def mean(values: Floats, axis: int | tuple[int, ...] = -1) -> Floats:
    """The mean without the NaNs; NaN, without a warning, where there is nothing else."""
    known = np.sum(~np.isnan(values), axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known > 0, np.nansum(values, axis=axis) / known, np.nan))


def spread(values: Floats, axis: int = -1) -> Floats:
    """A robust standard deviation: the median absolute deviation, as large as sigma for normal values."""
    center = np.expand_dims(middle(values, axis), axis)
    return np.asarray(_MAD_TO_SIGMA * middle(np.abs(values - center), axis), dtype=np.float64)


def normal_tail(z: Any) -> Floats:
    """The probability that a standard normal value is above z."""
    flat = np.atleast_1d(np.asarray(z, dtype=np.float64))
    tails = [0.5 * math.erfc(value / math.sqrt(2)) if value == value else math.nan for value in flat.ravel()]
    return np.asarray(tails).reshape(flat.shape)


def false_discoveries(p_values: Floats, tests: int | None = None) -> Floats:
    """Adjusted p-values: keeping those up to q makes at most a share q of what is kept false.

    Source: Benjamini and Hochberg, 1995. `tests` is how many were made when only the small ones are given.
    """
    p = np.asarray(p_values, dtype=np.float64)
    total = max(tests or 0, p.size)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * total / np.arange(1, p.size + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted
