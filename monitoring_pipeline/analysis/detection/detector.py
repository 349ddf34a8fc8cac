"""A bank of series that are scored point by point, all at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.calendars import DAY_US, Calendar, distinct
from monitoring_pipeline.analysis.detection.combination import Trees
from monitoring_pipeline.analysis.detection.points import Heard, Points, Scored
from monitoring_pipeline.analysis.detection.state import LOGARITHM, ROOT, Floats, State
from monitoring_pipeline.analysis.metric_types import MetricType

__all__ = ["Detector", "Direction", "Scored"]

Direction = Literal["both", "above", "below"]
_SIDES: dict[Direction, float] = {"both": 0.0, "above": 1.0, "below": -1.0}


class Detector:
    """Scores points of many series, online: each by its own past only.

    `calendar` says where days begin and end and which are like Sundays. The state is plain arrays (`to_arrays`); a
    detector made from them goes on with identical scores, and it does not matter in which portions points come.
    `most` is how many series are expected at most: so much room is taken at once when there are many. `trees` weigh
    evidence instead of the shipped ones.
    """

    def __init__(self, calendar: Calendar | None = None, most: int = 4096, trees: Trees | None = None) -> None:
        self._calendar = calendar or Calendar()
        self._trees = trees or Trees.shipped()
        self._state = State(most)

    def __len__(self) -> int:
        return self._state.count

    def add(
        self, count: int = 1, *, factor: float = 1.0, metric_type: MetricType | None = None,
        direction: Direction = "both", interval_s: float | None = None, budget: float = 1.0,
    ) -> NDArray[np.int64]:  # fmt: skip
        """Makes room for `count` series that nothing is known of; their numbers.

        `factor` multiplies scores, `metric_type` stabilises variance (latency and freshness: logarithm, counts: root),
        `direction` is the side on which a value can be strange, `interval_s` the seconds between points if known
        (otherwise told from the first eight), `budget` how many alarms a series may cause a week before it takes more.
        """
        if not factor > 0 or not budget > 0:
            raise ValueError("factor and budget must be greater than 0")
        fresh = self._state.add(count)
        self.tune(fresh, factor=factor, metric_type=metric_type, direction=direction, budget=budget)
        if interval_s:
            from monitoring_pipeline.analysis.detection.step import set_interval

            for number in fresh.tolist():
                set_interval(self._state.series, number, interval_s * 1e6)
        return fresh

    def tune(
        self, index: NDArray[np.int64], *, factor: float = 1.0, direction: Direction = "both", budget: float = 1.0,
        metric_type: MetricType | None = None,
    ) -> None:  # fmt: skip
        """Judges some series otherwise from now on, see `add`; what was learnt stays.

        `metric_type` says on which scale values are learnt: it must be the same for ever once a series has a point.
        """
        series = self._state.series
        series["factor"][index], series["budget"][index] = factor, budget
        series["direction"][index] = _SIDES[direction]
        series["transform"][index] = 0.0 if metric_type is None else _TRANSFORMS.get(metric_type, 0.0)

    def update(
        self, index: NDArray[np.integer[Any]], times: NDArray[np.int64], values: Floats,
        trains: NDArray[np.bool_] | None = None,
    ) -> Scored:  # fmt: skip
        """Scores points in their order, each by what came before, and learns from those that train (all, if nothing is
        said).

        `index` numbers the series; `times` are microseconds since 1970, of each series ever later; `values` that are
        no finite numbers are passed over: score 0, nothing learnt. Arrays of one length.
        """
        return self._advance(index, times, values, trains, _UNHEARD)[0]

    def listen(
        self, index: NDArray[np.integer[Any]], times: NDArray[np.int64], values: Floats, room: int
    ) -> tuple[Scored, Heard]:  # fmt: skip
        """As `update`; also what trees were asked, of `room` points at most."""
        heard = Heard.room(room)
        scored, count = self._advance(index, times, values, None, heard)
        return scored, Heard(heard.asked[:count], heard.places[:count])

    def _advance(
        self, index: NDArray[np.integer[Any]], times: NDArray[np.int64], values: Floats,
        trains: NDArray[np.bool_] | None, heard: Heard,
    ) -> tuple[Scored, int]:  # fmt: skip
        calendar, moments = self._calendar, np.asarray(times, np.int64)
        local = calendar.local(moments)
        days, day = distinct(local // DAY_US)
        points = Points(
            np.asarray(index, np.int64), moments, local, calendar.weekdays(days)[day], calendar.closes_month(days)[day],
            np.asarray(values, np.float64),
            np.ones(len(moments), np.bool_) if trains is None else np.asarray(trains, np.bool_),
        )  # fmt: skip
        return _advanced(self._state, points, self._trees, heard)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state, to be written down: named arrays, views of what changes with the next update."""
        holidays = np.array(sorted(self._calendar.holidays), dtype=np.int64)
        return {"zone": np.array(self._calendar.zone), "holidays": holidays, **self._state.to_arrays()}

    def part(self, index: NDArray[np.int64]) -> Detector:
        """A detector of its own that knows what this one does of some series, numbered from 0 on."""
        detector = Detector(self._calendar, trees=self._trees)
        detector._state = self._state.part(index)
        return detector

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], *, copy: bool = True) -> Detector:
        """The detector that `to_arrays` gave; without `copy` it works in these very arrays.

        Raises ValueError for the state of another version.
        """
        detector = cls(Calendar(str(arrays["zone"]), frozenset(arrays["holidays"].tolist())))
        detector._state = State.from_arrays(arrays, copy=copy)
        return detector


def _advanced(state: State, points: Points, trees: Trees, heard: Heard) -> tuple[Scored, int]:
    """Takes points in their order: many of several series in as many threads as there are cores, since series know
    nothing of each other."""
    from monitoring_pipeline.analysis.detection.step import advance

    scored = Scored.room(len(points.columns))
    if len(points.columns) < _WORTH_THREADS or _CORES == 1 or len(heard.places):
        return scored, advance(state.series, state.tables, points, trees, scored, heard, 0, state.count)
    # Neighbours stay together: what is remembered of them shares lines of the cache.
    lowest, highest = int(points.columns.min()), int(points.columns.max())
    bounds = np.linspace(lowest, highest + 1, _CORES + 1).astype(np.int64).tolist()

    def take(first: int, end: int) -> None:
        advance(state.series, state.tables, points, trees, scored, heard, first, end)

    with ThreadPoolExecutor(_CORES) as pool:
        list(pool.map(take, bounds[:-1], bounds[1:]))
    return scored, 0


_CORES, _WORTH_THREADS = min(os.cpu_count() or 1, 4), 10_000
_UNHEARD = Heard.room(0)
_TRANSFORMS = {MetricType.LATENCY: LOGARITHM, MetricType.FRESHNESS: LOGARITHM, MetricType.COUNT: ROOT}
