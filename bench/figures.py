"""Figures out of many measurements."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

__all__ = ["Row", "file_system", "quantile", "quantile_rows"]

Row = tuple[str, Any, str]
"""What was measured, its value and its unit: a line of a benchmark's table."""


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed; 0 without any."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def quantile_rows(what: str, values_ms: Sequence[float], *shares: float) -> list[Row]:
    """A row per share, such as p50, and one for the greatest value."""
    rows: list[Row] = [(f"{what} p{share * 100:g}", float(quantile(values_ms, share)), "ms") for share in shares]
    return [*rows, (f"{what} max", float(max(values_ms, default=0.0)), "ms")]


def file_system() -> str:
    """Where the stores lie that are measured: what a commit costs depends on it."""
    folder = Path(tempfile.gettempdir()).resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    found = next((mount for mount in (folder, *folder.parents) if mount in mounts), None)
    return f"stores on {mounts[found] if found else 'an unknown file system'}"
