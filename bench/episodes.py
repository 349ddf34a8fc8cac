"""What alarms are worth against labels: events found, and what a pager would have rung for nothing.

Labelled points closer than three intervals (30 minutes at least) are one event. It is found by an alarm from two
intervals before it to three (10 minutes at least) after it: people label roughly. Other alarms are grouped likewise to
episodes, and one costs a false alarm for each begun stretch of 24 intervals (4 hours at least). So alarming always
finds everything and is worth nothing; there is no point adjustment, with which random scores win. The first quarter of
each series is for learning and does not count, nor do points that are to be ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEARNING", "Tally", "tally", "total", "zones"]

LEARNING = 0.25
"""The share of a series that is for learning."""
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tally:
    """Events, those found, false alarms, and the days that were watched."""

    events: int = 0
    found: int = 0
    false: int = 0
    days: float = 0.0

    @property
    def precision(self) -> float:
        return self.found / max(self.found + self.false, 1)

    @property
    def recall(self) -> float:
        return self.found / max(self.events, 1)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.found / max(self.found + self.false + self.events, 1)

    @property
    def false_per_day(self) -> float:
        return self.false / self.days if self.days else 0.0


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of several."""
    found = list(tallies)
    return Tally(
        sum(each.events for each in found),
        sum(each.found for each in found),
        sum(each.false for each in found),
        sum(each.days for each in found),
    )


def tally(times: NDArray[np.int64], labels: Flags, ignored: Flags, alarms: Flags) -> Tally:
    """Counts for one series: moments (seconds, ascending), and flags per point."""
    start = int(len(times) * LEARNING)
    if len(times) - start < 2:
        return Tally()
    interval = _interval(times)
    apart = max(3 * interval, 1800)
    counts, zone = zones(times, labels, ignored)
    events = int(zone.max(initial=-1)) + 1
    alarmed = np.flatnonzero(alarms & counts)
    found = len(np.unique(zone[alarmed][zone[alarmed] >= 0]))
    refire = max(4 * 3600, 24 * interval)
    episodes = _grouped(times, alarmed[zone[alarmed] < 0], apart)
    false = sum(1 + int((times[last] - times[first]) // refire) for first, last in episodes)
    days = float(np.minimum(np.diff(times[start:]), 3 * interval).sum()) / 86_400
    return Tally(events, found, false, days)


def zones(times: NDArray[np.int64], labels: Flags, ignored: Flags) -> tuple[Flags, NDArray[np.int64]]:
    """Per point whether it counts, and the number of the event that an alarm there finds, -1 for none."""
    interval = _interval(times)
    counts = (np.arange(len(times)) >= int(len(times) * LEARNING)) & ~ignored
    zone = np.full(len(times), -1)
    events = _grouped(times, np.flatnonzero(labels & counts), max(3 * interval, 1800), runs=True)
    for number, (first, last) in enumerate(events):
        low = np.searchsorted(times, times[first] - 2 * interval)
        high = np.searchsorted(times, times[last] + max(3 * interval, 600), "right")
        part = zone[low:high]
        part[part < 0] = number
        zone[first : last + 1] = number
    return counts, zone


def _interval(times: NDArray[np.int64]) -> float:
    return float(np.median(np.diff(times)))


def _grouped(
    times: NDArray[np.int64], places: NDArray[np.intp], apart: float, runs: bool = False
) -> list[tuple[int, int]]:
    """First and last place of groups of places that are not further apart; `runs` keeps neighbours together anyway."""
    if not len(places):
        return []
    far = np.diff(times[places]) > apart
    cuts = np.flatnonzero(far & (np.diff(places) > 1) if runs else far)
    firsts, lasts = places[np.r_[0, cuts + 1]], places[np.r_[cuts, len(places) - 1]]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
