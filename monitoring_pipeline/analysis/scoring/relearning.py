"""Goes through history again: to learn what was never learnt, to leave out what should not have been, to keep scores.

The same code in the same order as online: who begins where the online score began gets the same numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.scoring.ahead import are_ahead
from monitoring_pipeline.analysis.scoring.roster import Name
from monitoring_pipeline.analysis.scoring.scorer import Scorer
from monitoring_pipeline.analysis.scoring.telling import Flags, Integers, Portion
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.store.scores import Known, Points, Span
from monitoring_pipeline.store.scoring import Ahead

__all__ = ["Kept", "Past", "relearn"]

_COLUMNS = ("series", "time", "value", "score", "expected", "low", "high", "is_alert")
_SPARSE_US = 10 * 60_000_000


@dataclass(frozen=True)
class Past:
    """Which samples were not learnt from: by their ids where somebody noted it as they came (`pauses`: source, whether
    it began or ended, after which sample), and by their moments (`spans`). And which were not even scored (`ahead`)."""

    pauses: Sequence[tuple[str, bool, int]] = ()
    spans: Sequence[Span] = ()
    ahead: Sequence[Ahead] = ()
    _pauses: dict[str, list[tuple[int, bool]]] = field(default_factory=lambda: defaultdict(list))
    _spans: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for source, paused, after in self.pauses:
            self._pauses[source].append((after, paused))
        for span in self.spans:
            self._spans[span.source].append(span)

    def trains(self, wanted: Sequence[Known], points: Points) -> Flags:
        """Which points are learnt from."""
        learnt = np.ones(len(points.series), dtype=bool)
        troubled = self._pauses.keys() | self._spans.keys()
        concerned = np.array([known.source in troubled for known in wanted], dtype=bool)
        at = np.flatnonzero(concerned[points.series]) if concerned.any() else np.zeros(0, np.int64)
        at = at[np.argsort(points.series[at], kind="stable")]
        for places in np.split(at, np.flatnonzero(np.diff(points.series[at])) + 1) if len(at) else ():
            source = wanted[points.series[places[0]]].source
            learnt[places] = ~(self._paused(source, points.id[places]) | self._excluded(source, points.time[places]))
        return learnt

    def _paused(self, source: str, ids: Integers) -> Flags:
        changes = self._pauses.get(source, ())
        after = np.array([-1, *(change[0] for change in changes)], dtype=np.int64)
        paused = np.array([False, *(change[1] for change in changes)])
        return np.asarray(paused[np.searchsorted(after, ids, side="left") - 1])

    def _excluded(self, source: str, times: Integers) -> Flags:
        excluded = np.zeros(len(times), dtype=bool)
        for span in self._spans.get(source, ()):
            excluded |= (times >= span.start) & (times < (span.end if span.end is not None else np.inf))
        return excluded


@dataclass
class Kept:
    """Gathers the scores of a stretch of time: all that were at all strange, and one in ten minutes of the others."""

    start: int
    end: int
    parts: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: defaultdict(list))

    def take(self, portion: Portion) -> None:
        """Takes what a portion has."""
        scored, said, times, before = portion.scored, portion.said, portion.times, portion.before
        sparse = (before == 0) | (times // _SPARSE_US > (times - before) // _SPARSE_US)
        known = ~scored.learning & (times >= self.start) & (times < self.end)
        chosen = np.flatnonzero(known & (sparse | said.high | scored.is_alert))
        if len(chosen):
            values = (
                portion.series, times, portion.values, said.score, scored.expected, scored.low, scored.high,
                scored.is_alert,
            )  # fmt: skip
            for name, column in zip(_COLUMNS, values, strict=True):
                self.parts[name].append(column[chosen])

    def columns(self) -> Mapping[str, NDArray[Any]]:
        """All of it, by column."""
        # Of a day of which nothing is scored, empty columns of the right types: SQL asks for them.
        empty = {"series": np.zeros(0, np.int64), "time": np.zeros(0, np.int64), "is_alert": np.zeros(0, np.bool_)}
        return {
            name: np.concatenate(self.parts[name]) if self.parts[name] else empty.get(name, np.zeros(0))
            for name in _COLUMNS
        }


def relearn(
    spec: AnalysisSpec,
    calendar: Calendar,
    wanted: Sequence[Known],
    history: Iterable[Points],
    past: Past,
    *,
    followed: Iterable[str] = (),
    kept: Kept | None = None,
) -> Scorer:
    """A scorer that has seen history, series by series; the series' numbers are in `scorer.roster`."""
    scorer = Scorer(spec, calendar, frozenset(followed))
    places = np.array([scorer.roster.number(Name(*known[:4]), known.unit) for known in wanted], dtype=np.int64)
    for points in history:
        numbers = places[points.series]
        if past.ahead:
            numbers[are_ahead(past.ahead, points.id, points.time)] = -1
        for portion in scorer.run(numbers, points.time, points.value, past.trains(wanted, points)):
            if kept is not None:
                kept.take(portion)
    for source, paused in {source: paused for source, paused, _ in past.pauses}.items():
        scorer.pause(source, paused)
    return scorer
