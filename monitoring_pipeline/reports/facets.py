"""What is known of sources beyond their checks, ready to be shown: quality of data, what is strange now, promises.

Everything here is rounded as people read it, so that what did not change for them is equal to what it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitoring_pipeline.analysis.sla.standing import Standing
from monitoring_pipeline.records import Severity, Source, Status
from monitoring_pipeline.reports.anomalies import Strange
from monitoring_pipeline.reports.quality import SourceQuality
from monitoring_pipeline.reports.sla import forecast_sentence, percent_text, subject_name

__all__ = ["NO_FACETS", "Board", "ComponentFacets", "Facets", "PromiseFacet", "QualityFacet", "StrangeFacet", "board",
           "promise_facet"]  # fmt: skip

_DAY = "%Y-%m-%d"


@dataclass(frozen=True, slots=True)
class QualityFacet:
    """The suites of a source together. `score` is 0-100, None when unknown; `reason` is that of the worst suite.

    `incomplete` says that the score leaves out what is not known.
    """

    status: Status
    score: float | None
    reason: str
    suites: int
    expectations: int
    failed: int
    unjudged: int
    incomplete: bool


@dataclass(frozen=True, slots=True)
class StrangeFacet:
    """The worst of what is strange now, in a sentence; `more` is how much else of the source is."""

    metric: str
    severity: Severity
    score: float | None
    text: str
    began: datetime
    more: int = 0


@dataclass(frozen=True, slots=True)
class PromiseFacet:
    """One promise in its present period. `left` is percent of the error budget, below zero once overspent.

    `status` is critical when it is missed, a warning when its budget will not last, unknown when nothing is known.
    """

    objective: str
    subject: str
    kind: str
    target: float
    status: Status
    reached: str
    left: float | None
    period: str
    forecast: str


@dataclass(frozen=True, slots=True)
class Facets:
    """Of one source. Without a suite there is no quality, and `strange` is None while nothing is."""

    quality: QualityFacet | None = None
    strange: StrangeFacet | None = None
    promises: tuple[PromiseFacet, ...] = ()

    @property
    def tightest(self) -> PromiseFacet | None:
        """The promise that is worst off."""
        return self.promises[0] if self.promises else None


@dataclass(frozen=True, slots=True)
class ComponentFacets:
    """Of one component: the mean quality of its sources, how many are strange, its promises by status."""

    quality: float | None = None
    quality_status: Status | None = None
    strange: int = 0
    strange_severity: Severity = Severity.INFO
    promises: int = 0
    missed: int = 0
    promise_status: Status | None = None


NO_FACETS = Facets()


@dataclass(frozen=True, slots=True)
class Board:
    """The facets of everything as of `at`, by id; sources of which nothing is known beyond checks have none."""

    at: datetime
    sources: Mapping[str, Facets] = field(default_factory=dict)
    components: Mapping[str, ComponentFacets] = field(default_factory=dict)

    @property
    def is_wide(self) -> bool:
        """Whether any source has a suite or a promise."""
        return any(each.quality or each.promises for each in self.sources.values())


def board(
    sources: Sequence[Source], quality: Iterable[SourceQuality], strange: Iterable[Strange],
    standings: Iterable[Standing], at: datetime,
) -> Board:  # fmt: skip
    """Brings together what is known of `sources`; of `strange` only what goes on counts."""
    qualities = {found.source: _quality(found) for found in quality if found.suites}
    stranger: dict[str, list[Strange]] = defaultdict(list)
    for each in strange:
        if each.is_open:
            stranger[each.source].append(each)
    promised: dict[str, list[PromiseFacet]] = defaultdict(list)
    for standing in standings:
        facet = promise_facet(standing)
        for source in standing.promise.sources:
            promised[source].append(facet)
    known = {}
    for name in (source.id for source in sources):
        promises = tuple(sorted(promised.get(name, ()), key=_worst_first))
        facets = Facets(qualities.get(name), _strangest(stranger.get(name, ())), promises)
        if facets != NO_FACETS:
            known[name] = facets
    return Board(at, known, _of_components(sources, known))


def _quality(found: SourceQuality) -> QualityFacet:
    worst = max(found.suites, key=lambda view: view.status.rank)
    runs = [view.run for view in found.suites if view.run is not None and not view.overdue]
    return QualityFacet(
        found.status, None if found.score is None else round(found.score, 2), worst.reason, len(found.suites),
        sum(run.expectations for run in runs), sum(run.failed for run in runs), sum(run.errors for run in runs),
        found.incomplete,
    )  # fmt: skip


def _strangest(found: Sequence[Strange]) -> StrangeFacet | None:
    if not found:
        return None
    worst = max(found, key=lambda each: (each.severity.rank, each.score or 0.0, each.began))
    score = None if worst.score is None else round(worst.score, 1)
    return StrangeFacet(worst.metric, worst.severity, score, worst.text, worst.began, len(found) - 1)


def promise_facet(standing: Standing) -> PromiseFacet:
    """How one promise stands."""
    budget, gone = standing.budget, standing.exhausted_at
    status = {None: Status.UNKNOWN, False: Status.CRITICAL, True: Status.HEALTHY}[standing.kept]
    if status is Status.HEALTHY and gone is not None:
        status = Status.WARNING
    spec, period = standing.promise.spec, standing.period
    return PromiseFacet(
        standing.promise.objective, subject_name(standing.promise), spec.kind, spec.target, status,
        percent_text(standing.account.attained),
        None if budget.left_share is None or standing.kept is None else round(100 * budget.left_share, 1),
        period.name, forecast_sentence(standing, f"{gone:{_DAY}}" if gone is not None else ""),
    )  # fmt: skip


def _worst_first(facet: PromiseFacet) -> tuple[int, float, str]:
    return (-facet.status.rank, 101.0 if facet.left is None else facet.left, facet.objective)


def _of_components(sources: Sequence[Source], found: Mapping[str, Facets]) -> dict[str, ComponentFacets]:
    members: dict[str, list[Facets]] = defaultdict(list)
    for source in sources:
        if source.id in found:
            members[source.component].append(found[source.id])
    return {component: _together(facets) for component, facets in members.items()}


def _together(members: Sequence[Facets]) -> ComponentFacets:
    qualities = [each.quality for each in members if each.quality is not None]
    scores = [quality.score for quality in qualities if quality.score is not None]
    strange = [each.strange for each in members if each.strange is not None]
    # One promise may be about several sources of the component.
    promises = {(facet.objective, facet.subject): facet for each in members for facet in each.promises}.values()
    return ComponentFacets(
        round(sum(scores) / len(scores), 2) if scores else None, _worst(quality.status for quality in qualities),
        len(strange), max((each.severity for each in strange), key=lambda each: each.rank, default=Severity.INFO),
        len(promises), sum(facet.status is Status.CRITICAL for facet in promises),
        _worst(facet.status for facet in promises),
    )  # fmt: skip


def _worst(statuses: Iterable[Status]) -> Status | None:
    return max(statuses, key=lambda status: status.rank, default=None)
