"""Scoring as the product does it: a point of each series, with and without the store, and learning weeks anew.

Series have a day's wave, noise and now and then a spike, and come every five minutes. A tick is one point of each:
computed from arrays; from rows as they are read; and in a transaction of the operational store that records the points,
scores them, writes what follows and moves the mark. Learning anew is what `busta sources relearn` does after it has
read history: all points of 28 days, series by series, told to nobody.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.figures import Row, file_system, quantile_rows
from bench.table import arguments, show
from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.scoring.checkpoints import FileCheckpoints
from monitoring_pipeline.analysis.scoring.machine_code import load
from monitoring_pipeline.analysis.scoring.online import Scoring
from monitoring_pipeline.analysis.scoring.relearning import Past, relearn
from monitoring_pipeline.analysis.scoring.scorer import Scorer
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.records import Sample
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.results import insert_samples
from monitoring_pipeline.store.scores import Known, Points

__all__ = ["main"]

# Not across a change of clocks: a rhythm that keeps to UTC is strange for two days then, and each point is looked at
# by all trees.
_START = datetime(2026, 4, 6, tzinfo=UTC)
_INTERVAL = timedelta(minutes=5)
_CALENDAR = Calendar("Europe/Berlin")


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--series", type=int, default=5_000, metavar="N", help="how many series")
    parser.add_argument("--days", type=int, default=28, metavar="N", help="how much is learnt anew")
    parser.add_argument("--ticks", type=int, default=100, metavar="N", help="how many ticks are measured")
    options = parser.parse_args()
    if options.quick:
        options.series, options.days, options.ticks = min(options.series, 500), min(options.days, 3), 10
    rng = np.random.default_rng(1)
    scorer, rows = _learn(rng, options)
    rows += _ticks(rng, scorer, options)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows += _stored(rng, scorer, Path(folder), options)
    method = (
        f"{options.series:,} series, one point in five minutes; {options.days} days learnt; {options.ticks} ticks; "
        f"{file_system()}"
    )
    show("Scoring", method, rows, options.json)


def _spec(options: argparse.Namespace) -> AnalysisSpec:
    return AnalysisSpec(timezone="Europe/Berlin", max_series=options.series)


def _known(count: int, points: int) -> list[Known]:
    return [Known(f"source-{number:05d}", "web", "response_time_ms", "{}", "ms", points) for number in range(count)]


def _values(rng: np.random.Generator, moment: int, count: int) -> NDArray[np.float64]:
    """A value of each series at a moment (microseconds)."""
    phase = np.arange(count) / count
    wave = 1 + 0.4 * np.sin(2 * np.pi * (moment / 86_400e6 + phase))
    spikes = 1 + 4 * (rng.random(count) < 1e-4)
    return np.asarray((100 + 200 * phase) * wave * np.exp(0.08 * rng.standard_normal(count)) * spikes)


def _history(rng: np.random.Generator, options: argparse.Namespace) -> Points:
    times = to_us(_START) + np.arange(options.days * 288, dtype=np.int64) * round(_INTERVAL.total_seconds() * 1e6)
    values = np.stack([_values(rng, moment, options.series) for moment in times.tolist()])
    series = np.tile(np.arange(options.series), len(times))
    return Points(series, np.arange(len(series)), np.repeat(times, options.series), values.ravel())


def _learn(rng: np.random.Generator, options: argparse.Namespace) -> tuple[Scorer, list[Row]]:
    points = _history(rng, options)
    wanted = _known(options.series, len(points.series) // options.series)
    load()
    began, cpu = time.perf_counter(), time.process_time()
    scorer = relearn(_spec(options), _CALENDAR, wanted, [points], Past())
    spent = time.process_time() - cpu
    arrays = scorer.to_arrays()
    return scorer, [
        (f"learning {options.days} days anew", time.perf_counter() - began, "s"),
        ("processor time of that", spent, "s"),
        ("points per second and core, learning", len(points.series) / spent, "1/s"),
        ("what is remembered of a series", sum(array.nbytes for array in arrays.values()) / options.series / 1e3, "KB"),
    ]


def _moments(options: argparse.Namespace, count: int, first: int = 0) -> Iterator[int]:
    end = _START + timedelta(days=options.days)
    return (to_us(end + (first + number) * _INTERVAL) for number in range(count))


def _ticks(rng: np.random.Generator, scorer: Scorer, options: argparse.Namespace) -> list[Row]:
    numbers = np.arange(options.series)
    gc.freeze()
    computed, told = [], []
    for moment in _moments(options, options.ticks):
        values = _values(rng, moment, options.series)
        began = time.perf_counter()
        for _ in scorer.run(numbers, np.full(options.series, moment), values):
            pass
        computed.append(time.perf_counter() - began)
    for moment in _moments(options, options.ticks, options.ticks):
        values = _values(rng, moment, options.series).tolist()
        rows = [
            (number, name.source, name.check, name.metric, "ms", name.tags, moment, value)
            for number, (name, value) in enumerate(zip(scorer.roster.names, values, strict=True))
        ]
        began = time.perf_counter()
        scorer.take(rows)
        told.append(time.perf_counter() - began)
    return [
        *quantile_rows("a tick of all series, computed", [each * 1000 for each in computed], 0.5, 0.95),
        *quantile_rows("the same from rows, with what is to be recorded", [each * 1000 for each in told], 0.5, 0.95),
    ]


def _stored(rng: np.random.Generator, scorer: Scorer, folder: Path, options: argparse.Namespace) -> list[Row]:
    spent, written = [], []
    ticks = max(5, options.ticks // 5)
    with contextlib.closing(OperationalStore.open(f"sqlite:///{folder / 'operational.db'}", _START)) as store:
        scoring = Scoring(store, _spec(options), _CALENDAR, FileCheckpoints(folder / "scoring.state"))
        scoring.load()
        with store.write() as connection:
            scoring.advance(connection, _START)
        scoring.adopt(scorer, 0)
        began = time.perf_counter()
        scoring.load()
        loading = time.perf_counter() - began
        for moment in _moments(options, ticks, 2 * options.ticks):
            values = _values(rng, moment, options.series).tolist()
            found = [
                Sample(name.source, name.metric, from_us(moment), value, "ms", name.check)
                for name, value in zip(scorer.roster.names, values, strict=True)
            ]
            began = time.perf_counter()
            with store.write() as connection:
                insert_samples(connection, found)
                scoring.advance(connection, from_us(moment))
            spent.append(time.perf_counter() - began)
        began = time.perf_counter()
        scoring.write()
        written.append(time.perf_counter() - began)
    return [
        *quantile_rows(
            "a tick of all series, recorded, scored and committed", [each * 1000 for each in spent], 0.5, 0.95
        ),
        ("reading what was learnt", loading * 1000, "ms"),
        ("writing it down", written[0] * 1000, "ms"),
    ]


if __name__ == "__main__":
    main()
