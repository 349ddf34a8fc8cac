"""From findings to scores: 0-100 per dimension, and one for all.

An expectation that is met counts 1; one that is not counts as the share of values or rows that meet it,
and 0 where it is about the table as a whole. What could not be found out counts for nothing, good or bad.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.outcome import Finding

__all__ = ["composite", "dimension_scores"]


def dimension_scores(
    findings: Iterable[Finding], given: Mapping[Dimension, float] | None = None
) -> dict[Dimension, float]:
    """The weighted mean of each dimension's findings, 0-100; `given` scores count where no finding does.

    Dimensions of which nothing is known are left out.
    """
    weights: dict[Dimension, float] = defaultdict(float)
    sums: dict[Dimension, float] = defaultdict(float)
    for finding in findings:
        if finding.met is not None and finding.weight > 0:
            share = 1.0 if finding.met else (finding.share or 0.0)
            weights[finding.dimension] += finding.weight
            sums[finding.dimension] += finding.weight * share
    found = {dimension: 100 * sums[dimension] / weights[dimension] for dimension in Dimension if dimension in weights}
    return {dimension: value for dimension, value in (given or {}).items() if dimension not in found} | found


def composite(scores: Mapping[Dimension, float], weights: Mapping[Dimension, float] | None = None) -> float | None:
    """The weighted mean of the dimensions, 0-100; None when nothing is known. A weight is 1 unless given."""
    weights = weights or {}
    known = [(score, weights.get(dimension, 1.0)) for dimension, score in scores.items()]
    total = sum(weight for _, weight in known)
    return sum(score * weight for score, weight in known) / total if total > 0 else None
