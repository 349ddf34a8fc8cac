"""Failures that come by the clock: each night at three, every hour on the hour, on Mondays.

Two tests, both exact about clusters: the null turns each cycle (day, hour, week) by an angle of its own, so
ten failures within one night count as one sign and not as ten.

- Phase: within each cycle the failures' mean direction; are the cycles' directions alike? (Rayleigh's test
  of their sum.) Finds any period of `PERIODS`, whatever the hour.
- Cells: in how many days does it fail in this hour of the day (and in how many weeks on this weekday)? Turning the
  days makes that a Poisson-binomial number, whose tail is computed exactly. Finds several hours a day.

Periods shorter than four intervals of the source's checks are not looked for: the checks themselves
would be found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.patterns.pattern import Failures, Moments, Pattern, PatternKind, latest
from monitoring_pipeline.clock import format_duration, from_us

__all__ = ["find_periodic"]

PERIODS = tuple(
    timedelta(minutes=minutes) for minutes in (10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440, 10080)
)
_LEAST_CYCLES, _LEAST_SHARE = 5, 0.5
_SURE, _HOPEFUL = 1e-3, 0.05
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_MONDAY_US = 4 * 86_400_000_000
"""1970 began on a Thursday; the first Monday was the fifth of January."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sign:
    """One period that may be in it: which failures keep to it, and how sure."""

    period: timedelta
    p_value: float
    keeps: NDArray[np.bool_]
    expected: float
    words: str


def find_periodic(failures: Failures, zone: tzinfo, intervals: Mapping[str, timedelta]) -> list[Pattern]:
    """The clearest period of each source that has one, not yet corrected for the number of sources."""
    found = []
    for source, moments in failures.often(_LEAST_CYCLES).items():
        wall = _wall(moments, zone)
        usable = [each for each in PERIODS if each >= 4 * intervals.get(source, timedelta(minutes=1))]
        signs = [*_phases(wall, usable), *_cells(wall)]
        if signs and min(sign.p_value for sign in signs) <= _HOPEFUL:
            found.append(_pattern(source, moments, _clearest(signs)))
    return found


def _wall(moments: Moments, zone: tzinfo) -> Moments:
    """The wall clock's time as if it were UTC, in microseconds from a Monday's midnight on."""
    offsets = [from_us(int(moment)).astimezone(zone).utcoffset() or timedelta() for moment in moments]
    shift = np.array([offset // timedelta(microseconds=1) for offset in offsets], dtype=np.int64)
    return moments + shift - _MONDAY_US


def _clearest(signs: list[_Sign]) -> _Sign:
    """The longest of those that are nearly as sure as the surest: what comes daily also fits each hour.

    Of several with that period the narrowest which still holds nearly all.
    """
    best = min(signs, key=lambda sign: sign.p_value)
    near = [sign for sign in signs if math.log(sign.p_value) <= 0.6 * math.log(best.p_value)]
    longest = max(sign.period for sign in near)
    near = [sign for sign in signs if sign.period == longest and (sign in near or sign.p_value < _SURE)]
    most = max(int(sign.keeps.sum()) for sign in near)
    return min((sign for sign in near if sign.keeps.sum() >= 0.8 * most), key=lambda sign: sign.expected)


def _pattern(source: str, moments: Moments, sign: _Sign) -> Pattern:
    support = int(sign.keeps.sum())
    text = f"fails {sign.words}: {support} of {len(moments)} failures, chance would make {sign.expected:.1f}"
    detail = {"period_s": sign.period.total_seconds(), "when": sign.words}
    shown = moments[sign.keeps]
    return Pattern(
        PatternKind.PERIODIC, source, text, sign.p_value, support, len(moments), sign.expected,
        first=from_us(int(shown[0])), last=from_us(int(shown[-1])), examples=latest(shown), detail=detail,
    )  # fmt: skip


# -- phase -------------------------------------------------------------------------------------------


def _phases(wall: Moments, periods: list[timedelta]) -> Iterator[_Sign]:
    for period in periods:
        length = period // timedelta(microseconds=1)
        cycles, place = np.unique(wall // length, return_inverse=True)
        if len(cycles) < _LEAST_CYCLES:
            continue
        angle = 2 * np.pi * (wall % length) / length
        counts = np.bincount(place)
        x, y = np.bincount(place, np.cos(angle)) / counts, np.bincount(place, np.sin(angle)) / counts
        weight = float((x**2 + y**2).sum())
        z = float(x.sum() ** 2 + y.sum() ** 2) / weight if weight else 0.0
        m = len(cycles)
        p = math.exp(-z) * (1 + (2 * z - z**2) / (4 * m)) if z < 2 else math.exp(-z)
        p = min(1.0, p * len(PERIODS) * 2)
        if p > _HOPEFUL:
            continue
        direction = math.atan2(float(y.sum()), float(x.sum()))
        # The middle of them rather than their mean: the few that came by chance must not turn it.
        direction += float(np.median((angle - direction + np.pi) % (2 * np.pi) - np.pi))
        direction %= 2 * math.pi
        off = np.abs((angle - direction + np.pi) % (2 * np.pi) - np.pi)
        near = _nearness(off)
        keeps = off <= near
        if keeps.mean() < _LEAST_SHARE:
            continue
        share = max(near / math.pi, 1e-3)
        at = timedelta(microseconds=round(direction / (2 * math.pi) * length))
        yield _Sign(period, p, keeps, share * len(wall), _words(period, at))


def _nearness(off: NDArray[np.float64]) -> float:
    """How wide around the direction it is worth saying: where half of them are, doubled; at least a sixtieth."""
    return float(min(math.pi / 4, max(2 * np.quantile(off, 0.5), math.pi / 30)))


def _words(period: timedelta, at: timedelta) -> str:
    minutes = round(at / timedelta(minutes=1)) % (period // timedelta(minutes=1))
    clock = f"{minutes % 1440 // 60:02d}:{minutes % 60:02d}"
    if period == _WEEK:
        return f"on {_WEEKDAYS[minutes // 1440]} around {clock}"
    if period == _DAY:
        return f"daily around {clock}"
    if period == timedelta(hours=1):
        return f"hourly around minute {minutes}"
    return f"every {format_duration(period)}, around {clock}"


# -- cells -------------------------------------------------------------------------------------------


def _cells(wall: Moments) -> Iterator[_Sign]:
    hour = _busiest(wall, _DAY, 24)
    if hour is not None:
        cell, p, keeps, expected = hour
        yield _Sign(_DAY, p, keeps, expected, f"daily between {cell:02d}:00 and {(cell + 1) % 24:02d}:00")
    weekday = _busiest(wall, _WEEK, 7)
    if weekday is not None:
        cell, p, keeps, expected = weekday
        yield _Sign(_WEEK, p, keeps, expected, f"on {_WEEKDAYS[cell]}")


def _busiest(wall: Moments, period: timedelta, cells: int) -> tuple[int, float, NDArray[np.bool_], float] | None:
    """The cell of the cycle that most cycles fail in, and how likely the best of all cells is by chance."""
    length = period // timedelta(microseconds=1)
    cell = (wall % length) * cells // length
    cycles, place = np.unique(wall // length, return_inverse=True)
    if len(cycles) < _LEAST_CYCLES:
        return None
    hit = np.zeros((len(cycles), cells), dtype=bool)
    hit[place, cell] = True
    count = hit.sum(axis=0)
    best = int(np.argmax(count))
    tail = _poisson_binomial_tail(int(count[best]), hit.sum(axis=1) / cells)
    keeps = cell == best
    p = min(1.0, tail * cells * len(PERIODS) * 2)
    return best, max(p, 1e-300), keeps, len(wall) / cells


def _poisson_binomial_tail(count: int, chances: NDArray[np.float64]) -> float:
    """The probability that at least `count` of independent events with these chances happen."""
    distribution = np.zeros(len(chances) + 1)
    distribution[0] = 1.0
    for chance in chances:
        distribution[1:] = distribution[1:] * (1 - chance) + distribution[:-1] * chance
        distribution[0] *= 1 - chance
    return float(distribution[count:].sum())
