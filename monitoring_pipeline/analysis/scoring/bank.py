"""A bank of plain detectors: the distance to a running mean, in running standard deviations. No seasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.scoring.telling import Flags, Floats, Integers

__all__ = ["FLATLINE", "GAP", "LEVEL_SHIFT", "NONE", "Detector", "Scored"]

NONE, SPIKE, FLATLINE, LEVEL_SHIFT, GAP = range(5)
_COLUMNS = {"mean": np.float64, "variance": np.float64, "points": np.int64, "factor": np.float64}
_LEARNING, _WEIGHT, _SIGMAS = 50, 0.01, 4.0


class Scored(NamedTuple):
    """What was made of points, a place each; `event` is one of the codes."""

    score: Floats
    expected: Floats
    low: Floats
    high: Floats
    learning: Flags
    is_alert: Flags
    is_critical: Flags
    event: NDArray[np.int8]


class Detector:
    """The state of many series as columns."""

    def __init__(self, calendar: Calendar | None = None) -> None:
        self.columns: dict[str, NDArray[Any]] = {name: np.zeros(0, kind) for name, kind in _COLUMNS.items()}

    def add(self, *, factor: float = 1.0) -> None:
        """Adds a series."""
        for name, column in self.columns.items():
            fresh = np.full(1, factor if name == "factor" else 0, column.dtype)
            self.columns[name] = np.concatenate([column, fresh])

    def update(self, index: Integers, times: Integers, values: Floats, trains: Flags) -> Scored:
        """Scores one point each of some series, and learns from those that train."""
        mean, variance, points, factor = (self.columns[name][index] for name in _COLUMNS)
        learning = points < _LEARNING
        scale = np.sqrt(variance) + 1e-9 * np.maximum(1.0, np.abs(mean))
        distance = values - mean
        score = np.where(learning, 0.0, np.abs(distance) / (_SIGMAS * scale)) * factor
        weight = np.maximum(_WEIGHT, 1 / (points + 1.0)) * trains
        step = np.where(learning, distance, np.clip(distance, -3 * scale, 3 * scale))
        self.columns["mean"][index] = mean + weight * step
        self.columns["variance"][index] = (1 - weight) * (variance + weight * step**2)
        self.columns["points"][index] = points + trains
        low, high = mean - _SIGMAS * scale, mean + _SIGMAS * scale
        return Scored(score, mean, low, high, learning, score >= 2, score >= 3, np.zeros(len(index), np.int8))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state."""
        return dict(self.columns)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Detector:
        """The bank that `to_arrays` gave."""
        bank = cls()
        bank.columns = {name: np.array(arrays[name]) for name in _COLUMNS}
        return bank
