"""Takes samples in the order in which they were recorded, and says which are strange.

    scorer = Scorer(spec, calendar)
    found = scorer.take(rows)        # samples to record, and events

What comes out depends on the order of each series' samples alone, not on how they are dealt out to calls. The whole
state is arrays (`to_arrays`): written down and read back, it goes on as if nothing had happened.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis import detection
from monitoring_pipeline.analysis.calendars import HOUR_US, Calendar
from monitoring_pipeline.analysis.detection import Detector, Scored, sentence
from monitoring_pipeline.analysis.scoring.roster import Name, Roster, Traits
from monitoring_pipeline.analysis.scoring.telling import Flags, Floats, Integers, Told
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.clock import format_duration, from_us
from monitoring_pipeline.records import Event, Sample, Severity

__all__ = ["Found", "Normal", "Scorer", "Tick"]

Row = tuple[int, str, str, str, str, str, int, float]
"""id, source, check, metric, unit, tags (JSON), moment in microseconds, value."""


@dataclass(slots=True)
class Found:
    """What is to be recorded."""

    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Tick(NamedTuple):
    """Points of different series, at most one each, with what was made of them: the score that is told, which of them
    are high and which worth a row, which begin an episode of alarms or make it critical, the episodes that ended."""

    series: Integers
    times: Integers
    values: Floats
    scored: Scored
    score: Floats
    high: Flags
    worth: Flags
    begins: Flags
    worsens: Flags
    ended: Sequence[Event]


class Normal(NamedTuple):
    """What is normal, by hour of the week on the wall: weekday and hour of each row, and for each series a column. A
    holiday among the coming days stands for a Sunday. `learning` tells the series of which too little is known."""

    weekday: Integers
    hour: Integers
    low: Floats
    expected: Floats
    high: Floats
    learning: Flags


class Scorer:
    """The detectors of all series, and what was told of each. Not for several threads at once.

    `followed` are names of samples that rules read: of those, every value is recorded.
    """

    def __init__(self, spec: AnalysisSpec, calendar: Calendar, followed: Collection[str] = ()) -> None:
        self.roster = Roster(spec)
        self._calendar, self._followed = calendar, frozenset(followed)
        self._bank = Detector(calendar)
        self._told = Told()
        self._trains = np.ones(0, dtype=bool)
        self._wanted = np.zeros(0, dtype=bool)
        self._paused: set[str] = set()

    @property
    def paused(self) -> frozenset[str]:
        """The sources from which nothing is learnt at the moment."""
        return frozenset(self._paused)

    def pause(self, source: str, paused: bool = True) -> None:
        """Says whether something is wrong with a source: what it measures is scored all the same, and not learnt."""
        (self._paused.add if paused else self._paused.discard)(source)
        self._make_room()
        self._trains[self.roster.find(source)] = not paused

    def take(self, rows: Sequence[Row]) -> Found:
        """Scores samples, in the order of their ids. What is no number, too late or not to be scored is left out, and
        so is what is beyond 1e100: no arithmetic would come back from it."""
        found = Found()
        numbers = np.fromiter(
            (self.roster.number(Name(row[1], row[2], row[3], row[5]), row[4]) for row in rows), np.int64, len(rows)
        )
        times = np.fromiter((row[6] for row in rows), np.int64, len(rows))
        values = np.fromiter((row[7] for row in rows), np.float64, len(rows))
        for tick in self.run(numbers, times, values):
            self._tell(tick, found)
        return found

    def run(self, numbers: Integers, times: Integers, values: Floats, trains: Flags | None = None) -> Iterator[Tick]:
        """Scores points of series given by number; `trains` says which are learnt, by default as sources are paused."""
        self._make_room()
        good = np.flatnonzero((numbers >= 0) & (np.abs(values) < _LARGEST))
        for turn in _turns(numbers[good]):
            places = good[turn]
            places = places[self._told.newer(numbers[places], times[places])]
            if len(places):
                index = numbers[places]
                learnt = self._trains[index] if trains is None else trains[places]
                scored = self._bank.update(index, times[places], values[places], learnt)
                yield self._tick(index, times[places], values[places], scored)

    def _tick(self, index: Integers, times: Integers, values: Floats, scored: Scored) -> Tick:
        told, known = self._told, ~scored.learning
        over, ended = told.over(index, times), []
        if over.any():
            ended = [self._ended(number) for number in index[over].tolist()]
            told.close(index[over])
        begins = known & scored.is_alert & (told.alarming[index] == 0)
        goes_on = begins | (known & (told.alarming[index] > 0) & (scored.is_alert | (scored.score >= _WARNING)))
        worsens = goes_on & scored.is_critical & ~(told.critical[index] & ~begins)
        if goes_on.any():
            at = np.flatnonzero(goes_on)
            told.follow(index[at], times[at], values[at], scored.score[at], scored.is_critical[at])
        score = self._told_score(index, scored.score)
        high, worth = told.take(index, times, score, known)
        worth |= known & self._wanted[index]
        return Tick(index, times, values, scored, score, high, worth, begins, worsens & ~begins, ended)

    def _told_score(self, index: Integers, score: Floats) -> Floats:
        """The score as rules see it: a warning only within an episode of alarms, critical only within a critical one.

        So a series that has used up its budget of alarms needs more to cause one, whatever a rule's thresholds are.
        """
        alarming = self._told.alarming[index] > 0
        limit = np.where(alarming, np.where(self._told.critical[index], np.inf, _BELOW_CRITICAL), _BELOW_WARNING)
        return np.minimum(score, limit)

    def since_before(self, tick: Tick) -> Integers:
        """How long before each point the one before it came, in microseconds; 0 for a first one."""
        return self._told.interval[tick.series]

    def normal(self, now: int, numbers: Integers | None = None) -> Normal:
        """What is normal in each hour of the week after `now` (microseconds), as far as is known.

        Of some series, or of all: the columns are in their order.
        """
        chosen = np.arange(len(self.roster)) if numbers is None else numbers
        bank, count = self._bank.part(chosen), len(chosen)
        index, nothing = np.arange(count), np.zeros(count, dtype=bool)
        first = now // HOUR_US * HOUR_US + HOUR_US + HOUR_US // 2
        hours = first + HOUR_US * np.arange(24 * 7, dtype=np.int64)
        values, found = np.zeros(count), []
        for moment in hours.tolist():
            scored = bank.update(index, np.full(count, moment), values, nothing)
            values = np.where(np.isfinite(scored.expected), scored.expected, 0.0)
            found.append(np.stack([scored.low, scored.expected, scored.high]))
        low, expected, high = np.stack(found, axis=1)
        slot, weekday = self._calendar.slots(hours, 24)
        return Normal(weekday, slot, low, expected, high, np.asarray(scored.learning))

    # -- what is told --------------------------------------------------------------------------------

    def _tell(self, tick: Tick, found: Found) -> None:
        found.events.extend(tick.ended)
        for place in np.flatnonzero(tick.worth).tolist():
            told = self._samples(tick, place, high=bool(tick.high[place]))
            # No store keeps what is no number, and one that cannot be kept would hold up all that come after it.
            found.samples.extend(sample for sample in told if math.isfinite(sample.value))
        for kind, places in (("anomaly", tick.begins), ("anomaly_worse", tick.worsens)):
            found.events.extend(self._event(tick, place, kind) for place in np.flatnonzero(places).tolist())
        for place in np.flatnonzero(tick.scored.event).tolist():
            if kind := _KINDS.get(int(tick.scored.event[place]), ""):
                found.events.append(self._event(tick, place, kind))

    def _samples(self, tick: Tick, place: int, *, high: bool) -> Iterator[Sample]:
        """The score; how far the value is from what was expected, in percent; where it is high, the normal range."""
        name = self.roster.names[tick.series[place]]
        at, unit = from_us(int(tick.times[place])), self.roster.units[tick.series[place]]
        tags = json.loads(name.tags)
        scored = tick.scored

        def sample(kind: str, value: float, unit: str) -> Sample:
            return Sample(name.source, f"{kind}.{name.metric}", at, float(value), unit, name.check, tags)

        yield sample("anomaly", tick.score[place], "")
        expected = float(scored.expected[place])
        if expected:
            yield sample("deviation", 100 * (tick.values[place] - expected) / abs(expected), "%")
        if high:
            yield sample("expected_low", scored.low[place], unit)
            yield sample("expected_high", scored.high[place], unit)

    def _event(self, tick: Tick, place: int, kind: str) -> Event:
        number, scored = int(tick.series[place]), tick.scored
        at = from_us(int(tick.times[place]))
        critical = bool(scored.is_critical[place])
        numbers = {
            "value": tick.values[place], "score": tick.score[place], "expected": scored.expected[place],
            "low": scored.low[place], "high": scored.high[place],
        }  # fmt: skip
        detail = {key: float(value) for key, value in numbers.items()}
        text = self._sentence(tick, place, kind)
        severity = Severity.INFO if kind == "gap" else Severity.CRITICAL if critical else Severity.WARNING
        return self._named(number, kind, at, text, severity, detail)

    def _sentence(self, tick: Tick, place: int, kind: str) -> str:
        """What happened, for people: `response_time_ms 812 ms, expected 210-340 ms for Tue 14h`."""
        number, scored = int(tick.series[place]), tick.scored
        metric = self.roster.names[number].metric
        if kind == "gap":
            pause = timedelta(seconds=round(float(self._told.interval[number]) / 1e6))
            return f"{metric}: nothing was measured for {format_duration(pause)}"
        normal = sentence(
            float(tick.values[place]), float(scored.low[place]), float(scored.high[place]), self.roster.units[number],
            int(tick.times[place]), self._calendar,
        )  # fmt: skip
        return f"{metric}{_WORDS.get(kind, '')} {normal}"

    def _ended(self, number: int) -> Event:
        """The end of an episode: how long it was, and how strange it became."""
        told = self._told
        began, ended = from_us(int(told.began[number])), from_us(int(told.alarming[number]))
        detail = {
            "began": began.isoformat(), "score": float(told.peak[number]), "value": float(told.peak_value[number]),
        }  # fmt: skip
        minutes = (ended - began).total_seconds() / 60
        text = f"{self.roster.names[number].metric} was strange for {minutes:.0f} min"
        severity = Severity.CRITICAL if told.critical[number] else Severity.WARNING
        return self._named(number, "anomaly_end", ended, text, severity, detail)

    def _named(
        self, number: int, kind: str, at: datetime, text: str, severity: Severity, detail: Mapping[str, Any]
    ) -> Event:  # fmt: skip
        name = self.roster.names[number]
        tags = json.loads(name.tags)
        shown = {**detail, "unit": self.roster.units[number], **({"tags": tags} if tags else {})}
        subject = name.metric + (f" {name.tags}" if tags else "")
        return Event(name.source, kind, subject[:400], at, text, severity, name.check, shown)

    # -- the state -----------------------------------------------------------------------------------

    def _make_room(self) -> None:
        """Brings arrays to the number of series that were met."""
        have, need = len(self._trains), len(self.roster)
        if have == need:
            return
        if len(self._bank) < need:  # what was restored is there already
            self._bank.add(need - len(self._bank))
            self._tune(have)
        self._told.grow(need)
        fresh = self.roster.names[have:need]
        self._trains = np.concatenate([self._trains, [name.source not in self._paused for name in fresh]])
        wanted = [f"{kind}.{name.metric}" in self._followed for name in fresh for kind in ("anomaly", "deviation")]
        self._wanted = np.concatenate([self._wanted, np.array(wanted, dtype=bool).reshape(-1, 2).any(axis=1)])

    def _tune(self, first: int = 0) -> None:
        """Has series from a number on judged as the configuration says now."""
        alike: dict[Traits, list[int]] = defaultdict(list)
        for number, traits in enumerate(self.roster.traits[first:], first):
            alike[traits].append(number)
        for traits, numbers in alike.items():
            self._bank.tune(
                np.array(numbers), factor=traits.sensitivity, direction=traits.direction, metric_type=traits.type,
                budget=self.roster.spec.budget,
            )  # fmt: skip

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as named arrays."""
        count = len(self.roster)
        known = {"names": _as_bytes(self.roster.to_json()), "paused": _as_bytes(json.dumps(sorted(self._paused)))}
        told = {f"told.{each.name}": getattr(self._told, each.name)[:count] for each in fields(self._told)}
        return {**known, **told, **{f"bank.{name}": array for name, array in self._bank.to_arrays().items()}}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes what `to_arrays` gave, into a scorer that has met nothing yet; it works in these very arrays."""
        self.roster.admit(_as_text(arrays["names"]))
        bank = {name.removeprefix("bank."): array for name, array in arrays.items() if name.startswith("bank.")}
        # Time zone and days off are those of now.
        self._bank = Detector.from_arrays({**bank, **_calendar_arrays(self._calendar)}, copy=False)
        self._make_room()
        for each in fields(self._told):
            getattr(self._told, each.name)[: len(self.roster)] = arrays[f"told.{each.name}"]
        self._tune()
        for source in json.loads(_as_text(arrays["paused"])):
            self.pause(source)


_WARNING, _BELOW_WARNING, _BELOW_CRITICAL = 2.0, 1.99, 2.99
_LARGEST = 1e100
_WORDS = {"anomaly_worse": " is critical:", "flatline": " hangs at", "level_shift": " has a new level:"}
_KINDS = {detection.FLATLINE: "flatline", detection.LEVEL_SHIFT: "level_shift", detection.GAP: "gap"}


def _turns(numbers: Integers) -> Iterator[Integers]:
    """Places, in turns in which each number comes at most once, in the order of the points of each."""
    if not len(numbers):
        return
    width = _grid(numbers)
    if width:
        yield from np.arange(len(numbers)).reshape(-1, width)
        return
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(numbers)) - np.repeat(starts, np.diff(np.r_[starts, len(numbers)]))
    by_rank = np.argsort(rank, kind="stable")
    bounds = np.searchsorted(rank[by_rank], np.arange(rank.max() + 2))
    for begin, end in pairwise(bounds.tolist()):
        yield np.sort(order[by_rank[begin:end]])


def _grid(numbers: Integers) -> int:
    """How many series there are, where the same ones come in the same order again and again; else 0."""
    again = np.flatnonzero(numbers[1:] == numbers[0])
    width = int(again[0]) + 1 if len(again) else len(numbers)
    if len(numbers) % width or len(np.unique(numbers[:width])) < width:
        return 0
    return width if bool((numbers.reshape(-1, width) == numbers[:width]).all()) else 0


def _as_bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _as_text(array: NDArray[Any]) -> str:
    return array.astype(np.uint8).tobytes().decode()


def _calendar_arrays(calendar: Calendar) -> dict[str, NDArray[Any]]:
    """A calendar as detectors write it down."""
    return {name: Detector(calendar).to_arrays()[name] for name in ("zone", "holidays")}
