"""The isolation forest beside the scores: which of both puts labelled points first, and whether they do so together.

    python -m bench.isolation --labels FILE

FILE is as that of `bench.anomaly`; without one, series are made up as there. Each day after the first quarter, and the
first eight days, is judged by a forest that knows the fortnight before; `--days` bounds how many of a series.
"""

from __future__ import annotations

import argparse
import time
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from bench.anomaly import Labelled, read, score, waves
from bench.episodes import LEARNING
from bench.figures import Row
from bench.table import arguments, show
from monitoring_pipeline.analysis.calendars import DAY_US, Calendar
from monitoring_pipeline.analysis.isolation import isolation

__all__ = ["main"]

_FIRST_DAYS, _LEARNT_DAYS, _LEAST = 8, 14, 50
_METHOD = (
    "Average precision over the points that the forest judged, mean over series with a labelled one among them: 1 puts "
    "all labelled points first, chance is their share. Days are drawn with a fixed seed, those with labels first."
)
Precisions = tuple[float, float, float, float]


def main() -> None:
    """Runs the benchmark."""
    options = _options()
    series = read(options.labels) if options.labels else waves(options.quick)
    began = time.process_time()
    judged = [_forest(each, 2 if options.quick else options.days) for each in series]
    took = time.process_time() - began
    days = sum(count for _, count in judged)
    found = [
        (each.family, precisions)
        for each, scored, (votes, _) in zip(series, score(series), judged, strict=True)
        if (precisions := _precisions(each, scored.score, votes)) is not None
    ]
    rows: list[Row] = [("CPU per series and day", 1e3 * took / max(1, days), "ms")]
    for family, part in groupby(sorted(found, key=lambda pair: pair[0]), key=lambda pair: pair[0]):
        rows += _figures(family, [precisions for _, precisions in part])
    rows += _figures("all", [precisions for _, precisions in found])
    show("Isolation forest beside scores", _METHOD, rows, options.json)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labelled series, Parquet; made-up ones without")
    parser.add_argument("--days", type=int, default=40, metavar="N", help="at most so many days of a series")
    return parser.parse_args()


def _forest(series: Labelled, most: int) -> tuple[NDArray[np.float64], int]:
    """What a forest says of each point, NaN where none judged, and of how many days."""
    times, votes, count = series.times * 1_000_000, np.full(len(series.times), np.nan), 0
    if not len(times):
        return votes, 0
    first = max(int(times[int(LEARNING * len(times))]), int(times[0]) + _FIRST_DAYS * DAY_US) // DAY_US
    days = np.random.default_rng(0).permutation(np.arange(first, int(times[-1]) // DAY_US + 1))
    labelled = np.isin(days, times[series.labels] // DAY_US)
    for day in np.concatenate([days[labelled], days[~labelled]])[:most].tolist():
        start, end = np.searchsorted(times, [day * DAY_US, (day + 1) * DAY_US])
        known = int(np.searchsorted(times, (day - _LEARNT_DAYS) * DAY_US))
        learnt = np.ones(end - known, dtype=bool)
        votes[start:end] = isolation(
            times[known:end], series.values[known:end], learnt, int(start) - known, Calendar()
        )  # fmt: skip
        count += 1
    return votes, count


def _precisions(series: Labelled, score: NDArray[np.float64], votes: NDArray[np.float64]) -> Precisions | None:
    """The share of labelled points, and the average precision of scores, of the forest, and of both."""
    counted = np.isfinite(votes) & ~series.ignored
    labels, own, other = series.labels[counted], np.nan_to_num(score[counted]), votes[counted]
    if len(labels) < _LEAST or not labels.any():
        return None
    both = np.sqrt(np.maximum(own, 0.0) * other)
    shares = [float(average_precision_score(labels, each)) for each in (own, other, both)]
    return float(labels.mean()), shares[0], shares[1], shares[2]


def _figures(family: str, found: list[Precisions]) -> list[Row]:
    if not found:
        return []
    names = ("chance", "scores", "forest", "both")
    means = np.mean(np.array(found), axis=0)
    return [
        (f"{family}, {len(found)} series: {name}", float(mean), "") for name, mean in zip(names, means, strict=True)
    ]


if __name__ == "__main__":
    main()
