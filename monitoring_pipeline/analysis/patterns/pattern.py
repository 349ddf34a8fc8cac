"""What a pattern is, and the failures it is found in.

Every kind asks how often chance alone would do as much, with a null that keeps whatever else is true of
the failures: their number, their clusters, their hours of the day. What is kept controls the share of false
discoveries (Benjamini and Hochberg) over all sources at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.series import false_discoveries
from monitoring_pipeline.clock import from_us, to_us

__all__ = ["Failures", "Moments", "Pattern", "PatternKind", "apart", "kept", "latest", "poisson_tail"]

Moments = NDArray[np.int64]
"""Microseconds since 1970 (UTC), ascending."""


class PatternKind(StrEnum):
    """What a pattern is about."""

    PERIODIC = "periodic"
    BURST = "burst"
    TOGETHER = "together"
    PRECURSOR = "precursor"


@dataclass(frozen=True, slots=True)
class Failures:
    """When each source became critical within [since, until)."""

    since: datetime
    until: datetime
    onsets: Mapping[str, Moments]

    @property
    def span_us(self) -> int:
        return to_us(self.until) - to_us(self.since)

    def often(self, at_least: int) -> dict[str, Moments]:
        """The sources that failed so many times."""
        return {source: moments for source, moments in self.onsets.items() if len(moments) >= at_least}


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern of `source`: `support` of its `total` failures show it, where chance would make `expected`.

    `other` is the second source or the metric. `p_value` is corrected for all that was tried on this source,
    `q_value` for all sources. `examples` are failures a person can look at; `detail` is kind-specific.
    """

    kind: PatternKind
    source: str
    text: str
    p_value: float
    support: int
    total: int
    expected: float
    other: str = ""
    q_value: float = 1.0
    first: datetime | None = None
    last: datetime | None = None
    examples: tuple[datetime, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lift(self) -> float:
        """How many times more often than by chance."""
        return self.support / self.expected if self.expected else math.inf


def kept(found: Sequence[Pattern], tests: int, false_share: float) -> list[Pattern]:
    """Those that may be believed when at most this share of them is to be false, the surest first."""
    adjusted = false_discoveries(np.array([each.p_value for each in found]), tests)
    judged = [replace(each, q_value=float(q)) for each, q in zip(found, adjusted, strict=True) if q <= false_share]
    return sorted(judged, key=lambda each: (each.q_value, each.source, each.other))


def apart(moments: Moments, least: timedelta) -> Moments:
    """Without those that follow the one before within `least`: a source that flaps fails once."""
    if len(moments) < 2:
        return moments
    far = np.diff(moments) >= least // timedelta(microseconds=1)
    return moments[np.concatenate(([True], far))]


def poisson_tail(count: int, mean: float) -> float:
    """The probability of `count` or more events where `mean` are expected."""
    if count <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    if count <= mean:
        return 1.0
    # The series of the upper tail: its terms fall at least geometrically.
    term = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    total, number = 0.0, count
    while term > 1e-17 * (total or 1.0) and number < count + 10_000:
        total += term
        number += 1
        term *= mean / number
    return min(1.0, total)


def latest(moments: Moments, most: int = 5) -> tuple[datetime, ...]:
    """The last few of them."""
    return tuple(from_us(int(moment)) for moment in moments[-most:])
