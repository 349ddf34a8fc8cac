"""All that is on record about promises in a window, and the accounts that follow: as measured, and corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from monitoring_pipeline.analysis.objective import Promise
from monitoring_pipeline.analysis.sla.account import NOTHING, Account, of_timeline
from monitoring_pipeline.analysis.sla.corrections import patches
from monitoring_pipeline.analysis.sla.facts import Blind, Found, missed_slots, sampled, source_timeline
from monitoring_pipeline.analysis.sla.spans import Span, Verdict, clip, overlay, solid, together, union
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import LedgerEntry, Source
from monitoring_pipeline.store import sla as stored
from monitoring_pipeline.store.quality import unjudged_within
from monitoring_pipeline.store.sla import Counted, GapRow, Piece

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["VIEWS", "Away", "Evidence", "Pair", "Surroundings", "Timelines", "gather", "views_of"]

Away = Callable[[Source, datetime, datetime], Iterable[tuple[datetime, datetime]]]
"""When a source was away for announced maintenance, within a window."""

_GOOD = frozenset({Verdict.GOOD})
VIEWS = {
    "uptime": ("status_changes", "gaps"), "quality": ("samples", "quality_runs"), "freshness": ("samples",),
    "response_time": ("results", "gaps"), "success_rate": ("results", "gaps"),
}  # fmt: skip
"""The views of history that each kind of objective needs."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One stretch, as it was measured and as it is after the corrections of the ledger."""

    measured: Account = NOTHING
    corrected: Account = NOTHING

    def __add__(self, other: Pair) -> Pair:
        return Pair(self.measured + other.measured, self.corrected + other.corrected)


@dataclass(frozen=True, slots=True)
class Timelines:
    """The same as timelines."""

    measured: list[Span]
    corrected: list[Span]


@dataclass(frozen=True)
class Surroundings:
    """What does not lie in history: the sources, what people wrote, how often checks run, and what is overdue.

    `intervals` are by the key of a check, microseconds.
    """

    sources: Mapping[str, Source]
    ledger: Mapping[str, Sequence[LedgerEntry]] = field(default_factory=dict)
    intervals: Mapping[str, int] = field(default_factory=dict)
    blind: Mapping[str, Sequence[Blind]] = field(default_factory=dict)
    away: Away = lambda source, start, end: ()


def views_of(promises: Iterable[Promise], *, exact: bool = True) -> tuple[str, ...]:
    """The views that these promises need, `gaps` always: late ones tell which days to compute again.

    `exact` as in `gather`.
    """
    views = {view for promise in promises for view in VIEWS[promise.spec.kind]} | {"gaps"}
    return tuple(sorted(views | {"results"} if exact else views))


Line = Sequence[tuple[int, float | None]]
"""The values of one series with their moments; None where measuring failed."""


@dataclass(frozen=True)
class Evidence:
    """What is on record in [start, end). Counting results asks history again, so it must stay open."""

    connection: DuckDBPyConnection
    around: Surroundings
    start: datetime
    end: datetime
    statuses: Mapping[str, Sequence[tuple[int, str]]]
    gaps: Mapping[str, Sequence[GapRow]]
    values: Mapping[str, Mapping[str, Sequence[Line]]]
    slices: Mapping[str, Mapping[str, Line]]
    unjudged: Mapping[str, Mapping[str, Sequence[tuple[int, int]]]]

    # -- time ----------------------------------------------------------------------------------------

    def timelines(self, promise: Promise) -> Timelines:
        """The time of a promise about time."""
        start, end = to_us(self.start), to_us(self.end)
        measured, corrected = [], []
        for source in promise.sources:
            away, patched = self._away(promise, source), self._patches(promise, source)
            spans = overlay(self._found(promise, source, start, end), away)
            measured.append(spans)
            corrected.append(overlay(spans, patched))
        redundant = promise.spec.redundant
        before = together(measured, redundant=redundant)
        return Timelines(before, before if corrected == measured else together(corrected, redundant=redundant))

    def _found(self, promise: Promise, source: str, start: int, end: int) -> list[Span]:
        spec, around = promise.spec, self.around
        if spec.kind == "uptime":
            found = Found(self.statuses.get(source, ()), self.gaps.get(source, ()), around.blind.get(source, ()))
            return source_timeline(found, start, end, around.intervals, warning_is_bad=spec.warning == "down")
        if spec.limit is None:
            return solid(start, end, Verdict.UNKNOWN)
        if spec.percentile is not None:
            slices = self.slices.get(promise.objective, {}).get(source, ())
            # A slice says something about itself alone.
            width = spec.slice // timedelta(microseconds=1)
            return sampled(slices, start, end, spec.limit, width, high_is_good=False)
        lines = self.values.get(spec.sampled, {}).get(source, ())
        if not lines:
            return solid(start, end, Verdict.UNKNOWN)
        holds = spec.lasting // timedelta(microseconds=1)
        high = spec.kind == "quality"
        spans = together([sampled(line, start, end, spec.limit, holds, high_is_good=high) for line in lines])
        # A score that leaves out what could not be judged is no proof that all is well.
        unjudged = self.unjudged.get(spec.sampled, {}).get(source, ())
        lasting = [(begin, min(until, begin + holds)) for begin, until in unjudged]
        return overlay(spans, union(lasting, Verdict.UNKNOWN), _GOOD) if unjudged else spans

    def _away(self, promise: Promise, source: str) -> list[Span]:
        if not promise.spec.exclude_maintenance or source not in self.around.sources:
            return []
        found = self.around.away(self.around.sources[source], self.start, self.end)
        return union(((to_us(begin), to_us(until)) for begin, until in found), Verdict.EXCLUDED)

    def _patches(self, promise: Promise, source: str) -> list[Span]:
        entries = self.around.ledger.get(source)
        return patches(entries, promise.objective, promise.spec.terms) if entries else []

    # -- accounts ------------------------------------------------------------------------------------

    def accounts(self, promise: Promise, bounds: Sequence[tuple[datetime, datetime]]) -> list[Pair]:
        """What each of some stretches of the window counts as."""
        edges = [(to_us(begin), to_us(until)) for begin, until in bounds]
        if promise.spec.counts_events:
            return self._event_accounts(promise, edges)
        lines = self.timelines(promise)
        if lines.corrected is lines.measured:
            return [Pair(found, found) for found in (of_timeline(lines.measured, *edge) for edge in edges)]
        return [Pair(of_timeline(lines.measured, *edge), of_timeline(lines.corrected, *edge)) for edge in edges]

    def _event_accounts(self, promise: Promise, edges: Sequence[tuple[int, int]]) -> list[Pair]:
        """Counts results in pieces of time, cut wherever what they count as changes."""
        found = [Pair()] * len(edges)
        pieces: list[_Weighed] = []
        for source in promise.sources:
            away, patched = self._away(promise, source), self._patches(promise, source)
            for number, (begin, until) in enumerate(edges):
                pieces += _cut(number, source, begin, until, away, patched)
        counts = self._counts(promise, pieces)
        for place, piece in enumerate(pieces):
            counted = counts.get(place, Counted(0, 0, 0))
            missed = sum(missed_slots(gap, piece.start, piece.end) for gap in self._gaps(promise, piece.source))
            account = Account(counted.good, counted.bad, counted.unknown + missed)
            found[piece.number] += Pair(_as(account, piece.measured), _as(account, piece.corrected))
        return found

    def _gaps(self, promise: Promise, source: str) -> list[GapRow]:
        return [gap for gap in self.gaps.get(source, ()) if promise.spec.counts(gap.check)]

    def _counts(self, promise: Promise, pieces: Sequence[_Weighed]) -> Mapping[int, Counted]:
        spec = promise.spec
        return stored.event_counts(
            self.connection,
            [Piece(place, piece.source, piece.start, piece.end) for place, piece in enumerate(pieces)],
            slower_than_ms=spec.limit, warning_is_bad=spec.warning == "down", checks=spec.check,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A piece of a source's time in which all results count alike: as they were found (None), or as a verdict."""

    number: int
    source: str
    start: int
    end: int
    measured: Verdict | None
    corrected: Verdict | None


def _cut(number: int, source: str, begin: int, until: int, away: list[Span], patched: list[Span]) -> list[_Weighed]:
    inside = [clip(away, begin, until), clip(patched, begin, until)]
    edges = sorted({begin, until, *(edge for spans in inside for span in spans for edge in span[:2])})
    pieces = []
    for start, end in pairwise(edges):
        excluded, patch = (_at(spans, start) for spans in inside)
        pieces.append(_Weighed(number, source, start, end, excluded, excluded if patch is None else patch))
    return pieces


def _at(spans: Sequence[Span], moment: int) -> Verdict | None:
    return next((span.verdict for span in spans if span.start <= moment < span.end), None)


def _as(account: Account, verdict: Verdict | None) -> Account:
    return account if verdict is None else Account(**{verdict.value: account.total})


def gather(
    connection: DuckDBPyConnection,
    around: Surroundings,
    promises: Collection[Promise],
    start: datetime,
    end: datetime,
    *,
    exact: bool = True,
) -> Evidence:
    """Reads all that is on record about these promises in [start, end); see `views_of`.

    With `exact`, gaps end with the next result, for which results are read; else they are taken to last longer.
    """
    statuses: Mapping[str, Sequence[tuple[int, str]]] = {}
    gaps: dict[str, list[GapRow]] = defaultdict(list)
    if up := _sources(promises, "uptime"):
        statuses = stored.statuses_within(connection, up, start, end)
    if watched := _sources(promises, "uptime", "response_time", "success_rate"):
        for gap in stored.gaps_within(connection, watched, start, end, resumption=exact):
            gaps[gap.source].append(gap)
    values, slices = _values(connection, promises, start, end), _slices(connection, promises, start, end)
    unjudged = _unjudged(connection, promises, start, end)
    return Evidence(connection, around, start, end, statuses, gaps, values, slices, unjudged)


def _sources(promises: Iterable[Promise], *kinds: str) -> set[str]:
    return {source for promise in promises if promise.spec.kind in kinds for source in promise.sources}


def _values(
    connection: DuckDBPyConnection, promises: Collection[Promise], start: datetime, end: datetime
) -> dict[str, dict[str, list[Line]]]:
    """The series of each metric that promises are about, by metric and source."""
    found: dict[str, dict[str, list[Line]]] = {}
    sampled = [promise for promise in promises if promise.spec.kind in ("quality", "freshness")]
    for metric in sorted({promise.spec.sampled for promise in sampled}):
        mine = [promise for promise in sampled if promise.spec.sampled == metric]
        since = start - max(promise.spec.lasting for promise in mine)
        sources = {source for promise in mine for source in promise.sources}
        lines = _lines(stored.values_within(connection, metric, sources, since, end))
        if any(promise.spec.kind == "quality" for promise in mine):
            failed = stored.unscored_within(connection, sources, since, end)
            lines = {source: [_broken(line, failed.get(source, ())) for line in own] for source, own in lines.items()}
        found[metric] = lines
    return found


def _unjudged(
    connection: DuckDBPyConnection, promises: Collection[Promise], start: datetime, end: datetime
) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """When not all of what scores are about could be judged, by metric and source."""
    found: dict[str, dict[str, list[tuple[int, int]]]] = {}
    scored = [promise for promise in promises if promise.spec.kind == "quality"]
    for metric in sorted({promise.spec.sampled for promise in scored}):
        mine = [promise for promise in scored if promise.spec.sampled == metric]
        since = start - max(promise.spec.lasting for promise in mine)
        sources = {source for promise in mine for source in promise.sources}
        found[metric] = unjudged_within(connection, sources, metric.partition(".")[2], since, end)
    return found


def _slices(
    connection: DuckDBPyConnection, promises: Collection[Promise], start: datetime, end: datetime
) -> dict[str, Mapping[str, Line]]:
    """The percentiles that objectives are about, by objective and source."""
    members: dict[str, set[str]] = defaultdict(set)
    specs = {promise.objective: promise.spec for promise in promises if promise.spec.percentile is not None}
    for promise in promises:
        members[promise.objective].update(promise.sources)
    return {
        name: stored.percentiles_within(
            connection, members[name], start, end, percentile=(spec.percentile or 0) / 100, width=spec.slice,
            checks=spec.check,
        )
        for name, spec in specs.items()
    }  # fmt: skip


def _lines(found: Mapping[tuple[str, str], Line]) -> dict[str, list[Line]]:
    """The series of each source: the one of the source itself where there is one, else those of its checks."""
    lines: dict[str, list[Line]] = defaultdict(list)
    for (source, check), line in found.items():
        if not check or (source, "") not in found:
            lines[source].append(line)
    return lines


def _broken(line: Line, failed: Sequence[int]) -> Line:
    """The series with the moments at which measuring failed and nothing was measured."""
    measured = {at for at, _ in line}
    broken = [*line, *((at, None) for at in failed if at not in measured)]
    return sorted(broken, key=lambda each: each[0])
