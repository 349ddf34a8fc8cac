"""A fleet whose failures have hidden causes: what predictions are measured on.

`calm` and `random` ones fail by chance alone; `nightly` ones in some nights at the same hour; `wearing` ones get slow
for some hours first; `flapping` ones fail in bursts; a `child` soon after the source it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.synthetic import HOUR, MONDAY, daily, noise
from monitoring_pipeline.analysis.prediction.fleet import Change
from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey
from monitoring_pipeline.clock import to_us

__all__ = ["KINDS", "Simulated", "simulate"]

KINDS = {"calm": 0.4, "random": 0.2, "nightly": 0.1, "wearing": 0.1, "flapping": 0.1, "child": 0.1}
"""How many there are of each kind."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """Sources, their response times, their changes of status, what depends on what, and the kind of each."""

    sources: list[str]
    grid: Grid
    changes: list[Change]
    upstream: dict[str, list[str]]
    kinds: list[str]


def simulate(count: int, days: int, seed: int = 0, kinds: dict[str, float] | None = None) -> Simulated:
    """A fleet of so many sources over so many days."""
    random = np.random.default_rng(seed)
    shares = kinds or KINDS
    drawn = [str(kind) for kind in random.choice(list(shares), size=count, p=list(shares.values()))]
    names = [f"source-{number:04d}" for number in range(count)]
    slow = 100 + 3 * noise(count, days, 0.8, seed) + 15 * daily(days)
    fails = [sorted(_failures(kind, days, random, slow[row])) for row, kind in enumerate(drawn)]
    upstream = {}
    for row, kind in enumerate(drawn):
        above = int(random.integers(0, count))
        if kind == "child" and drawn[above] != "child":
            upstream[names[row]] = [names[above]]
            fails[row] = sorted(at + random.uniform(0.05, 2) for at in fails[above] if random.random() < 0.7)
    changes = sorted(
        (change for row, name in enumerate(names) for change in _changes(name, fails[row], days, random)),
        key=lambda change: change[1],
    )
    grid = Grid(tuple(SeriesKey(name, "response_time_ms", unit="ms") for name in names), MONDAY, HOUR, slow)
    return Simulated(names, grid, changes, upstream, drawn)


def _failures(kind: str, days: int, random: np.random.Generator, slow: Floats) -> Iterator[float]:
    hours = days * 24
    if kind in ("calm", "random"):
        yield from random.random(random.poisson(days / (60 if kind == "calm" else 7))) * hours
    elif kind == "nightly":
        yield from (24 * day + 2 + 0.3 * random.random() for day in range(days) if random.random() < 0.3)
    elif kind == "wearing":
        for at in random.random(random.poisson(days / 8)) * hours:
            begin = max(0, int(at) - int(random.integers(6, 30)))
            slow[begin : int(at)] += np.linspace(0, 40, int(at) - begin)
            yield float(at)
    elif kind == "flapping":
        for at in random.random(random.poisson(days / 14)) * hours:
            yield from at + np.cumsum(random.exponential(2, size=int(random.integers(3, 12))))


def _changes(name: str, fails: list[float], days: int, random: np.random.Generator) -> Iterator[Change]:
    start, until = to_us(MONDAY), 0.0
    yield name, start - 1, "healthy"
    for at in fails:
        if until <= at < days * 24:
            until = at + 0.05 + random.exponential(0.5)
            yield name, start + int(at * 3.6e9), "critical"
            yield name, start + int(until * 3.6e9), "healthy"
