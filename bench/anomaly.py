"""Anomaly detection: what it finds on labelled series, against customary detectors, and how fast it is.

    python -m bench.anomaly --labels FILE [--pred-out FILE]

FILE is Parquet with series_id (its first part, before a slash, is the family), timestamp, value, is_anomaly and
optionally ignore. The shipped detector scores it at default settings, point by point, without the labels.
`--pred-out` writes series_id, timestamp, score, is_alert, is_critical. Without labels, series are made up.
Labels are read to count (`bench.episodes` tells how), never to score.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.detectors import DETECTORS
from bench.episodes import Tally, tally, total
from bench.figures import Row, quantile_rows
from bench.table import arguments, show
from monitoring_pipeline.analysis.detection import Detector, Scored, score_history
from monitoring_pipeline.analysis.detection.combination import Trees

__all__ = ["Labelled", "main", "read", "score", "waves", "write"]

_SERIES, _DAYS, _TICKS = 5000, 28, 400
_STEP_US, _START_US = 300_000_000, 1_767_571_200_000_000


@dataclass(slots=True)
class Labelled:
    """One series: moments (seconds, ascending), values, labels, and points that are not to be counted."""

    name: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    labels: NDArray[np.bool_]
    ignored: NDArray[np.bool_]

    @property
    def family(self) -> str:
        """The first part of the name."""
        return self.name.split("/")[0]


def main() -> None:
    """Runs the benchmark."""
    options = _options()
    rows: list[Row] = []
    series = read(options.labels) if options.labels else waves(options.quick)
    began = time.perf_counter()
    scored = score(series)
    took = time.perf_counter() - began
    if options.pred_out:
        write(series, scored, options.pred_out)
    points = sum(len(each.times) for each in series)
    rows.append((f"{len(series)} series, {points:,} points scored", took, "s"))
    rows += _accuracy("shipped", series, [each.is_alert for each in scored])
    rows += _accuracy("shipped, critical", series, [each.is_critical for each in scored], families=False)
    if not options.pred_out:
        for name, detect in DETECTORS.items():
            alarms = [detect(each.times, each.values)[1] for each in series]
            rows += _accuracy(name, series, alarms, families=False)
        rows += _speed(options.quick)
    show("Anomaly detection", _METHOD, rows, options.json)


_METHOD = (
    "F1 of events, precision and recall, and false alarms per series and day (bench/episodes.py), all series of a "
    "family together; 'mean of families' is the plain mean of their F1. Alarms of the others as they define them. "
    "Speed: one process, one core, processor time, 5,000 series at once."
)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labelled series, Parquet; made-up ones without")
    parser.add_argument("--pred-out", type=Path, metavar="FILE", help="write scores and alarms to FILE, Parquet")
    return parser.parse_args()


def read(path: Path) -> list[Labelled]:
    """The series of a file, in the order of their names."""
    import pyarrow.parquet as pq

    frame = pq.read_table(path).to_pandas().sort_values(["series_id", "timestamp"], kind="stable")
    if "ignore" not in frame:
        frame["ignore"] = False
    found = []
    for name, part in frame.groupby("series_id", sort=True):
        times = part["timestamp"].to_numpy().astype("datetime64[s]").astype(np.int64)
        values, flags = part["value"].to_numpy(np.float64), part[["is_anomaly", "ignore"]].to_numpy(bool)
        found.append(Labelled(str(name), times, values, flags[:, 0], flags[:, 1]))
    return found


def score(series: list[Labelled], trees: Trees | None = None) -> list[Scored]:
    """The shipped detector at default settings, or one with other trees."""
    detector = Detector(trees=trees)
    index = detector.add(len(series))
    return score_history(detector, index, [each.times * 1_000_000 for each in series], [each.values for each in series])


def write(series: list[Labelled], scored: list[Scored], path: Path) -> None:
    """Writes scores and alarms of every point."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(each, name) for each in scored])

    names = np.repeat([each.name for each in series], [len(each.times) for each in series])
    times = np.concatenate([each.times for each in series]).astype("datetime64[s]")
    columns = {name: joined(name) for name in ("score", "is_alert", "is_critical")}
    pq.write_table(pa.table({"series_id": names, "timestamp": times.astype("datetime64[ms]"), **columns}), path)


def _accuracy(name: str, series: list[Labelled], alarms: list[NDArray[np.bool_]], families: bool = True) -> list[Row]:
    counted = [
        (each.family, tally(each.times, each.labels, each.ignored, found))
        for each, found in zip(series, alarms, strict=True)
    ]
    by_family = {
        family: total(one for _, one in part)
        for family, part in groupby(sorted(counted, key=lambda pair: pair[0]), key=lambda pair: pair[0])
    }
    rows = [row for family, one in by_family.items() for row in _figures(f"{name}: {family}", one)] if families else []
    f1s = [one.f1 for one in by_family.values() if one.events]
    rows += _figures(f"{name}: all", total(by_family.values()))
    return [*rows, (f"{name}: mean of families, F1", float(np.mean(f1s)) if f1s else 0.0, "")]


def _figures(what: str, one: Tally) -> list[Row]:
    shown = f"precision {one.precision:.2f}, recall {one.recall:.2f}, {one.events} events"
    return [(f"{what}, F1 ({shown})", one.f1, ""), (f"{what}, false alarms", one.false_per_day, "/series/day")]


def _speed(quick: bool) -> list[Row]:
    """Ticks of a wide bank that knows its series, and learning four weeks anew."""
    rng = np.random.default_rng(0)
    values = [100 + 10 * rng.standard_normal(_SERIES) for _ in range(50)]
    detector = Detector()
    index, trains = detector.add(_SERIES), np.ones(_SERIES, dtype=bool)
    ticks = _TICKS if quick else _DAYS * 288
    took = []
    for tick in range(ticks):
        times = np.full(_SERIES, _START_US + tick * _STEP_US)
        began = time.process_time()
        detector.update(index, times, values[tick % len(values)], trains)
        took.append(1e3 * (time.process_time() - began))
    late = took[ticks // 4 :]
    return [
        ("points scored and learnt", _SERIES / (float(np.median(late)) / 1e3), "/s/core"),
        *quantile_rows(f"tick of {_SERIES:,} series", late, 0.5, 0.99),
        (f"{_SERIES:,} series x {ticks / 288:.1f} days at 5 min learnt anew", sum(took) / 1e3, "s"),
    ]


def waves(quick: bool) -> list[Labelled]:
    """Waves of a day with noise, of three families of events: spikes, levels that move for an hour, silence."""
    rng, found = np.random.default_rng(1), []
    times = _START_US // 1_000_000 + 300 * np.arange((10 if quick else 28) * 288)
    for family in ("spikes", "levels", "silence"):
        for number in range(2 if quick else 8):
            wave = 100 + 30 * np.sin(times / 86_400 * 2 * np.pi + number) + 3 * rng.standard_normal(len(times))
            labels = np.zeros(len(times), dtype=bool)
            for place in rng.choice(np.arange(len(times) // 4, len(times) - 20), 6, replace=False):
                labels[place : place + (1 if family == "spikes" else 12)] = True
            changed = {"spikes": wave + 30, "levels": wave - 25, "silence": np.zeros_like(wave)}[family]
            found.append(
                Labelled(f"{family}/{number}", times, np.where(labels, changed, wave), labels, ~labels & labels)
            )
    return found


if __name__ == "__main__":
    main()
