"""Fits the constants by which the detector's voters are combined, to labelled series.

    python -m bench.training --labels FILE --out combination.json

The shipped detector looks at every point; what it would ask its trees is kept for points that it would question. An
event is found by one alarm and a false alarm costs the same however long, so a point counts by what it would cause: of
each event the five points with the most evidence are to be found, of each hour (three intervals at least) outside of
events the one with the most evidence is to be passed over. Evidence changes with the trees, so it takes some rounds;
from round to round it is that of trees that were not fitted to the series' unit (five folds; a unit is what shares a
name up to the last slash), and the table is about what those find. The file is fitted to all series.

Series are few, so each is also learnt from as it would look if it were measured more rarely (means of some points).
Made-up series (`bench.madeup`) join them, so that what is plain is found even where no labelled series is as calm.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.anomaly import Labelled, read, score, waves
from bench.episodes import tally, total, zones
from bench.figures import Row
from bench.madeup import made_up
from bench.table import arguments, show
from monitoring_pipeline.analysis.detection import Detector
from monitoring_pipeline.analysis.detection.combination import Trees
from monitoring_pipeline.analysis.detection.state import VOTERS

__all__ = ["Points", "fit", "main"]

_TREES = 400
_FIT = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 63, "min_sum_hessian_in_leaf": 3, "lambda_l2": 5,
    "path_smooth": 10, "feature_fraction": 0.25, "bagging_fraction": 0.7, "bagging_freq": 1, "max_bin": 63,
    "verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
_ROUNDS, _FOLDS, _BEST, _ROUNDS_MADE_UP = 2, 5, 5, 9
_PLAIN_COUNTS = 15.0
_RAREST_S, _FEWER, _VIEW_COUNTS = 300, (3, 5), 0.7
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(slots=True)
class Points:
    """Questioned points: their series, moment (seconds), event (a number over all series, -1 for none), evidence, and
    what trees are asked, a row each; the interval of each series, and how much its points and its events count."""

    series: Integers
    times: Integers
    event: Integers
    evidence: Floats
    asked: NDArray[np.float32]
    intervals: Floats
    counts: Floats
    events_count: Floats


def main() -> None:
    """Fits, says what that gives on series that were not fitted to, and writes the constants."""
    options = _options()
    series = read(options.labels) if options.labels else waves(options.quick)
    views = [view for each in series for view in _views(each)]
    known = list(made_up(rounds=1 if options.quick else _ROUNDS_MADE_UP))
    whole = [*series, *views, *known]
    lengths = [len(series), len(views), len(known)]
    counts, events_count = (
        np.repeat(each, lengths) for each in ((1, _VIEW_COUNTS, 1), (1, _VIEW_COUNTS, _PLAIN_COUNTS))
    )
    points = gather(whole, counts, events_count)
    fold = folds([_unit(each.name) for each in whole])
    trees, rounds = _TREES // 5 if options.quick else _TREES, 1 if options.quick else _ROUNDS
    for _ in range(rounds):
        others = out_of_fold(points, fold, trees)
    if options.out:
        options.out.write_text(json.dumps(constants(fit(points, telling(points), trees)), separators=(",", ":")) + "\n")
    show("Fitting the combination", _METHOD, _figures(series, fold, others), options.json)


_METHOD = (
    "Five folds: what a detector finds whose trees were fitted to other units, and to made-up series. Events, F1 and "
    "false alarms as bench.anomaly counts them (bench/episodes.py)."
)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labelled series, Parquet; made-up ones without")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the constants to FILE")
    return parser.parse_args()


def _unit(name: str) -> str:
    return name.rsplit("/", 1)[0] if name.count("/") > 1 else name


def folds(units: list[str], seed: int = 0) -> Integers:
    """A fold for each series: units are dealt out."""
    known = sorted(set(units))
    turn = np.random.default_rng(seed).permutation(len(known)) % _FOLDS
    return np.array([turn[known.index(unit)] for unit in units])


def _views(series: Labelled) -> Iterator[Labelled]:
    """The series as means of a few points, where it is measured often."""
    interval = int(np.median(np.diff(series.times)))
    for fewer in _FEWER if interval <= _RAREST_S else ():
        group = series.times // (interval * fewer)
        first = np.flatnonzero(np.r_[True, np.diff(group) != 0])
        count = np.diff(np.r_[first, len(group)])
        yield Labelled(
            series.name, group[first] * interval * fewer, np.add.reduceat(series.values, first) / count,
            np.logical_or.reduceat(series.labels, first), np.logical_or.reduceat(series.ignored, first),
        )  # fmt: skip


def gather(series: list[Labelled], counts: Floats, events_count: Floats) -> Points:
    """What the detector would ask its trees about points that count."""
    detector, lengths = Detector(), [len(each.times) for each in series]
    number = np.repeat(detector.add(len(series)), lengths)
    times = np.concatenate([each.times for each in series])
    values = np.concatenate([each.values for each in series])
    _, heard = detector.listen(number, 1_000_000 * times, values, len(times) // 5)
    known = [zones(each.times, each.labels, each.ignored) for each in series]
    before = np.cumsum([0, *(int(zone.max(initial=-1)) + 1 for _, zone in known)])[:-1]
    events = [np.where(zone >= 0, zone + first, -1) for (_, zone), first in zip(known, before, strict=True)]
    places, asked = heard.places, heard.asked
    chosen = np.concatenate([counted for counted, _ in known])[places]
    places, asked = places[chosen], asked[chosen]
    loudest = asked[:, : len(VOTERS)].max(axis=1).astype(float)
    intervals = np.array([float(np.median(np.diff(each.times))) for each in series])
    return Points(
        number[places], times[places], np.concatenate(events)[places], loudest, asked, intervals, counts, events_count
    )


def out_of_fold(points: Points, fold: Integers, trees: int) -> list[Trees]:
    """For each fold trees that were not fitted to its units; the evidence of its points becomes theirs."""
    chosen, fresh, found = telling(points), np.empty(len(points.evidence)), []
    for number in range(_FOLDS):
        own = fold[points.series] == number
        fitted = fit(points, chosen[~own[chosen]], trees)
        fresh[own] = fitted.predict(points.asked[own], raw_score=True)
        found.append(Trees.of(constants(fitted)))
    points.evidence = fresh
    return found


def telling(points: Points) -> Integers:
    """The points that decide: the best of each event, and one of each hour without."""
    inside = points.event >= 0
    block = points.times // np.maximum(3 * points.intervals[points.series], 3600).astype(np.int64)
    group = np.where(inside, points.event, -1 - (points.series * 10**9 + block))
    order = np.lexsort((-points.evidence, group))
    begins = np.flatnonzero(np.r_[True, np.diff(group[order]) != 0])
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(np.r_[begins, len(order)]))
    return order[rank < np.where(inside[order], _BEST, 1)]


def fit(points: Points, chosen: Integers, trees: int) -> Any:
    """Boosted trees for the logarithm of odds, a LightGBM `Booster`."""
    import lightgbm

    inside = points.event[chosen] >= 0
    series = points.series[chosen]
    weights = np.where(inside, points.events_count[series] / _BEST, points.counts[series])
    data = lightgbm.Dataset(points.asked[chosen], inside.astype(float), weight=weights)
    return lightgbm.train(_FIT, data, trees)


def constants(booster: Any) -> dict[str, Any]:
    """Trees as `combination.json` has them."""
    found: dict[str, Any] = {"base": 0.0, "root": []}
    found |= {name: [] for name in ("feature", "above", "below", "otherwise", "leaf")}
    for each in booster.dump_model()["tree_info"]:
        found["root"].append(_plant(each["tree_structure"], found))
    return found


def _plant(node: dict[str, Any], found: dict[str, Any]) -> int:
    """Adds a node with all that follows; its number, or a leaf's as complement."""
    if "leaf_value" in node:
        found["leaf"].append(float(f"{node['leaf_value']:.5g}"))
        return -len(found["leaf"])
    number = len(found["feature"])
    found["feature"].append(node["split_feature"])
    found["above"].append(float(f"{node['threshold']:.6g}"))
    for side in ("below", "otherwise"):
        found[side].append(0)
    found["below"][number] = _plant(node["left_child"], found)
    found["otherwise"][number] = _plant(node["right_child"], found)
    return number


def _figures(series: list[Labelled], fold: Integers, others: list[Trees]) -> list[Row]:
    """What is found on series by trees that were fitted to others."""
    warned, critical, families = [], [], []
    for number, trees in enumerate(others):
        own = [each for each, turn in zip(series, fold, strict=False) if turn == number]
        for each, scored in zip(own, score(own, trees), strict=True):
            families.append(each.family)
            warned.append(tally(each.times, each.labels, each.ignored, scored.is_alert))
            critical.append(tally(each.times, each.labels, each.ignored, scored.is_critical))
    every, severe = total(warned), total(critical)
    of_family = {
        name: total(t for t, family in zip(warned, families, strict=True) if family == name) for name in families
    }
    return [
        (f"F1 of {every.events} events", every.f1, ""),
        ("mean of families, F1", float(np.mean([each.f1 for each in of_family.values()])), ""),
        ("false alarms", every.false_per_day, "/series/day"),
        ("critical: precision", severe.precision, ""),
        ("critical: recall", severe.recall, ""),
        ("critical: false alarms", severe.false_per_day, "/series/day"),
    ]


if __name__ == "__main__":
    main()
