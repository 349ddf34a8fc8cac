"""Another voice about days that have passed: how easily the last points of a series are told apart from those of the
fortnight before (isolation forest; Liu, Ting & Zhou, ICDM 2008).

It sees shapes where the detector sees values, and takes a tenth of a second for each series. It is kept beside the
scores and alarms nobody.

    isolation = Isolation(spec, calendar, start, end)
    scorer = relearn(..., isolation.watch(points, wanted, past), ...)
    votes = isolation.votes(series, times)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from monitoring_pipeline.analysis.calendars import DAY_US, Calendar, Moments
from monitoring_pipeline.analysis.scoring.relearning import Past
from monitoring_pipeline.analysis.scoring.roster import Name, Roster
from monitoring_pipeline.analysis.scoring.telling import Flags, Integers
from monitoring_pipeline.analysis.series import Floats, middle, spread
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.errors import MonitoringError
from monitoring_pipeline.store.scores import Known, Points

__all__ = ["Isolation", "isolation"]

_WIDE, _LEARNT_US = 16, 14 * DAY_US
_FEWEST, _MOST = 128, 4096
_FARTHEST = 10.0


class Isolation:
    """Gathers how far apart the points of [start, end) are, in microseconds, while their history passes by."""

    def __init__(self, spec: AnalysisSpec, calendar: Calendar, start: int, end: int) -> None:
        self._roster, self._calendar, self._start, self._end = Roster(spec), calendar, start, end
        self._found: dict[int, tuple[Moments, Floats]] = {}

    def watch(self, history: Iterable[Points], wanted: Sequence[Known], past: Past) -> Iterator[Points]:
        """Hands on points as they come, each time all of some series, and judges those that are scored."""
        numbers = np.array([self._roster.number(Name(*known[:4]), known.unit) for known in wanted], dtype=np.int64)
        for points in history:
            learnt, order = past.trains(wanted, points), np.lexsort((points.time, points.series))
            for own in np.split(order, np.flatnonzero(np.diff(points.series[order])) + 1):
                number = int(numbers[points.series[own[0]]]) if len(own) else -1
                if number >= 0:
                    self._judge(number, points.time[own], points.value[own], learnt[own])
            yield points

    def _judge(self, number: int, times: Moments, values: Floats, learnt: Flags) -> None:
        near = (times >= self._start - _LEARNT_US) & (times < self._end)
        times, values, learnt = times[near], values[near], learnt[near]
        votes = isolation(times, values, learnt, int(np.searchsorted(times, self._start)), self._calendar)
        self._found[number] = times[len(times) - len(votes) :], votes

    def votes(self, series: Integers, times: Moments) -> Floats:
        """Of points, by the numbers that `relearn` gives series: 0 is as usual, 1 as far apart as one point in a
        hundred, 2 twice as far; NaN where too little is known."""
        found = np.full(len(times), np.nan)
        for number in np.unique(series).tolist():
            known, votes = self._found.get(number, (np.zeros(0, np.int64), np.zeros(0)))
            at = np.flatnonzero(series == number)
            place = np.minimum(np.searchsorted(known, times[at]), len(known) - 1)
            hit = known[place] == times[at] if len(known) else np.zeros(len(at), dtype=bool)
            found[at[hit]] = votes[place[hit]]
        return found


def isolation(times: Moments, values: Floats, learnt: Flags, first: int, calendar: Calendar) -> Floats:
    """How far apart the points from the place `first` on are, of one series: moments (microseconds, ascending), values.

    A point is seen as the last sixteen values, by the series' own level and spread, and the hour on the wall. The
    forest knows points before `first` alone, of those the learnt ones, and its median and 99th percentile there are 0
    and 1. NaN where it knows fewer than 128, or values never vary. Raises MonitoringError without scikit-learn.
    """
    before, count = np.flatnonzero(learnt[:first]), len(values) - first
    if len(before) < _FEWEST + _WIDE - 1 or not count:
        return np.full(count, np.nan)
    level, scale = float(middle(values[before])), float(spread(values[before]) or np.std(values[before]))
    if not scale > 0:
        return np.full(count, np.nan)
    plain = np.clip((values - level) / scale, -_FARTHEST, _FARTHEST)
    known = _seen(plain[before], times[before], calendar)
    begin = first - _WIDE + 1
    return _apart(known[:: -(-len(known) // _MOST)], _seen(plain[begin:], times[begin:], calendar))


def _seen(values: Floats, times: Moments, calendar: Calendar) -> Floats:
    """Each point but the first fifteen with what came before it, and where the hand of the clock stood."""
    hand = calendar.local(times[_WIDE - 1 :]) % DAY_US * (2 * np.pi / DAY_US)
    return np.column_stack([sliding_window_view(values, _WIDE), np.sin(hand), np.cos(hand)])


def _apart(known: Floats, seen: Floats) -> Floats:
    try:
        from sklearn.ensemble import IsolationForest
    except ImportError as error:
        raise MonitoringError(
            "an isolation forest needs scikit-learn: pip install 'monitoring-pipeline[analysis]'"
        ) from error
    forest = IsolationForest(n_estimators=100, max_samples=min(256, len(known)), random_state=0).fit(known)
    usual, rare = np.quantile(-forest.score_samples(known), (0.5, 0.99))
    return np.asarray(np.maximum(0.0, (-forest.score_samples(seen) - usual) / max(rare - usual, 1e-9)))
