"""What queries and conditions answer, in plain Python over a list of points: how it is meant.

`observe.py` answers the same set-wise; a property test holds the two together. Rule unit tests and
explanations may use either.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from monitoring_pipeline.alerting.rules.condition import (
    Aggregation,
    Answer,
    Condition,
    Facts,
    Observation,
    Query,
    Series,
    Subject,
)
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Severity, Status

__all__ = ["Point", "answer", "observe"]


@dataclass(frozen=True, slots=True)
class Point:
    """One value: a sample's, or the rank of a result's status. `id` orders values of one moment."""

    series: Series
    source: str
    check: str
    metric: str
    time: datetime
    value: float
    id: int = 0
    unit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def answer(points: Iterable[Point], query: Query, at: datetime) -> Answer:
    """What a query finds at a moment."""
    found = [point for point in points if _is_meant(point, query) and at - query.window < point.time <= at]
    if query.aggregation in _OF_KNOWN:
        counted = [point for point in found if point.value != Status.UNKNOWN.rank]
    else:
        counted = found
    counted.sort(key=_order)
    found.sort(key=_order)
    newest = tuple(point.value for point in reversed(found))[: query.newest]
    last = _highest(found) if query.aggregation is Aggregation.PEAK else next(reversed(found), None)
    return Answer(
        _AGGREGATES[query.aggregation](counted),
        len(counted),
        newest,
        to_us(last.time) if last else None,
        max((point.unit for point in found), default=""),
    )


def observe(
    condition: Condition,
    subject: Subject,
    points: Iterable[Point],
    facts: Facts,
    now: datetime,
    held: Severity | None = None,
) -> Observation:
    """What a condition makes of these points."""
    known = list(points)
    answers = [answer(known, query, now) for query in condition.queries(subject)]
    return condition.observe(subject, answers, facts, now, held)


def _is_meant(point: Point, query: Query) -> bool:
    return (
        point.series is query.series
        and point.source == query.source
        and point.metric == query.metric
        and query.check in ("", point.check)
        and all(str(point.tags.get(name)) == value for name, value in query.tags)
    )


def _order(point: Point) -> tuple[datetime, int]:
    return point.time, point.id


def _values(points: Sequence[Point]) -> list[float]:
    return [point.value for point in points]


def _quantile(share: float) -> Callable[[Sequence[Point]], float | None]:
    def of(points: Sequence[Point]) -> float | None:
        """Between the two values next to the place, in proportion."""
        if not points:
            return None
        ordered = sorted(_values(points))
        place = share * (len(ordered) - 1)
        low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
        return low + (high - low) * (place - math.floor(place))

    return of


def _by_stream(points: Sequence[Point]) -> list[list[Point]]:
    """The points of each check (and tags, and unit) apart."""
    streams: dict[object, list[Point]] = defaultdict(list)
    for point in points:
        streams[(point.check, tuple(sorted(point.tags.items())), point.unit)].append(point)
    return list(streams.values())


def _rate(points: Sequence[Point]) -> float | None:
    rates = [rate for stream in _by_stream(points) if (rate := _rate_of_one(stream)) is not None]
    return math.fsum(rates) if rates else None


def _rate_of_one(points: Sequence[Point]) -> float | None:
    elapsed = (points[-1].time - points[0].time).total_seconds()
    if elapsed <= 0:
        return None
    grown = 0.0
    for before, after in pairwise(points):
        # A counter that fell began again at zero.
        grown += after.value - before.value if after.value >= before.value else after.value
    return grown / elapsed


def _highest(points: Sequence[Point]) -> Point | None:
    """The newest point of each stream, and of these the one farthest from zero; the newest of several such."""
    newest = (stream[-1] for stream in _by_stream(points))
    return max(newest, key=lambda point: (abs(point.value), _order(point)), default=None)


def _peak(points: Sequence[Point]) -> float | None:
    highest = _highest(points)
    return None if highest is None else highest.value


def _changes(points: Sequence[Point]) -> float | None:
    counts = [sum(before.value != after.value for before, after in pairwise(stream)) for stream in _by_stream(points)]
    return float(max(counts)) if counts else None


def _failures(points: Sequence[Point]) -> float | None:
    counts = [_newest_failures(stream) for stream in _by_stream(points)]
    return float(max(counts)) if counts else None


def _newest_failures(points: Sequence[Point]) -> int:
    for count, point in enumerate(reversed(points)):
        if point.value != Status.CRITICAL.rank:
            return count
    return len(points)


def _failed(points: Sequence[Point]) -> float | None:
    failed = sum(point.value == Status.CRITICAL.rank for point in points)
    return failed / len(points) if points else None


_OF_KNOWN = frozenset({Aggregation.CHANGES, Aggregation.FAILURES, Aggregation.FAILED})
_AGGREGATES: Mapping[Aggregation, Callable[[Sequence[Point]], float | None]] = {
    Aggregation.LAST: lambda points: points[-1].value if points else None,
    Aggregation.AVG: lambda points: math.fsum(_values(points)) / len(points) if points else None,
    Aggregation.MAX: lambda points: max(_values(points), default=None),
    Aggregation.MIN: lambda points: min(_values(points), default=None),
    Aggregation.COUNT: lambda points: float(len(points)),
    Aggregation.SUM: lambda points: math.fsum(_values(points)) if points else None,
    Aggregation.P50: _quantile(0.5),
    Aggregation.P95: _quantile(0.95),
    Aggregation.P99: _quantile(0.99),
    Aggregation.RATE: _rate,
    Aggregation.PEAK: _peak,
    Aggregation.CHANGES: _changes,
    Aggregation.FAILURES: _failures,
    Aggregation.FAILED: _failed,
}
