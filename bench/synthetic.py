"""Grids of made-up series whose truth is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey

__all__ = ["HOUR", "MONDAY", "daily", "hourly", "hours", "noise"]

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hourly(values: Floats, unit: str = "") -> Grid:
    """Rows of hourly values from a Monday's midnight on."""
    rows = np.atleast_2d(values)
    keys = tuple(SeriesKey(f"source-{row}", "metric", unit=unit) for row in range(len(rows)))
    return Grid(keys, MONDAY, HOUR, rows)


def noise(rows: int, days: int, rho: float = 0.0, seed: int = 0) -> Floats:
    """Normal noise whose neighbours correlate by `rho`; 1 is a random walk."""
    random = np.random.default_rng(seed)
    found = random.normal(size=(rows, days * 24))
    for column in range(1, found.shape[1]):
        found[:, column] += rho * found[:, column - 1]
    return found


def hours(days: int) -> Floats:
    return np.arange(days * 24, dtype=np.float64)


def daily(days: int) -> Floats:
    """A season of the day, between -1 and 1."""
    return np.sin(2 * np.pi * hours(days) / 24)
