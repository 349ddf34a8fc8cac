"""How good predictions of failures and patterns are, on a made-up fleet whose causes are hidden.

Of the sources four in ten hardly ever fail, two in ten fail by chance, the others have a cause: nights, wear that
shows in response times, bursts, another source. The model learns from six weeks and is judged on the two weeks
after, hour by hour. Its Brier score is compared with each source's own past rate and with the fleet's: the skill is
1 - score / score of that. Patterns are looked for in failures that chance made, where each is a false one, and in
the fleet.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np

from bench.figures import Row
from bench.fleets import Simulated, simulate
from bench.synthetic import MONDAY, hourly, noise
from bench.table import arguments, show
from monitoring_pipeline.analysis.patterns.find import Known, find_patterns
from monitoring_pipeline.analysis.patterns.pattern import Failures, Pattern, PatternKind
from monitoring_pipeline.analysis.prediction.features import base_chance, outcomes
from monitoring_pipeline.analysis.prediction.fleet import Fleet, build_fleet, strangeness
from monitoring_pipeline.analysis.prediction.model import Model, brier, learn, predict
from monitoring_pipeline.clock import to_us

__all__ = ["main"]

_DAYS, _LEARNT = 56, 42 * 24
_DAY_US = 86_400_000_000
_STEPS = (0.0, 0.02, 0.1, 0.3, 0.6, 1.01)


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--sources", type=int, default=1000, metavar="N", help="sources of the fleet")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="fleets to measure")
    options = parser.parse_args()
    count, seeds = (150, 1) if options.quick else (options.sources, options.seeds)
    rows: list[Row] = []
    for seed in range(seeds):
        rows += [(f"fleet {seed + 1}, {what}", value, unit) for what, value, unit in _fleet(count, seed)]
    rows += _chance(count, 1 if options.quick else 5)
    method = f"{count} sources, {_DAYS} days, learnt from {_LEARNT // 24}, {seeds} fleets"
    show("Predicted failures and patterns", method, rows, options.json)


def _fleet(count: int, seed: int) -> Iterator[Row]:
    made = simulate(count, _DAYS, seed)
    began = time.perf_counter()
    fleet = build_fleet(made.sources, MONDAY, made.grid.steps, made.changes, strangeness(made.grid), made.upstream)
    yield "strangeness and fleet", time.perf_counter() - began, "s"
    arrays = ("onsets", "critical", "warning", "unknown", "strange", "metric")
    past = replace(fleet, **{name: getattr(fleet, name)[:, :_LEARNT] for name in arrays})
    for horizon in (1, 24):
        began = time.perf_counter()
        model = learn(past, horizon)
        yield f"{horizon} h: learning", time.perf_counter() - began, "s"
        yield from _judge(fleet, past, model, made)
    yield from _patterns(made)


def _judge(fleet: Fleet, past: Fleet, model: Model, made: Simulated) -> Iterator[Row]:
    columns, name = range(_LEARNT, fleet.hours - model.horizon), f"{model.horizon} h"
    said, came = (
        predict(model, fleet, columns),
        outcomes(fleet, model.horizon)[:, _LEARNT : fleet.hours - model.horizon],
    )
    own = base_chance(fleet, model.horizon)[:, list(columns)]
    known = ~np.isnan(came) & ~np.isnan(said)
    everybody = float(np.nanmean(outcomes(past, model.horizon)))
    score = brier(said[known], came[known])
    yield f"{name}: cases that failed", 100 * float(came[known].mean()), "%"
    yield f"{name}: Brier skill over own rates", 1 - score / brier(own[known], came[known]), ""
    yield f"{name}: Brier skill over the fleet's rate", 1 - score / float(np.mean((everybody - came[known]) ** 2)), ""
    for low, high in pairwise(_STEPS):
        inside = known & (said >= low) & (said < high)
        if inside.sum() >= 50:
            what = f"{name}: predicted {100 * said[inside].mean():.1f} % ({inside.sum():,} cases), came"
            yield what, 100 * float(came[inside].mean()), "%"
    kinds = np.array(made.kinds)
    for kind in sorted(set(made.kinds)):
        inside = known & (kinds == kind)[:, None]
        skill = 1 - brier(said[inside], came[inside]) / brier(own[inside], came[inside])
        yield f"{name}: skill over own rates, {kind}", skill, ""


def _patterns(made: Simulated) -> Iterator[Row]:
    onsets: dict[str, list[int]] = {source: [] for source in made.sources}
    for source, moment, after in made.changes:
        if after == "critical":
            onsets[source].append(moment)
    failures = Failures(
        MONDAY, MONDAY + timedelta(days=_DAYS), {name: np.array(each, dtype=np.int64) for name, each in onsets.items()}
    )
    began = time.perf_counter()
    found = find_patterns(failures, made.grid, Known(depends_on=made.upstream))
    yield "patterns: all of them", time.perf_counter() - began, "s"
    kinds = dict(zip(made.sources, made.kinds, strict=True))
    for kind, cause in (
        (PatternKind.PERIODIC, "nightly"), (PatternKind.TOGETHER, "child"), (PatternKind.PRECURSOR, "wearing"),
        (PatternKind.BURST, "flapping"),
    ):  # fmt: skip
        yield from _found(found, kind, cause, kinds)


def _found(found: list[Pattern], kind: PatternKind, cause: str, kinds: dict[str, str]) -> Iterator[Row]:
    named = {pattern.source for pattern in found if pattern.kind is kind}
    really = {source for source, each in kinds.items() if each == cause}
    yield f"patterns: {cause} sources with {kind.value}", 100 * len(named & really) / max(1, len(really)), "%"
    wrong = {source for source in named if kinds[source] in ("calm", "random")}
    yield f"patterns: {kind.value} of sources that fail by chance", len(wrong), ""


def _chance(count: int, rounds: int) -> list[Row]:
    """Patterns in failures that have none."""
    found: Counter[str] = Counter()
    for seed in range(rounds):
        random = np.random.default_rng(seed)
        onsets = {
            f"source-{n}": np.sort(to_us(MONDAY) + (random.random(random.poisson(10)) * 28 * _DAY_US).astype(np.int64))
            for n in range(count)
        }
        grid = hourly(100 + noise(count, 28, 0.9, seed))
        failures = Failures(MONDAY, MONDAY + timedelta(days=28), onsets)
        found.update(pattern.kind.value for pattern in find_patterns(failures, grid))
    what = f"false patterns in {rounds} x {count} sources that fail by chance"
    return [(f"{what}: {kind.value}", found[kind.value], "") for kind in PatternKind]


if __name__ == "__main__":
    main()
