"""What drifts before a source fails: degradation that announces a failure.

For each metric of a source: its mean deviation (season and level taken out, as ranks) in the three hours
before its failures, compared with the same at every other moment to which all failures together can be moved
(a circular shift). That keeps how the failures lie among each other and how the metric's neighbouring
values correlate, which is what makes customary tests find announcements in noise. Failures that follow another within
six hours do not count: what is strange before them is the failure before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.patterns.pattern import Failures, Moments, Pattern, PatternKind, apart, latest
from monitoring_pipeline.analysis.seasons import find_season
from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey, mean, middle, normal_tail, spread
from monitoring_pipeline.clock import from_us, to_us

__all__ = ["deviations", "find_precursors"]

_BEFORE, _QUIET_AFTER, _QUIET_BEFORE = timedelta(hours=3), timedelta(hours=24), timedelta(hours=6)
_LEAST, _LEAST_SIGMAS, _LEAST_QUIET = 5, 1.0, 20
_HIGH, _LEAST_SUPPORT, _LEAST_SHARE = 2.0, 3, 0.3
Places = NDArray[np.intp]


def deviations(grid: Grid) -> Floats:
    """How far each value is from its season and from the level of its whole past, in robust sigmas, clipped at 10.

    A series that hardly ever moves has a scale of a hundredth of its level, so that it may not shout.
    """
    plain = grid.values - find_season(grid).over(grid.places())
    center = middle(plain)[:, None]
    scale = np.maximum(spread(plain)[:, None], 0.01 * np.abs(center) + 1e-9)
    return np.asarray(np.clip((plain - center) / scale, -10, 10))


def find_precursors(failures: Failures, grid: Grid) -> tuple[list[Pattern], int]:
    """Metrics that deviate before their source's failures, and how many were looked at."""
    often = {source: apart(moments, _QUIET_BEFORE) for source, moments in failures.onsets.items()}
    often = {source: moments for source, moments in often.items() if len(moments) >= _LEAST}
    rows = [row for row, key in enumerate(grid.keys) if key.source in often]
    if not rows:
        return [], 0
    chosen = grid.pick(rows)
    windows = _means(deviations(chosen), _BEFORE // grid.step)
    found = []
    for row, key in enumerate(chosen.keys):
        moments = failures.onsets[key.source]
        found += list(_compare(key, windows[row], often[key.source], moments, chosen))
    return found, len(rows)


def _means(z: Floats, width: int) -> Floats:
    """Column i: the mean of the `width` columns before i, where at least half of them are known."""
    known = ~np.isnan(z)
    total = np.cumsum(np.pad(np.nan_to_num(z), ((0, 0), (1, 0))), axis=1)
    count = np.cumsum(np.pad(known, ((0, 0), (1, 0))), axis=1)
    means = np.full((z.shape[0], z.shape[1] + 1), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (total[:, width:] - total[:, :-width]) / (count[:, width:] - count[:, :-width])
    means[:, width:] = np.where(count[:, width:] - count[:, :-width] >= width / 2, found, np.nan)
    return means


def _compare(key: SeriesKey, means: Floats, calm: Moments, onsets: Moments, grid: Grid) -> Iterator[Pattern]:
    places = _places(calm, grid)
    before = _known(means, places)
    quiet = _known(means, _quiet(onsets, grid))
    if len(before) < _LEAST or len(quiet) < _LEAST_QUIET:
        return
    z = means[before]
    center = float(np.median(z) - np.median(means[quiet]))
    sign = math.copysign(1.0, center)
    support = int(np.sum(sign * z >= _HIGH))
    if abs(center) < _LEAST_SIGMAS or support < max(_LEAST_SUPPORT, _LEAST_SHARE * len(z)):
        return
    expected = float(np.mean(sign * means[quiet] >= _HIGH)) * len(z)
    way = "above" if center > 0 else "below"
    text = (
        f"{key.metric} is {way} its normal in the {_BEFORE // timedelta(hours=1)} hours before {support} of {len(z)} "
        f"failures, by {abs(center):.1f} sigma in the middle; chance would make {expected:.1f}"
    )
    shown = calm[np.isin(places, before)]
    detail = {"sigmas": center, "check": key.check, "tags": key.tags, "unit": key.unit}
    yield Pattern(
        PatternKind.PRECURSOR, key.source, text, _chance(means, before), support, len(z), max(expected, 1e-3),
        key.metric, first=from_us(int(shown[0])), last=from_us(int(shown[-1])), examples=latest(shown), detail=detail,
    )  # fmt: skip


def _chance(means: Floats, before: Places) -> float:
    """Two-sided p-value of the mean rank before the failures, from all shifts of the failures against the metric.

    The mean of some ranks is nearly normal, so that its distance in standard deviations tells more than the
    few hundred shifts could count.
    """
    known = ~np.isnan(means)
    ranks = np.full(len(means), np.nan)
    _, place, counts = np.unique(means[known], return_inverse=True, return_counts=True)
    ranks[known] = (np.cumsum(counts) - (counts - 1) / 2)[place] / known.sum()
    shifts = np.arange(len(means))
    shifted = mean(ranks[(before[None, :] + shifts[:, None]) % len(means)])
    deviation = float(np.nanstd(shifted))
    if deviation <= 0:
        return 1.0
    z = abs(float(shifted[0]) - float(np.nanmean(shifted))) / deviation
    return float(min(1.0, 2 * normal_tail(z)[0]))


def _places(moments: Moments, grid: Grid) -> Places:
    """The column that each moment lies in."""
    step = grid.step // timedelta(microseconds=1)
    return ((moments - to_us(grid.start)) // step).astype(np.intp)


def _known(means: Floats, places: Places) -> Places:
    inside = places[(places >= 0) & (places < len(means))]
    return np.asarray(inside[~np.isnan(means[inside])])


def _quiet(onsets: Moments, grid: Grid) -> Places:
    """Every third hour that no failure came within six hours before, nor within a day after."""
    step = grid.step // timedelta(microseconds=1)
    places = np.arange(0, grid.steps, max(1, _BEFORE // grid.step), dtype=np.intp)
    moments = to_us(grid.start) + places * step
    day, hours = (each // timedelta(microseconds=1) for each in (_QUIET_AFTER, _QUIET_BEFORE))
    following = np.searchsorted(onsets, moments - hours)
    upto = np.searchsorted(onsets, moments + day)
    return np.asarray(places[following == upto])
