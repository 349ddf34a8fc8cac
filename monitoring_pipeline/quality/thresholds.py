"""Scores judged by how low they may be: what a framework only measured becomes a finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.outcome import Examination, Finding
from monitoring_pipeline.quality.score import composite, dimension_scores
from monitoring_pipeline.quality.spec import FloorsSpec, SuiteSpec
from monitoring_pipeline.records import Severity

__all__ = ["judged"]


def judged(found: Examination, suite: SuiteSpec) -> Examination:
    """What was found with a finding for each threshold of the suite added; they weigh nothing in scores."""
    if not suite.thresholds or found.problem:
        return found
    scores = dimension_scores(found.findings, found.scores)
    whole = composite(scores, suite.dimension_weights)
    return replace(found, findings=(*found.findings, *_findings(suite, scores, whole)))


def _findings(suite: SuiteSpec, scores: Mapping[Dimension, float], whole: float | None) -> Iterator[Finding]:
    for name, floors in suite.thresholds.items():
        title = "score" if name == "score" else f"score of {name}"
        dimension = Dimension.VALIDITY if name == "score" else name
        severity, met, text = _verdict(floors, whole if name == "score" else scores.get(name))
        yield Finding(title, "threshold", text, met, dimension, severity, weight=0.0)


def _verdict(floors: FloorsSpec, score: float | None) -> tuple[Severity, bool | None, str]:
    levels = [(Severity.CRITICAL, floors.critical), (Severity.WARNING, floors.warning)]
    given = [(severity, floor) for severity, floor in levels if floor is not None]
    if score is None:
        return given[0][0], None, "no score is known"
    for severity, floor in given:
        if score < floor:
            return severity, False, f"{score:.4g} is below {floor:g}"
    return given[0][0], True, f"{score:.4g}, at least {max(floor for _, floor in given):g} is expected"
