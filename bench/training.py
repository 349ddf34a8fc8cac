"""Fits the constants by which the detector's voters are combined, to labelled series.

    python -m bench.training --labels FILE --out combination.json

The shipped detector looks at every point; what it would ask its trees is kept for points that it would question. An
event is found by one alarm and a false alarm costs the same however long, so a point counts by what it would cause: of
each event the five points with the most evidence are to be found, of each hour (three intervals at least) outside of
events the one with the most evidence is to be passed over. Evidence changes with the trees, so it takes some rounds;
from round to round it is that of trees that were not fitted to the series' unit (five folds; a unit is what shares a
name up to the last slash), and those are also what the table is about. The file is fitted to all series.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.anomaly import Labelled, made_up, read, score
from bench.episodes import zones
from bench.figures import Row
from bench.table import arguments, show
from monitoring_pipeline.analysis.detection import combination
from monitoring_pipeline.analysis.detection.alarms import WARNING
from monitoring_pipeline.analysis.detection.combination import Trees

__all__ = ["Points", "fit", "main"]

_TREES, _DEPTH, _RATE, _SHARE, _BINS = 150, 5, 0.08, 0.25, 48
_RIDGE, _LEAST, _BASE = 5.0, 2.0, -3.0
_ROUNDS, _FOLDS, _BEST = 4, 5, 5
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(slots=True)
class Points:
    """Questioned points: their series, moment (seconds), event (a number over all series, -1 for none), evidence of the
    loudest voter, and features in columns; and the interval of each series."""

    series: Integers
    times: Integers
    event: Integers
    loudest: Floats
    features: NDArray[np.float32]
    intervals: Floats


def main() -> None:
    """Fits, says what that gives on series that were not fitted to, and writes the constants."""
    options = _options()
    series = read(options.labels) if options.labels else made_up(options.quick)
    points = _gather(series)
    units = sorted({_unit(each.name) for each in series})
    turn = np.random.default_rng(0).permutation(len(units)) % _FOLDS
    fold = np.array([turn[units.index(_unit(each.name))] for each in series])[points.series]
    evidence = points.loudest
    trees, rounds = _TREES // 5 if options.quick else _TREES, 1 if options.quick else _ROUNDS
    for seed in range(rounds):
        evidence = _out_of_fold(points, evidence, fold, trees, seed)
    chosen, wanted, weights = _telling(points, evidence)
    final = fit(points.features[chosen], wanted, weights, trees, rounds)
    if options.out:
        options.out.write_text(_to_json(final))
    show("Fitting the combination", _METHOD, _figures(points, evidence), options.json)


_METHOD = (
    "Evidence by trees that were fitted to other units (five folds), against the warning threshold alone: without "
    "budget and episodes, which bench.anomaly counts with."
)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labelled series, Parquet; made-up ones without")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the constants to FILE")
    return parser.parse_args()


def _unit(name: str) -> str:
    return name.rsplit("/", 1)[0] if name.count("/") > 1 else name


def _gather(series: list[Labelled]) -> Points:
    """What the detector would ask its trees about points that count."""
    with _listening() as heard:
        score(series)
    known = [zones(each.times, each.labels, each.ignored) for each in series]
    before = np.cumsum([0, *(int(zone.max(initial=-1)) + 1 for _, zone in known)])
    found: dict[str, list[Any]] = {name: [] for name in ("series", "times", "event", "loudest", "features")}
    for columns, moments, loudest, features in heard:
        for place, (number, moment) in enumerate(zip(columns.tolist(), (moments // 1_000_000).tolist(), strict=True)):
            at = int(np.searchsorted(series[number].times, moment))
            counts, zone = known[number]
            if counts[at]:
                event = int(zone[at]) + int(before[number]) if zone[at] >= 0 else -1
                row = (number, moment, event, loudest[place], features[:, place])
                for values, value in zip(found.values(), row, strict=True):
                    values.append(value)
    intervals = np.array([float(np.median(np.diff(each.times))) for each in series])
    whole = [np.array(found[name], dtype=np.int64) for name in ("series", "times", "event")]
    features = np.array(found["features"], dtype=np.float32)
    return Points(whole[0], whole[1], whole[2], np.array(found["loudest"]), features, intervals)


@contextmanager
def _listening() -> Iterator[list[tuple[Integers, Integers, Floats, NDArray[np.float32]]]]:
    """Keeps what trees are asked meanwhile: series, moments (microseconds), loudest voter, features."""
    heard: list[tuple[Integers, Integers, Floats, NDArray[np.float32]]] = []
    original = combination.features

    def features(rows: Any, at: Any, seen: Any, loud: Floats, usual: Floats, most: Floats, places: Integers) -> Floats:
        asked = original(rows, at, seen, loud, usual, most, places)
        above = (loud - usual).take(places, axis=1).max(axis=0)
        heard.append((at.columns[places], at.times[places], above, asked.astype(np.float32)))
        return asked

    combination.features = features
    try:
        yield heard
    finally:
        combination.features = original


def _out_of_fold(points: Points, evidence: Floats, fold: Integers, trees: int, seed: int) -> Floats:
    """Evidence by trees that were not fitted to the series' unit."""
    chosen, wanted, weights = _telling(points, evidence)
    fresh = np.empty(len(evidence))
    for number in range(_FOLDS):
        others, own = fold[chosen] != number, fold == number
        fitted = fit(points.features[chosen[others]], wanted[others], weights[others], trees, seed)
        for part in np.array_split(np.flatnonzero(own), max(1, int(own.sum()) // 10_000)):
            fresh[part] = fitted.sum(points.features[part].T.astype(float))
    return fresh


def _telling(points: Points, evidence: Floats) -> tuple[Integers, Floats, Floats]:
    """The points that decide: which, whether they are to be found (1 or 0), and their weights."""
    inside = points.event >= 0
    block = points.times // np.maximum(3 * points.intervals[points.series], 3600).astype(np.int64)
    group = np.where(inside, points.event, -1 - (points.series * 10**9 + block))
    order = np.lexsort((-evidence, group))
    begins = np.flatnonzero(np.r_[True, np.diff(group[order]) != 0])
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(np.r_[begins, len(order)]))
    best = rank < np.where(inside[order], _BEST, 1)
    chosen = order[best]
    return chosen, inside[chosen].astype(float), np.where(inside[chosen], 1 / _BEST, 1.0)


def fit(features: NDArray[np.float32], wanted: Floats, weights: Floats, trees: int, seed: int) -> Trees:
    """Boosts oblivious trees for the logarithm of odds; features in columns, one row per point."""
    rng = np.random.default_rng(seed)
    edges = np.quantile(features, np.linspace(0, 1, _BINS + 1)[1:-1], axis=0)
    binned = np.stack([np.searchsorted(edges[:, k], features[:, k]) for k in range(features.shape[1])])
    odds = np.full(len(wanted), _BASE)
    found: list[tuple[list[int], list[float], Floats]] = []
    for _ in range(trees):
        chance = 1 / (1 + np.exp(-odds))
        slope, bend = weights * (wanted - chance), weights * np.maximum(chance * (1 - chance), 1e-6)
        node, asked, edge = np.zeros(len(wanted), dtype=np.int64), [], []
        offered = np.flatnonzero(rng.random(len(binned)) < _SHARE)
        for depth in range(_DEPTH):
            feature, cut = _best_question(binned, offered, node, 2**depth, slope, bend)
            node = 2 * node + (binned[feature] > cut)
            asked.append(feature)
            edge.append(float(edges[cut, feature]))
        sums = [np.bincount(node, each, 2**_DEPTH) for each in (slope, bend)]
        value = _RATE * sums[0] / (sums[1] + _RIDGE)
        odds += value[node]
        found.append((asked, edge, value))
    questions, edges_of, leaves = zip(*found, strict=True)
    return Trees(np.array(questions), np.array(edges_of), np.array(leaves), _BASE)


def _best_question(
    binned: Integers, offered: Integers, node: Integers, nodes: int, slope: Floats, bend: Floats
) -> tuple[int, int]:  # fmt: skip
    """The feature and bin by which points are best told apart, in all nodes at once."""
    best = (-np.inf, 0, 0)
    for feature in offered.tolist():
        cell = node * _BINS + binned[feature]
        below = [np.bincount(cell, each, nodes * _BINS).reshape(nodes, _BINS).cumsum(axis=1) for each in (slope, bend)]
        rest = [each[:, -1:] - each for each in below]
        gain = (below[0] ** 2 / (below[1] + _RIDGE) + rest[0] ** 2 / (rest[1] + _RIDGE)).sum(axis=0)[:-1]
        enough = ((below[1] > _LEAST) & (rest[1] > _LEAST)).any(axis=0)[:-1]
        cut = int(np.where(enough, gain, -np.inf).argmax())
        if enough[cut] and gain[cut] > best[0]:
            best = (float(gain[cut]), feature, cut)
    return best[1], best[2]


def _to_json(trees: Trees) -> str:
    found = {
        "base": trees.base, "feature": trees.feature.tolist(), "above": trees.above.round(5).tolist(),
        "leaves": trees.leaves.round(5).tolist(),
    }  # fmt: skip
    return json.dumps(found, separators=(",", ":"))


def _figures(points: Points, evidence: Floats) -> list[Row]:
    """What a threshold alone, without the logic of alarms, finds on series that were not fitted to."""
    high = evidence >= WARNING
    found = len(np.unique(points.event[high & (points.event >= 0)]))
    chosen, wanted, _ = _telling(points, evidence)
    false = int((high[chosen] & (wanted == 0)).sum())
    events = len(np.unique(points.event[points.event >= 0]))
    return [
        ("points questioned", len(evidence), ""),
        ("events with such points", events, ""),
        ("of them found", found / max(events, 1), ""),
        ("false hours per event found", false / max(found, 1), ""),
    ]


if __name__ == "__main__":
    main()
