"""What is normal for series, by hour of the week, as the detectors know it right now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.scoring.scorer import Normal, Scorer
from monitoring_pipeline.clock import to_us

__all__ = ["Baseline", "Slot", "band", "baseline_document", "baselines"]


class Slot(NamedTuple):
    """One hour of the week on the wall, Monday being 0, and what is normal in it."""

    weekday: int
    hour: int
    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is normal for one series, by weekday and hour. Nothing is alarmed while it is `learning`."""

    source: str
    check: str
    metric: str
    tags: Mapping[str, str]
    unit: str
    learning: bool
    paused: bool
    slots: Sequence[Slot]


def baselines(scorer: Scorer, now: datetime, source: str, metric: str | None = None) -> list[Baseline]:
    """What is normal for the series of a source, or of one of its metrics, by metric and check."""
    numbers = scorer.roster.find(source, metric)
    if not numbers:
        return []
    normal = scorer.normal(to_us(now), np.array(numbers))
    found = [_baseline(scorer, normal, place, number) for place, number in enumerate(numbers)]
    return sorted(found, key=lambda each: (each.metric, each.check, json.dumps(dict(each.tags), sort_keys=True)))


def _baseline(scorer: Scorer, normal: Normal, place: int, number: int) -> Baseline:
    name = scorer.roster.names[number]
    learning = bool(normal.learning[place])
    columns = (normal.low, normal.expected, normal.high)
    values = zip(
        normal.weekday.tolist(), normal.hour.tolist(), *(each[:, place].tolist() for each in columns), strict=True
    )
    # Clocks that are set back show an hour twice: the first counts.
    slots = {(row[0], row[1]): Slot(*row) for row in reversed(list(values))}
    return Baseline(
        name.source, name.check, name.metric, json.loads(name.tags), scorer.roster.units[number], learning,
        name.source in scorer.paused,
        () if learning else [slots[key] for key in sorted(slots) if all(map(isfinite, slots[key]))],
    )  # fmt: skip


def band(
    baseline: Baseline, calendar: Calendar, since: datetime, until: datetime
) -> list[tuple[datetime, float, float]]:
    """What is normal in each hour of a stretch of time: from when on, lowest and highest."""
    known = {(slot.weekday, slot.hour): slot for slot in baseline.slots}
    hours = [since.replace(minute=0, second=0, microsecond=0)]
    while hours[-1] < until:
        hours.append(hours[-1] + timedelta(hours=1))
    slots, weekdays = calendar.slots(np.array([to_us(hour) for hour in hours], dtype=np.int64), 24)
    found = []
    for moment, hour, weekday in zip(hours, slots.tolist(), weekdays.tolist(), strict=True):
        slot = known.get((weekday, hour))
        if slot is not None:
            found.append((moment, slot.low, slot.high))
    return found


def baseline_document(baseline: Baseline) -> dict[str, Any]:
    """As JSON; keys are only ever added."""
    return {
        "source": baseline.source, "check": baseline.check, "metric": baseline.metric, "tags": dict(baseline.tags),
        "unit": baseline.unit, "learning": baseline.learning, "paused": baseline.paused,
        "slots": [slot._asdict() for slot in baseline.slots],
    }  # fmt: skip
