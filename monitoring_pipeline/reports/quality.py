"""How good the data of sources are: what every surface shows of quality suites, computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.quality.due import REPORT_HOLDS, is_overdue
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.records import QualityRun, Status, worst

__all__ = [
    "SourceQuality",
    "SuiteView",
    "quality_document",
    "run_document",
    "source_quality",
    "suite_views",
]

_FORGOTTEN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SuiteView:
    """A suite and its last run. `spec` is None for what somebody pushed, `run` None before the first one.

    `status` is the run's, but unknown where the run is older than it should be (`overdue`): nobody knows how the data
    are now.
    """

    suite: str
    source: str
    spec: SuiteSpec | None
    run: QualityRun | None
    status: Status
    reason: str
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class SourceQuality:
    """All suites of a source. `score` (0-100, None when unknown) and `dimensions` are means over what is known.

    `incomplete` tells that something is not: the score is that of a part.
    """

    source: str
    status: Status
    score: float | None
    dimensions: Mapping[str, float]
    suites: tuple[SuiteView, ...]

    @property
    def incomplete(self) -> bool:
        unknown = any(view.status is Status.UNKNOWN or (view.run and view.run.incomplete) for view in self.suites)
        return self.score is not None and unknown


def suite_views(suites: Mapping[str, SuiteSpec], runs: Sequence[QualityRun], now: datetime) -> list[SuiteView]:
    """Every enabled suite that is configured and what was pushed in the last 30 days, by source and suite.

    What ran here and is configured no more is gone.
    """
    newest = {(run.source, run.suite): run for run in runs}
    views = [_view(name, spec, newest.get((spec.source, name)), now) for name, spec in suites.items() if spec.enabled]
    views += [
        _pushed(run, now) for run in runs if run.suite not in suites and run.reported and run.at >= now - _FORGOTTEN
    ]
    return sorted(views, key=lambda view: (view.source, view.suite))


def _view(name: str, spec: SuiteSpec, run: QualityRun | None, now: datetime) -> SuiteView:
    if run is None:
        why = "it was not reported yet" if spec.reported else "it has not run yet"
        return SuiteView(name, spec.source, spec, None, Status.UNKNOWN, why)
    if is_overdue(spec, run.started, now):
        age = timedelta(minutes=(now - run.at) // timedelta(minutes=1))
        why = f"its last run is {format_duration(age)} old"
        return SuiteView(name, spec.source, spec, run, Status.UNKNOWN, why, overdue=True)
    return SuiteView(name, spec.source, spec, run, run.status, run.message)


def _pushed(run: QualityRun, now: datetime) -> SuiteView:
    if run.at >= now - REPORT_HOLDS:
        return SuiteView(run.suite, run.source, None, run, run.status, run.message)
    why = f"it was reported {format_duration(timedelta(hours=(now - run.at) // timedelta(hours=1)))} ago"
    return SuiteView(run.suite, run.source, None, run, Status.UNKNOWN, why, overdue=True)


def source_quality(source: str, views: Iterable[SuiteView]) -> SourceQuality:
    """The suites of one source together; what is unknown by now counts for no score."""
    chosen = tuple(view for view in views if view.source == source)
    known = [view.run for view in chosen if view.run is not None and not view.overdue]
    scores = [run.score for run in known if run.score is not None]
    found: dict[str, list[float]] = {}
    for run in known:
        for dimension, score in run.dimensions.items():
            found.setdefault(dimension, []).append(score)
    return SourceQuality(
        source, worst(view.status for view in chosen), sum(scores) / len(scores) if scores else None,
        {dimension: sum(each) / len(each) for dimension, each in found.items()}, chosen,
    )  # fmt: skip


def quality_document(quality: SourceQuality) -> dict[str, Any]:
    """One source with its suites, as JSON shows it."""
    return {
        "source": quality.source,
        "status": quality.status.value,
        "score": quality.score,
        "incomplete": quality.incomplete,
        "dimensions": dict(quality.dimensions),
        "suites": [_suite_document(view) for view in quality.suites],
    }


def _suite_document(view: SuiteView) -> dict[str, Any]:
    run = view.run
    return {
        "suite": view.suite,
        "status": view.status.value,
        "reason": view.reason,
        "configured": view.spec is not None,
        "blocking": view.spec is not None and view.spec.blocking,
        "run": run_document(run) if run is not None else None,
    }


def run_document(run: QualityRun) -> dict[str, Any]:
    """One run with all it found."""
    return {
        "source": run.source,
        "suite": run.suite,
        "started": run.started,
        "at": run.at,
        "status": run.status.value,
        "score": run.score,
        "incomplete": run.incomplete,
        "rows": run.rows,
        "expectations": run.expectations,
        "failed": run.failed,
        "errors": run.errors,
        "message": run.message,
        "dimensions": dict(run.dimensions),
        "profile": dict(run.profile),
        "findings": [dict(finding) for finding in run.findings],
    }
