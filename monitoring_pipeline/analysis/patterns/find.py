"""All patterns of a stretch of time, with what chance explains left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo

from monitoring_pipeline.analysis.patterns.bursts import find_bursts
from monitoring_pipeline.analysis.patterns.pattern import Failures, Pattern, kept
from monitoring_pipeline.analysis.patterns.periodic import find_periodic
from monitoring_pipeline.analysis.patterns.precursors import find_precursors
from monitoring_pipeline.analysis.patterns.together import find_together
from monitoring_pipeline.analysis.series import Grid

__all__ = ["FALSE_SHARE", "Known", "find_patterns"]

FALSE_SHARE = 0.01
"""The share of what each kind finds that may be false."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the sources beside their failures: check intervals and dependencies, and the wall clock."""

    zone: tzinfo = UTC
    intervals: Mapping[str, timedelta] = field(default_factory=dict)
    depends_on: Mapping[str, Sequence[str]] = field(default_factory=dict)


def find_patterns(failures: Failures, grid: Grid | None = None, known: Known | None = None) -> list[Pattern]:
    """Every kind of pattern, the surest first within each kind. `grid` has the metrics to look for precursors in."""
    known = known or Known()
    sources = len(failures.onsets)
    found = kept(find_periodic(failures, known.zone, known.intervals), sources, FALSE_SHARE)
    found += kept(find_bursts(failures), sources, FALSE_SHARE)
    pairs, possible = find_together(failures, known.depends_on)
    found += kept(pairs, possible, FALSE_SHARE)
    if grid is not None:
        announced, looked_at = find_precursors(failures, grid)
        found += kept(announced, looked_at, FALSE_SHARE)
    return found
