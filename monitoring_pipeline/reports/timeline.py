"""The last hour of every source as a strip: the worst status in each of its equal parts.

It is built from status changes and gaps, which are few, and not from results, which are many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_pipeline.checks.health import CheckHealth, of_source
from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.records import Status
from monitoring_pipeline.reports.overview import Overview, SourceView
from monitoring_pipeline.store import recent
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["PARTS", "Strip", "Timeline", "timeline"]

PARTS = 30
"""In how many parts the window is cut."""

Strip = tuple[Status | None, ...]
"""The worst status of each part, oldest first; None where nothing is known to have happened yet."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The strips of all sources by id. Parts are `part` long and the last one holds the present."""

    start: datetime
    part: timedelta
    strips: Mapping[str, Strip]


def timeline(store: OperationalStore, overview: Overview, window: timedelta = timedelta(hours=1)) -> Timeline:
    """The strips of an overview's sources over `window`, which must not exceed how long hot rows are kept."""
    part_us = int(window.total_seconds() * 1e6) // PARTS
    # Parts begin at fixed moments, so that a strip stands still until the next part begins.
    start_us = (to_us(overview.at) // part_us - PARTS + 1) * part_us
    with store.read() as connection:
        changes, gaps = recent.changes_since(connection, start_us), recent.gaps_since(connection, start_us)
    moves: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for source, at, before, after in changes:
        moves[source].append((at, before, after))
    missed: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for source, begin, end in gaps:
        missed[source].add((begin, end))
    grid = _Grid(start_us, part_us, to_us(overview.at))
    strips = {
        view.source.id: grid.strip(view, moves.get(view.source.id, ()), missed.get(view.source.id, ()))
        for view in overview.sources
    }
    return Timeline(from_us(start_us), timedelta(microseconds=part_us), strips)


@dataclass(frozen=True, slots=True)
class _Grid:
    start: int
    part: int
    now: int

    def strip(self, view: SourceView, moves: Sequence[tuple[int, str, str]], gaps: Iterable[tuple[int, int]]) -> Strip:
        parts: list[Status | None] = [None] * PARTS
        for begin, end, status in self._stretches(view, moves):
            self._mark(parts, begin, end, status)
        for begin, end in gaps:
            self._mark(parts, begin, end, Status.UNKNOWN)
        return tuple(parts)

    def _stretches(self, view: SourceView, moves: Sequence[tuple[int, str, str]]) -> Iterable[tuple[int, int, Status]]:
        last = view.last_checked
        if last is None:
            return
        begin, status = self.start, Status(moves[0][1]) if moves else _recorded(view)
        for at, before, after in moves:
            # A source begins its life as unknown: what lies before its first result is no finding.
            if begin > self.start or before != Status.UNKNOWN:
                yield begin, at - 1, status
            begin, status = at, Status(after)
        yield begin, self.now, status
        if any(check.overdue_s for check in view.checks):
            # Nobody looked since: what was found then no longer says anything.
            yield to_us(last), self.now, view.status

    def _mark(self, parts: list[Status | None], begin: int, end: int, status: Status) -> None:
        first = max(0, (begin - self.start) // self.part)
        for index in range(first, min(PARTS - 1, (end - self.start) // self.part) + 1):
            found = parts[index]
            if found is None or status.rank > found.rank:
                parts[index] = status


def _recorded(view: SourceView) -> Status:
    """The status of a source by the last results of its checks, overdue or not."""
    return of_source([CheckHealth(c.state.check, c.state.status, c.state.critical) for c in view.checks]).status
