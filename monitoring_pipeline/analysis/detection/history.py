"""Scoring what has passed, by the same steps as online: so both say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.detection.detector import Detector, Scored
from monitoring_pipeline.analysis.detection.memory import Floats, Integers

__all__ = ["score_history"]


def score_history(
    detector: Detector,
    index: NDArray[np.int64],
    times: Sequence[Integers],
    values: Sequence[Floats],
    trains: Sequence[NDArray[np.bool_]] | None = None,
) -> list[Scored]:
    """Scores whole histories: of each series `index` of the detector its moments (microseconds, ascending) and values,
    as if every point had just arrived; `trains` says which points are learnt (all, if nothing is said).

    The n-th points of all series are one step, so it is as fast as there are series. The detector has learnt all of it
    afterwards.
    """
    trains = trains or [np.ones(len(each), dtype=bool) for each in times]
    lengths = np.array([len(each) for each in times], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    shape = int(lengths.max(initial=0)), len(lengths)
    moments, numbers, learns = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape, bool)
    for column, place in enumerate(order):
        moments[: lengths[place], column] = times[place]
        numbers[: lengths[place], column] = values[place]
        learns[: lengths[place], column] = trains[place]
    columns = np.asarray(index, dtype=np.int64)[order]
    out: dict[str, NDArray[Any]] = {name: np.empty(shape, dtype) for name, dtype in _TYPES.items()}
    widths = np.searchsorted(-lengths[order], -np.arange(shape[0]), side="left")
    for turn, width in enumerate(widths.tolist()):
        scored = detector.update(columns[:width], moments[turn, :width], numbers[turn, :width], learns[turn, :width])
        for name, filled in out.items():
            filled[turn, :width] = getattr(scored, name)
    rank = np.argsort(order, kind="stable")
    return [
        Scored(**{name: filled[:length, column].copy() for name, filled in out.items()})
        for length, column in zip(lengths.tolist(), rank.tolist(), strict=True)
    ]


_TYPES: dict[str, type[np.generic]] = {
    "score": np.float64, "expected": np.float64, "low": np.float64, "high": np.float64, "learning": np.bool_,
    "is_alert": np.bool_, "is_critical": np.bool_, "event": np.int8,
}  # fmt: skip
