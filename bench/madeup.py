"""Made-up series whose truth is known: every kind of calm, and what is put into it.

What is plain on these must be found whatever was learnt from labels of people; what is calm must stay quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from bench.anomaly import Labelled

__all__ = ["CALM", "KINDS", "made_up"]

Floats = NDArray[np.float64]
_START_S = 1_767_571_200
_INTERVALS_S = (60, 300, 600, 3600)
_DAYS = {60: 10, 300: 21, 600: 28, 3600: 60}


def _hours(times: NDArray[np.int64]) -> Floats:
    return times % 86_400 / 3600


def _weekend(times: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((times // 86_400 + 3) % 7 >= 5)


def _gauge(rng: np.random.Generator, times: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Noise around a level."""
    return np.full(len(times), rng.uniform(20, 500)), np.full(len(times), rng.uniform(0.5, 8))


def _wave(rng: np.random.Generator, times: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """A day's wave with noise of one size."""
    turn = np.sin((_hours(times) - rng.uniform(0, 24)) / 24 * 2 * np.pi)
    return 200 + rng.uniform(10, 90) * turn, np.full(len(times), rng.uniform(1, 8))


def _week(rng: np.random.Generator, times: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Two harmonics of the day, less of them at the weekend; the noise grows with the level."""
    hour = _hours(times)
    wave = np.sin((hour - 9) / 24 * 2 * np.pi) + rng.uniform(0, 0.6) * np.sin((hour - 6) / 12 * 2 * np.pi)
    shape = 200 + rng.uniform(30, 90) * wave * np.where(_weekend(times), rng.uniform(0.3, 0.9), 1.0)
    return shape, rng.uniform(0.015, 0.04) * np.maximum(shape, 50)


def _office(rng: np.random.Generator, times: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Much from 8 to 18 o'clock on weekdays, little else."""
    busy = (_hours(times) >= 8) & (_hours(times) < 18) & ~_weekend(times)
    rate = np.where(busy, rng.uniform(60, 200), rng.uniform(4, 20))
    return rate, np.sqrt(rate)


def _drift(rng: np.random.Generator, times: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Noise around a line."""
    return 100 + rng.uniform(-2, 2) * (times - times[0]) / 86_400, np.full(len(times), rng.uniform(0.3, 2))


def _wander(rng: np.random.Generator, times: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """A level that wanders within bounds, with noise."""
    walk = np.zeros(len(times))
    for at, push in enumerate(rng.standard_normal(len(times) - 1), 1):
        walk[at] = 0.995 * walk[at - 1] + push
    return 300 + rng.uniform(0.5, 2) * walk, np.full(len(times), rng.uniform(2, 5))


KINDS: tuple[Callable[[np.random.Generator, NDArray[np.int64]], tuple[Floats, Floats]], ...] = (
    _gauge, _wave, _week, _office, _drift, _wander,
)  # fmt: skip
"""Each gives what is expected of every moment (seconds), and the noise's standard deviation."""


def _latency(rng: np.random.Generator, times: NDArray[np.int64]) -> Floats:
    """A long tail upwards."""
    return np.asarray(rng.uniform(20, 300) * np.exp(rng.uniform(0.1, 0.4) * rng.standard_normal(len(times))))


def _share(rng: np.random.Generator, times: NDArray[np.int64]) -> Floats:
    """A percentage of few, mostly nought."""
    of = int(rng.integers(100, 2000))
    return 100.0 * rng.binomial(of, rng.uniform(0.5, 6) / of, len(times)) / of


def _counter(rng: np.random.Generator, times: NDArray[np.int64]) -> Floats:
    """A number that only grows, and begins anew now and then."""
    grown = np.cumsum(rng.poisson(rng.uniform(5, 80), len(times))).astype(float)
    return np.asarray(grown % (rng.uniform(0.15, 1.5) * grown[-1]))


def _coarse(rng: np.random.Generator, times: NDArray[np.int64]) -> Floats:
    """Small whole numbers."""
    return np.round(rng.uniform(1, 6) + rng.uniform(0.2, 0.7) * rng.standard_normal(len(times)))


def _flicker(rng: np.random.Generator, times: NDArray[np.int64]) -> Floats:
    """The same number but for a rare flicker."""
    level = 10.0 ** rng.uniform(1, 6)
    flickers = rng.random(len(times)) < rng.uniform(0, 0.01)
    return np.asarray(level + flickers * rng.choice([-1.0, 1.0], len(times)))


def _stairs(rng: np.random.Generator, times: NDArray[np.int64]) -> Floats:
    """A walk on few levels that changes several times a day."""
    often = rng.uniform(3, 10) * float(times[1] - times[0]) / 86_400
    walk = np.cumsum(np.where(rng.random(len(times)) < often, rng.choice([-1, 1], len(times)), 0)) % 4
    return np.asarray(100 + rng.uniform(5, 20) * walk + rng.standard_normal(len(times)))


CALM = (_latency, _share, _counter, _coarse, _flicker, _stairs)
"""Values of series that are strange in themselves: nothing is put into those."""


def made_up(seed: int = 1, rounds: int = 3) -> Iterator[Labelled]:
    """Series of every kind at every interval, `rounds` of each: with spikes of one point, with moved levels, and calm,
    in turns; every other one with gaps. Labels are spikes, and the first hour of a moved level."""
    rng = np.random.default_rng(seed)
    for interval in _INTERVALS_S:
        times = _START_S + interval * np.arange(_DAYS[interval] * 86_400 // interval)
        for turn in range(rounds):
            found = [_one(rng, kind, times, turn) for kind in KINDS]
            for values, kind in ((kind(rng, times), kind) for kind in CALM):
                found.append(Labelled(_name(kind, turn), times, values, _none(times), _none(times)))
            yield from (_with_gaps(rng, each) if (turn + place) % 2 else each for place, each in enumerate(found))


def _name(kind: Callable[..., object], turn: int) -> str:
    return f"made up/{kind.__name__.strip('_')}/{turn}"


def _none(times: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.zeros(len(times), dtype=bool)


def _one(
    rng: np.random.Generator, kind: Callable[..., tuple[Floats, Floats]], times: NDArray[np.int64], turn: int
) -> Labelled:  # fmt: skip
    expected, noise = kind(rng, times)
    values, labels = expected + noise * rng.standard_normal(len(times)), _none(times)
    late = np.arange(len(times) // 4, len(times) - 20)
    if turn % 3 == 0:
        places = rng.choice(late, rng.integers(1, 9), replace=False)
        values[places] = (expected + noise * rng.choice([-1, 1], len(times)) * rng.uniform(5, 14, len(times)))[places]
        labels[places] = True
    elif turn % 3 == 1:
        place = int(rng.choice(late))
        values[place:] += noise[place:] * rng.choice([-1, 1]) * rng.uniform(6, 12)
        labels[place : place + max(3600 // int(times[1] - times[0]), 3)] = True
    return Labelled(_name(kind, turn), times, values, labels, _none(times))


def _with_gaps(rng: np.random.Generator, series: Labelled) -> Labelled:
    """Without a fifth of the points, in runs of a dozen, and without some hours."""
    kept = ~np.repeat(rng.random(len(series.times) // 12 + 1) < 0.2, 12)[: len(series.times)]
    out = int(rng.integers(len(kept) // 3, len(kept)))
    kept[out : out + 9 * 3600 // int(series.times[1] - series.times[0])] = False
    kept |= series.labels
    return Labelled(
        series.name, series.times[kept], series.values[kept], series.labels[kept], series.ignored[kept]
    )  # fmt: skip
