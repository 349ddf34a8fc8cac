"""Bursts: more failures within a while than a source's own rate makes by chance.

A scan: every run of 4, 6, 10 or 20 failures in a row is a window, and the chance that its length holds so
many is that of a Poisson number, corrected for all windows that were looked at (Bonferroni, which is
conservative here because windows overlap).
"""

from __future__ import annotations

from collections.abc import Iterator

from monitoring_pipeline.analysis.patterns.pattern import (
    Failures,
    Moments,
    Pattern,
    PatternKind,
    latest,
    poisson_tail,
)
from monitoring_pipeline.clock import format_duration, from_us

__all__ = ["find_bursts"]

_RUNS = (4, 6, 10, 20)
_MOST = 3


def find_bursts(failures: Failures) -> list[Pattern]:
    """The clearest bursts of each source that may have some, at most three, not yet corrected for the sources."""
    found = []
    for source, moments in failures.often(_RUNS[0]).items():
        taken: list[tuple[int, int]] = []
        for p_value, first, last in sorted(_windows(moments, failures.span_us)):
            if len(taken) == _MOST or p_value > 0.05:
                break
            if all(last < begin or first > end for begin, end in taken):
                taken.append((first, last))
                found.append(_pattern(source, moments, failures, p_value, first, last))
    return found


def _windows(moments: Moments, span: int) -> Iterator[tuple[float, int, int]]:
    rate, tries = len(moments) / span, len(moments) * len(_RUNS)
    for run in _RUNS:
        for first in range(len(moments) - run + 1):
            length = int(moments[first + run - 1] - moments[first])
            yield min(1.0, tries * poisson_tail(run - 1, rate * length)), first, first + run - 1


def _pattern(source: str, moments: Moments, failures: Failures, p_value: float, first: int, last: int) -> Pattern:
    begin, end = from_us(int(moments[first])), from_us(int(moments[last]))
    count, length = last - first + 1, int(moments[last] - moments[first])
    expected = len(moments) * length / failures.span_us
    minutes = round((end - begin).total_seconds() / 60)
    lasted = format_duration(type(end - begin)(minutes=max(1, minutes)))
    text = f"{count} failures within {lasted} on {begin:%a %Y-%m-%d %H:%M} UTC, {expected:.2g} expected by its rate"
    return Pattern(
        PatternKind.BURST, source, text, p_value, count, len(moments), expected, first=begin, last=end,
        examples=latest(moments[first : last + 1]), detail={"seconds": length / 1e6},
    )  # fmt: skip
