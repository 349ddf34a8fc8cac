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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis import detection
from monitoring_pipeline.analysis.calendars import HOUR_US, Calendar
from monitoring_pipeline.analysis.detection import Detector, sentence
from monitoring_pipeline.analysis.scoring.ahead import are_ahead
from monitoring_pipeline.analysis.scoring.roster import Name, Roster, Traits
from monitoring_pipeline.analysis.scoring.telling import Flags, Floats, Integers, Portion, Said, Told, admit, tell
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.clock import format_duration, from_us
from monitoring_pipeline.records import Event, Sample, Severity
from monitoring_pipeline.store.points import Row
from monitoring_pipeline.store.scoring import Ahead

__all__ = ["Found", "Normal", "Scorer"]


@dataclass(slots=True)
class Found:
    """What is to be recorded."""

    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


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
        self._bank = Detector(calendar, spec.max_series)
        self._told = Told.room(0)
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

    def take(self, rows: Sequence[Row], notes: Sequence[Ahead] = ()) -> Found:
        """Scores samples, in the order of their ids. What is no number, too late or not to be scored is left out, and
        so is what `notes` say was ahead of the clock, or what is beyond 1e100: no arithmetic would come back from it.
        """
        found = Found()
        numbers = np.fromiter(
            (self.roster.number(Name(row[1], row[2], row[3], row[5]), row[4]) for row in rows), np.int64, len(rows)
        )
        times = np.fromiter((row[6] for row in rows), np.int64, len(rows))
        values = np.fromiter((row[7] for row in rows), np.float64, len(rows))
        if notes:
            ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
            numbers[are_ahead(notes, ids, times)] = -1
        for portion in self.run(numbers, times, values):
            self._tell(portion, found)
        return found

    def run(self, numbers: Integers, times: Integers, values: Floats, trains: Flags | None = None) -> Iterator[Portion]:
        """Scores points of series given by number, in their order; `trains` says which are learnt, by default as
        sources are paused. What is left out is in no portion."""
        self._make_room()
        for first in range(0, len(numbers), _PORTION):
            part = slice(first, first + _PORTION)
            # Copies, so that what is compiled once always sees the same kind of array.
            columns = np.array(numbers[part], _I), np.array(times[part], _I), np.array(values[part], _F)
            learnt = None if trains is None else np.array(trains[part], _B)
            portion = self._portion(*columns, learnt)
            if len(portion.series):
                yield portion

    def _portion(self, numbers: Integers, times: Integers, values: Floats, trains: Flags | None) -> Portion:
        places, before = np.empty(len(numbers), _I), np.empty(len(numbers), _I)
        count = admit(self._told.last, numbers, times, values, places, before)
        if count < len(numbers):
            chosen, before = places[:count], before[:count].copy()
            numbers, times, values = numbers[chosen], times[chosen], values[chosen]
            trains = None if trains is None else trains[chosen]
        learnt = self._trains[numbers] if trains is None else trains
        scored = self._bank.update(numbers, times, values, learnt)
        portion = Portion(numbers, times, values, before, scored, Said.room(count))
        tell(self._told, self._wanted, portion)
        return portion

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

    def _tell(self, portion: Portion, found: Found) -> None:
        said, happened = portion.said, _NAMES[portion.scored.event]
        worth_it = said.worth | said.ended | said.begins | said.worsens | (happened != "")
        for place in np.flatnonzero(worth_it).tolist():
            if said.ended[place]:
                found.events.append(self._ended(portion, place))
            if said.worth[place]:
                told = self._samples(portion, place)
                # No store keeps what is no number, and one that cannot be kept would hold up all that come after it.
                found.samples.extend(sample for sample in told if math.isfinite(sample.value))
            begun = "anomaly" if said.begins[place] else "anomaly_worse" if said.worsens[place] else ""
            found.events.extend(self._event(portion, place, kind) for kind in (begun, str(happened[place])) if kind)

    def _samples(self, portion: Portion, place: int) -> Iterator[Sample]:
        """The score; how far the value is from what was expected, in percent; where it is high, the normal range."""
        name = self.roster.names[portion.series[place]]
        at, unit = from_us(int(portion.times[place])), self.roster.units[portion.series[place]]
        tags = json.loads(name.tags)
        scored = portion.scored

        def sample(kind: str, value: float, unit: str) -> Sample:
            return Sample(name.source, f"{kind}.{name.metric}", at, float(value), unit, name.check, tags)

        yield sample("anomaly", portion.said.score[place], "")
        expected = float(scored.expected[place])
        if expected:
            yield sample("deviation", 100 * (portion.values[place] - expected) / abs(expected), "%")
        if portion.said.high[place]:
            yield sample("expected_low", scored.low[place], unit)
            yield sample("expected_high", scored.high[place], unit)

    def _event(self, portion: Portion, place: int, kind: str) -> Event:
        number, scored = int(portion.series[place]), portion.scored
        at = from_us(int(portion.times[place]))
        critical = bool(scored.is_critical[place])
        numbers = {
            "value": portion.values[place], "score": portion.said.score[place], "expected": scored.expected[place],
            "low": scored.low[place], "high": scored.high[place],
        }  # fmt: skip
        detail = {key: float(value) for key, value in numbers.items()}
        text = self._sentence(portion, place, kind)
        severity = Severity.INFO if kind == "gap" else Severity.CRITICAL if critical else Severity.WARNING
        return self._named(number, kind, at, text, severity, detail)

    def _sentence(self, portion: Portion, place: int, kind: str) -> str:
        """What happened, for people: `response_time_ms 812 ms, expected 210-340 ms for Tue 14h`."""
        number, scored = int(portion.series[place]), portion.scored
        metric = self.roster.names[number].metric
        if kind == "gap":
            pause = timedelta(seconds=round(float(portion.before[place]) / 1e6))
            return f"{metric}: nothing was measured for {format_duration(pause)}"
        normal = sentence(
            float(portion.values[place]), float(scored.low[place]), float(scored.high[place]),
            self.roster.units[number], int(portion.times[place]), self._calendar,
        )  # fmt: skip
        return f"{metric}{_WORDS.get(kind, '')} {normal}"

    def _ended(self, portion: Portion, place: int) -> Event:
        """The end of an episode: how long it was, and how strange it became."""
        said, number = portion.said, int(portion.series[place])
        began, ended = from_us(int(said.began[place])), from_us(int(said.until[place]))
        detail = {
            "began": began.isoformat(), "score": float(said.peak[place]), "value": float(said.peak_value[place]),
        }  # fmt: skip
        minutes = (ended - began).total_seconds() / 60
        text = f"{self.roster.names[number].metric} was strange for {minutes:.0f} min"
        severity = Severity.CRITICAL if said.critical[place] else Severity.WARNING
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
        self._told = self._told.grown(need)
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
        told = {f"told.{name}": column[:count] for name, column in self._told._asdict().items()}
        return {**known, **told, **{f"bank.{name}": array for name, array in self._bank.to_arrays().items()}}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes what `to_arrays` gave, into a scorer that has met nothing yet; it works in these very arrays."""
        self.roster.admit(_as_text(arrays["names"]))
        bank = {name.removeprefix("bank."): array for name, array in arrays.items() if name.startswith("bank.")}
        # Time zone and days off are those of now.
        self._bank = Detector.from_arrays({**bank, **_calendar_arrays(self._calendar)}, copy=False)
        self._make_room()
        for name, column in self._told._asdict().items():
            column[: len(self.roster)] = arrays[f"told.{name}"]
        self._tune()
        for source in json.loads(_as_text(arrays["paused"])):
            self.pause(source)


_PORTION = 131_072
_I, _F, _B = np.int64, np.float64, np.bool_
_WORDS = {"anomaly_worse": " is critical:", "flatline": " hangs at", "level_shift": " has a new level:"}
_KINDS = {detection.FLATLINE: "flatline", detection.LEVEL_SHIFT: "level_shift", detection.GAP: "gap"}
_NAMES = np.array([_KINDS.get(event, "") for event in range(max(_KINDS) + 1)], dtype=object)


def _as_bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _as_text(array: NDArray[Any]) -> str:
    return array.astype(np.uint8).tobytes().decode()


def _calendar_arrays(calendar: Calendar) -> dict[str, NDArray[Any]]:
    """A calendar as detectors write it down."""
    return {name: Detector(calendar).to_arrays()[name] for name in ("zone", "holidays")}
