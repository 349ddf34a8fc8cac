"""Takes samples in the order in which they were recorded, and says which are strange.

    scorer = Scorer(spec, calendar)
    found = scorer.take(rows)        # samples to record, and events

What comes out depends on the order of each series' samples alone, not on how they are dealt out to calls. The whole
state is arrays (`to_arrays`): written down and read back, it goes on as if nothing had happened.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.calendars import HOUR_US, Calendar
from monitoring_pipeline.analysis.scoring import bank
from monitoring_pipeline.analysis.scoring.bank import Detector, Scored
from monitoring_pipeline.analysis.scoring.roster import Name, Roster
from monitoring_pipeline.analysis.scoring.telling import Flags, Floats, Integers, Told
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.clock import from_us
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
    """Points of different series, at most one each, with what was made of them: which scores are high, which worth a
    row, which begin an episode of alarms, and the episodes that ended."""

    series: Integers
    times: Integers
    values: Floats
    scored: Scored
    high: Flags
    worth: Flags
    begins: Flags
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
        self._trains[self.roster.of_source.get(source, [])] = not paused

    def take(self, rows: Sequence[Row]) -> Found:
        """Scores samples, in the order of their ids. What is no number, too late or not to be scored is left out."""
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
        good = np.flatnonzero((numbers >= 0) & np.isfinite(values))
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
        high, worth = told.take(index, times, scored.score, known)
        worth |= known & self._wanted[index]
        begins = known & scored.is_alert
        if begins.any():
            at = np.flatnonzero(begins)
            begins[at] = told.follow(index[at], times[at], values[at], scored.score[at], scored.is_critical[at])
        return Tick(index, times, values, scored, high, worth, begins, ended)

    def since_before(self, tick: Tick) -> Integers:
        """How long before each point the one before it came, in microseconds; 0 for a first one."""
        return self._told.interval[tick.series]

    def normal(self, now: int) -> Normal:
        """What is normal for each series in each hour of the week after `now` (microseconds), as far as is known."""
        count = len(self.roster)
        copied = Detector.from_arrays({name: array.copy() for name, array in self._bank.to_arrays().items()})
        index, nothing = np.arange(count), np.zeros(count, dtype=bool)
        first = now // HOUR_US * HOUR_US + HOUR_US + HOUR_US // 2
        hours = first + HOUR_US * np.arange(24 * 7, dtype=np.int64)
        values, found = np.zeros(count), []
        for moment in hours.tolist():
            scored = copied.update(index, np.full(count, moment), values, nothing)
            values = np.where(np.isfinite(scored.expected), scored.expected, 0.0)
            found.append(np.stack([scored.low, scored.expected, scored.high]))
        low, expected, high = np.stack(found, axis=1) if found else np.zeros((3, 0, count))
        slot, weekday = self._calendar.slots(hours, 24)
        return Normal(weekday, slot, low, expected, high, np.asarray(scored.learning))

    # -- what is told --------------------------------------------------------------------------------

    def _tell(self, tick: Tick, found: Found) -> None:
        found.events.extend(tick.ended)
        for place in np.flatnonzero(tick.worth).tolist():
            found.samples.extend(self._samples(tick, place, high=bool(tick.high[place])))
        found.events.extend(self._event(tick, place, "anomaly") for place in np.flatnonzero(tick.begins).tolist())
        for place in np.flatnonzero(tick.scored.event).tolist():
            if kind := _KINDS.get(int(tick.scored.event[place])):
                found.events.append(self._event(tick, place, kind))

    def _samples(self, tick: Tick, place: int, *, high: bool) -> Iterator[Sample]:
        """The score; how far the value is from what was expected, in percent; where it is high, the normal range."""
        name = self.roster.names[tick.series[place]]
        at, unit = from_us(int(tick.times[place])), self.roster.units[tick.series[place]]
        tags = json.loads(name.tags)
        scored = tick.scored

        def sample(kind: str, value: float, unit: str) -> Sample:
            return Sample(name.source, f"{kind}.{name.metric}", at, float(value), unit, name.check, tags)

        yield sample("anomaly", scored.score[place], "")
        expected = float(scored.expected[place])
        if expected:
            yield sample("deviation", 100 * (tick.values[place] - expected) / abs(expected), "%")
        if high:
            yield sample("expected_low", scored.low[place], unit)
            yield sample("expected_high", scored.high[place], unit)

    def _event(self, tick: Tick, place: int, kind: str) -> Event:
        number, scored = int(tick.series[place]), tick.scored
        name, at = self.roster.names[number], from_us(int(tick.times[place]))
        critical = bool(scored.is_critical[place])
        numbers = {
            "value": tick.values[place], "score": scored.score[place], "expected": scored.expected[place],
            "low": scored.low[place], "high": scored.high[place],
        }  # fmt: skip
        detail = {key: float(value) for key, value in numbers.items()}
        text = f"{name.metric}: {self._sentence(tick, place, kind)}"
        severity = Severity.INFO if kind == "gap" else Severity.CRITICAL if critical else Severity.WARNING
        return self._named(number, kind, at, text, severity, detail)

    def _sentence(self, tick: Tick, place: int, kind: str) -> str:
        scored = tick.scored
        return f"{kind} {tick.values[place]}, expected {scored.low[place]}-{scored.high[place]}"

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
        self, number: int, kind: str, at: Any, text: str, severity: Severity, detail: Mapping[str, Any]
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
        for number in range(have, need):
            self._bank.add(factor=self.roster.traits[number].sensitivity)
        self._told.grow(need)
        fresh = self.roster.names[have:need]
        self._trains = np.concatenate([self._trains, [name.source not in self._paused for name in fresh]])
        wanted = [f"{kind}.{name.metric}" in self._followed for name in fresh for kind in ("anomaly", "deviation")]
        self._wanted = np.concatenate([self._wanted, np.array(wanted, dtype=bool).reshape(-1, 2).any(axis=1)])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as named arrays."""
        count = len(self.roster)
        known = {"names": _as_bytes(self.roster.to_json()), "paused": _as_bytes(json.dumps(sorted(self._paused)))}
        told = {f"told.{each.name}": getattr(self._told, each.name)[:count] for each in fields(self._told)}
        return {**known, **told, **{f"bank.{name}": array for name, array in self._bank.to_arrays().items()}}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes what `to_arrays` gave, into a scorer that has met nothing yet."""
        for name, unit in Roster.named(_as_text(arrays["names"])):
            self.roster.readmit(name, unit)
        self._make_room()
        for each in fields(self._told):
            getattr(self._told, each.name)[: len(self.roster)] = arrays[f"told.{each.name}"]
        self._bank = Detector.from_arrays(
            {name.removeprefix("bank."): array for name, array in arrays.items() if name.startswith("bank.")}
        )
        for source in json.loads(_as_text(arrays["paused"])):
            self.pause(source)


_KINDS = {bank.FLATLINE: "flatline", bank.LEVEL_SHIFT: "level_shift", bank.GAP: "gap"}


def _turns(numbers: Integers) -> Iterator[Integers]:
    """Places, in turns in which each number comes at most once, in the order of the points of each."""
    if not len(numbers):
        return
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    if len(starts) == len(numbers):
        yield np.arange(len(numbers))
        return
    rank = np.arange(len(numbers)) - np.repeat(starts, np.diff(np.r_[starts, len(numbers)]))
    by_rank = np.argsort(rank, kind="stable")
    bounds = np.searchsorted(rank[by_rank], np.arange(rank.max() + 2))
    for begin, end in pairwise(bounds.tolist()):
        yield np.sort(order[by_rank[begin:end]])


def _as_bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _as_text(array: NDArray[Any]) -> str:
    return array.astype(np.uint8).tobytes().decode()
