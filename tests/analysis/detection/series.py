"""Series whose truth is known: what a detector must be quiet about, and what it must catch.

    calm = business_hours(rng, days=28)            # a Series: moments, values, the noise's scale
    spiked = with_spikes(calm, rng, count=5, sigmas=8)
    spiked.events                                  # where the spikes are

Clocks are real ones: a day of `Europe/Berlin` has 23 or 25 hours where summer time begins or ends, and the
season follows the clock on the wall. Everything is drawn from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.clock import from_us, to_us

__all__ = [
    "BERLIN",
    "CALM",
    "SPRING",
    "Series",
    "business_hours",
    "constant",
    "counter",
    "drifting",
    "gauge",
    "latency",
    "moments",
    "near_constant",
    "quantised",
    "ratio",
    "seasonal",
    "steps",
    "wall_hours",
    "with_flatline",
    "with_gaps",
    "with_outage",
    "with_restarts",
    "with_shift",
    "with_spikes",
]

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 9, tzinfo=UTC)
"""Three weeks before summer time begins in Berlin (2026-03-29); autumn's change is 2026-10-25."""

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Series:
    """Moments in microseconds (int64, ascending), values, the standard deviation of the noise at each point, and
    the places of what was put in on purpose."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    noise: NDArray[np.float64]
    events: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def days(self) -> float:
        """How many days it lasts."""
        return float(self.times[-1] - self.times[0]) / _DAY_US


def moments(
    days: float = 28, *, interval: timedelta = timedelta(minutes=5), start: datetime = SPRING, jitter_s: float = 0.0,
    rng: np.random.Generator | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """One moment per interval, each up to `jitter_s` late; int64 microseconds."""
    step = round(interval.total_seconds() * 1e6)
    times = to_us(start) + step * np.arange(int(days * _DAY_US // step), dtype=np.int64)
    if jitter_s and rng is not None:
        times = times + rng.integers(0, round(jitter_s * 1e6), len(times))
    return times


def wall_hours(times: NDArray[np.int64], zone: ZoneInfo = BERLIN) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Per moment the hour of the day on the wall (0-24), and the day of the week (Monday is 0)."""
    hours = times // 3_600_000_000
    offsets = {hour: _offset_us(int(hour), zone) for hour in np.unique(hours)}
    local = times + np.array([offsets[hour] for hour in hours], dtype=np.int64)
    return (local % _DAY_US) / 3.6e9, (local // _DAY_US + 3) % 7


def _offset_us(hour: int, zone: ZoneInfo) -> int:
    offset = from_us(hour * 3_600_000_000).astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds() * 1e6)


# -- what is calm ------------------------------------------------------------------------------------


def gauge(rng: np.random.Generator, times: NDArray[np.int64], level: float = 50.0, noise: float = 2.0) -> Series:
    """Noise around a level."""
    return Series(times, level + noise * rng.standard_normal(len(times)), np.full(len(times), noise))


def seasonal(
    rng: np.random.Generator, times: NDArray[np.int64], level: float = 200.0, swing: float = 80.0, noise: float = 6.0,
    zone: ZoneInfo = BERLIN,
) -> Series:  # fmt: skip
    """A day's wave and a second harmonic, less of it at the weekend; the noise grows with the level."""
    hour, weekday = wall_hours(times, zone)
    wave = np.sin((hour - 9) / 24 * 2 * np.pi) + 0.4 * np.sin((hour - 6) / 12 * 2 * np.pi)
    shape = level + swing * wave * np.where(weekday >= 5, 0.5, 1.0)
    scale = noise * np.maximum(shape, level / 4) / level
    return Series(times, shape + scale * rng.standard_normal(len(times)), scale)


def business_hours(
    rng: np.random.Generator, times: NDArray[np.int64], quiet: float = 5.0, busy: float = 120.0, zone: ZoneInfo = BERLIN
) -> Series:
    """Counts: many from 8 to 18 o'clock on weekdays, few else; edges as steep as the clock on the wall has them."""
    hour, weekday = wall_hours(times, zone)
    rate = np.where((hour >= 8) & (hour < 18) & (weekday < 5), busy, quiet)
    return Series(times, rng.poisson(rate).astype(float), np.sqrt(rate))


def latency(rng: np.random.Generator, times: NDArray[np.int64], middle: float = 80.0, spread: float = 0.25) -> Series:
    """Lognormal, as answers' times are: the long tail upwards is normal."""
    return Series(
        times, middle * np.exp(spread * rng.standard_normal(len(times))), np.full(len(times), middle * spread)
    )


def ratio(rng: np.random.Generator, times: NDArray[np.int64], share: float = 0.004, of: int = 500) -> Series:
    """A percentage of few out of `of`: mostly zero, and coarse."""
    values = 100.0 * rng.binomial(of, share, len(times)) / of
    return Series(times, values, np.full(len(times), 100.0 * np.sqrt(share * (1 - share) / of)))


def counter(rng: np.random.Generator, times: NDArray[np.int64], rate: float = 40.0) -> Series:
    """A number that only grows."""
    return Series(times, np.cumsum(rng.poisson(rate, len(times))).astype(float), np.full(len(times), np.sqrt(rate)))


def drifting(rng: np.random.Generator, times: NDArray[np.int64], level: float = 100.0, per_day: float = 1.5) -> Series:
    """A disk that fills: noise around a line."""
    line = level + per_day * (times - times[0]) / _DAY_US
    return Series(times, line + 0.5 * rng.standard_normal(len(times)), np.full(len(times), 0.5))


def constant(rng: np.random.Generator, times: NDArray[np.int64], level: float = 42.0) -> Series:
    """The same number each time."""
    return Series(times, np.full(len(times), level), np.zeros(len(times)))


def near_constant(
    rng: np.random.Generator, times: NDArray[np.int64], level: float = 1e6, flicker: float = 0.002
) -> Series:
    """The same number but for a rare flicker in its last digit."""
    moved = rng.random(len(times)) < flicker
    return Series(times, level + moved * rng.choice([-1.0, 1.0], len(times)), np.full(len(times), 1.0))


def quantised(rng: np.random.Generator, times: NDArray[np.int64], level: float = 3.0) -> Series:
    """Small whole numbers: 2, 3 or 4 connections."""
    return Series(times, np.round(level + 0.45 * rng.standard_normal(len(times))), np.full(len(times), 0.6))


def steps(rng: np.random.Generator, times: NDArray[np.int64], jump: float = 10.0, per_day: float = 6.0) -> Series:
    """A walk on few levels that changes several times a day: jumping is its nature."""
    share = per_day * float(np.median(np.diff(times))) / _DAY_US
    walk = np.cumsum(np.where(rng.random(len(times)) < share, rng.choice([-1, 1], len(times)), 0)) % 4
    return Series(times, 100.0 + jump * walk + rng.standard_normal(len(times)), np.full(len(times), 1.0))


CALM: dict[str, Callable[[np.random.Generator, NDArray[np.int64]], Series]] = {
    "gauge": gauge,
    "seasonal": seasonal,
    "business hours": business_hours,
    "latency": latency,
    "ratio": ratio,
    "counter": counter,
    "drifting": drifting,
    "constant": constant,
    "near constant": near_constant,
    "quantised": quantised,
    "steps": steps,
}
"""Every kind of series in which nothing happens: whatever is alarmed there is false."""


# -- what happens to measuring, and is no anomaly ----------------------------------------------------


def with_gaps(series: Series, rng: np.random.Generator, share: float = 0.2, mean_points: float = 12.0) -> Series:
    """Without about `share` of its points, in runs of `mean_points` on average: nobody measured then."""
    gone = np.zeros(len(series), dtype=bool)
    while gone.mean() < share:
        start = int(rng.integers(0, len(series)))
        gone[start : start + 1 + int(rng.geometric(1 / mean_points))] = True
    return _kept(series, ~gone)


def with_outage(series: Series, after: timedelta, lasting: timedelta) -> Series:
    """Without the points of one stretch: the monitoring itself was down."""
    since = series.times - series.times[0]
    begin, end = (round(each.total_seconds() * 1e6) for each in (after, after + lasting))
    return _kept(series, (since < begin) | (since >= end))


def with_restarts(series: Series, rng: np.random.Generator, count: int = 4) -> Series:
    """A counter that begins at zero again `count` times, as it does when its process is restarted."""
    values = series.values.copy()
    for place in np.sort(rng.integers(len(values) // 4, len(values), count)):
        values[place:] -= values[place]
    return replace(series, values=values)


def _kept(series: Series, keep: NDArray[np.bool_]) -> Series:
    moved = np.cumsum(keep) - 1
    events = moved[series.events[keep[series.events]]]
    return Series(series.times[keep], series.values[keep], series.noise[keep], events)


# -- what is to be caught ----------------------------------------------------------------------------


def with_spikes(
    series: Series, rng: np.random.Generator, count: int = 5, sigmas: float = 8.0, first: float = 0.6
) -> Series:
    """Single points `sigmas` of their noise too high, at least 100 points apart, after the share `first` of it."""
    room = np.arange(int(first * len(series)), len(series), 100)
    places = np.sort(rng.choice(room, min(count, len(room)), replace=False))
    values = series.values.copy()
    values[places] += sigmas * series.noise[places]
    return replace(series, values=values, events=places)


def with_shift(series: Series, sigmas: float = 8.0, at: float = 0.7) -> Series:
    """Everything after the share `at` lies `sigmas` of the noise higher, for good."""
    place = int(at * len(series))
    values = series.values.copy()
    values[place:] += sigmas * float(np.median(series.noise))
    return replace(series, values=values, events=np.array([place]))


def with_flatline(series: Series, lasting: timedelta, at: float = 0.7) -> Series:
    """One value again and again, from the share `at` on: a sensor that hangs."""
    place = int(at * len(series))
    held = (series.times >= series.times[place]) & (
        series.times < series.times[place] + round(lasting.total_seconds() * 1e6)
    )
    return replace(series, values=np.where(held, series.values[place], series.values), events=np.array([place]))
