"""A bank of series that are scored point by point, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.calendars import DAY_US, Calendar
from monitoring_pipeline.analysis.detection import alarms, combination
from monitoring_pipeline.analysis.detection.happenings import happenings
from monitoring_pipeline.analysis.detection.loudness import loudness, remember, roll_days
from monitoring_pipeline.analysis.detection.memory import Floats, Integers, Memory, Rows
from monitoring_pipeline.analysis.detection.rhythm import is_known, set_interval, take_interval
from monitoring_pipeline.analysis.detection.voters import Context, Seen, follow, learn, look
from monitoring_pipeline.analysis.metric_types import MetricType

__all__ = ["Detector", "Direction", "Scored"]

Direction = Literal["both", "above", "below"]
_SIDES: dict[Direction, float] = {"both": 0.0, "above": 1.0, "below": -1.0}
_LOGARITHM, _ROOT = 1.0, 2.0
_TRANSFORMS = {MetricType.LATENCY: _LOGARITHM, MetricType.FRESHNESS: _LOGARITHM, MetricType.COUNT: _ROOT}
_LEAST_POINTS, _LEAST_DAYS = 20, 2
_BAND = 3.5
_OPPOSITE = -9.0


@dataclass(slots=True)
class Scored:
    """What was made of points, an entry per point.

    `score` is calibrated: 1 ordinary-high, 2 worth a warning, 3 critical; 0 to 10. `expected`, `low` and `high` are the
    prediction and the normal range in units of the value, NaN for a value that is no number. While `learning` nothing
    alarms. `is_alert` is true where an alarm is to be raised (once an episode, again when it becomes critical),
    `is_critical` where a critical episode begins. `event` is one of `NONE`, `SPIKE`, `FLATLINE`, `LEVEL_SHIFT` and
    `GAP`.
    """

    score: Floats
    expected: Floats
    low: Floats
    high: Floats
    learning: NDArray[np.bool_]
    is_alert: NDArray[np.bool_]
    is_critical: NDArray[np.bool_]
    event: NDArray[np.int8]


class Detector:
    """Scores points of many series, online: each by its own past only.

    `calendar` says where days begin and end and which are like Sundays. The state is plain arrays (`to_arrays`); a
    detector made from them goes on with identical scores, and it does not matter in which portions points come.
    """

    def __init__(self, calendar: Calendar | None = None) -> None:
        self._calendar = calendar or Calendar()
        self._memory = Memory()

    def __len__(self) -> int:
        return self._memory.count

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
        fresh = self._memory.add(count)
        rows = self._memory.rows(fresh)
        rows["factor"], rows["budget"], rows["direction"] = factor, budget, _SIDES[direction]
        rows["transform"] = 0.0 if metric_type is None else _TRANSFORMS.get(metric_type, 0.0)
        if interval_s:
            set_interval(rows, np.full(count, interval_s * 1e6))
        return np.arange(fresh.start, fresh.stop)

    def tune(
        self, index: NDArray[np.int64], *, factor: float = 1.0, direction: Direction = "both", budget: float = 1.0,
        metric_type: MetricType | None = None,
    ) -> None:  # fmt: skip
        """Judges some series otherwise from now on, see `add`; what was learnt stays.

        `metric_type` says on which scale values are learnt: it must be the same for ever once a series has a point.
        """
        rows = self._memory.rows(index)
        rows["factor"], rows["budget"], rows["direction"] = factor, budget, _SIDES[direction]
        rows["transform"] = 0.0 if metric_type is None else _TRANSFORMS.get(metric_type, 0.0)
        self._memory.put(index, rows)

    def update(
        self, index: NDArray[np.integer[Any]], times: Integers, values: Floats, trains: NDArray[np.bool_] | None = None
    ) -> Scored:  # fmt: skip
        """Scores one point for each of some series and learns from those that train (all, if nothing is said).

        `index` numbers the series, each at most once; `times` are microseconds since 1970, later than the series' last;
        `values` that are no finite numbers are passed over: score 0, nothing learnt. Arrays of one length.
        """
        columns: Integers = np.asarray(index, dtype=np.int64)
        times, values = np.asarray(times, dtype=np.int64), np.asarray(values, dtype=np.float64)
        trains = np.ones(len(columns), dtype=bool) if trains is None else np.asarray(trains, dtype=bool)
        good = np.isfinite(values)
        if good.all():
            return self._update(columns, times, values, trains)
        scored = _nothing(len(columns))
        if good.any():
            part = self._update(columns[good], times[good], values[good], trains[good])
            for name in Scored.__slots__:
                getattr(scored, name)[good] = getattr(part, name)
        return scored

    def _update(self, index: Integers, times: Integers, values: Floats, trains: NDArray[np.bool_]) -> Scored:
        whole = len(index) == len(self) and bool((index == np.arange(len(index))).all())
        rows = self._memory.rows(slice(0, len(self)) if whole else index)
        scored = self._step(rows, self._context(index, times, _forward(rows, values)), trains)
        if not whole:
            self._memory.put(index, rows)
        for name in ("expected", "low", "high"):
            setattr(scored, name, _back(rows, getattr(scored, name)))
        return scored

    def _context(self, index: Integers, times: Integers, values: Floats) -> Context:
        local = self._calendar.local(times)
        day = local // DAY_US
        return Context(index, times, day, self._calendar.weekdays(day), (local - day * DAY_US).astype(float), values)

    def _step(self, rows: Rows, at: Context, trains: NDArray[np.bool_]) -> Scored:
        take_interval(rows, at)
        learns = trains & is_known(rows)
        roll_days(rows, at)
        known = (rows["learnt"] >= _LEAST_POINTS) & (rows["days"] >= _LEAST_DAYS)
        seen = look(self._memory, rows, at)
        loud = loudness(seen)
        evidence = combination.evidence(rows, at, seen, loud)
        opposite = rows["direction"] * seen.level < 0
        evidence = np.where(opposite, _OPPOSITE, alarms.weigh(evidence, rows["factor"]))
        found = alarms.judge(rows, at, evidence, known)
        remember(rows, loud, learns & (rows["learnt"] >= _LEAST_POINTS))
        follow(rows, at, seen)
        self._learn(rows, at, seen, learns)
        event = happenings(rows, seen, known, found.raised, learns)
        half = _BAND * seen.scale_level
        return Scored(
            np.where(known, alarms.to_score(evidence), 0.0), seen.expected, seen.expected - half, seen.expected + half,
            ~known, found.raised, found.critical, event,
        )  # fmt: skip

    def _learn(self, rows: Rows, at: Context, seen: Seen, learns: NDArray[np.bool_]) -> None:
        if learns.all():
            learn(self._memory, rows, at, seen)
        elif learns.any():
            part = Rows(rows.data[:, learns])
            learn(self._memory, part, at.part(learns), seen.part(learns))
            rows.data[:, learns] = part.data

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The whole state, to be written down: named arrays, views of what changes with the next update."""
        holidays = np.array(sorted(self._calendar.holidays), dtype=np.int64)
        return {"zone": np.array(self._calendar.zone), "holidays": holidays, **self._memory.to_arrays()}

    def part(self, index: NDArray[np.int64]) -> Detector:
        """A detector of its own that knows what this one does of some series, numbered from 0 on."""
        arrays = {name: array[:, index] if array.ndim == 2 else array for name, array in self.to_arrays().items()}
        return Detector.from_arrays(arrays)

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], *, copy: bool = True) -> Detector:
        """The detector that `to_arrays` gave; without `copy` it works in these very arrays.

        Raises ValueError for the state of another version.
        """
        detector = cls(Calendar(str(arrays["zone"]), frozenset(arrays["holidays"].tolist())))
        detector._memory = Memory.from_arrays(arrays, copy=copy)
        return detector


def _nothing(count: int) -> Scored:
    """What is said of values that are no numbers."""
    nan, no = np.full(count, np.nan), np.zeros(count, dtype=bool)
    return Scored(np.zeros(count), nan, nan.copy(), nan.copy(), no, no.copy(), no.copy(), np.zeros(count, np.int8))


def _forward(rows: Rows, values: Floats) -> Floats:
    """Values on the scale on which they vary alike at every level."""
    kinds = rows["transform"]
    if not kinds.any():
        return values
    positive = np.maximum(values, 0.0)
    values = np.where(kinds == _LOGARITHM, np.log(np.maximum(positive, 1e-6)), values)
    return np.where(kinds == _ROOT, 2 * np.sqrt(positive + 0.375), values)


def _back(rows: Rows, values: Floats) -> Floats:
    kinds = rows["transform"]
    if not kinds.any():
        return values
    with np.errstate(over="ignore"):
        values = np.where(kinds == _LOGARITHM, np.exp(values), values)
    return np.where(kinds == _ROOT, np.maximum((np.maximum(values, 0.0) / 2) ** 2 - 0.375, 0.0), values)
