"""Sources that fail together, or one after the other.

For every ordered pair: how often does B fail within a quarter of an hour after A, and within two hours? Chance is
what B's failures make of it if they fell anywhere, or anywhere at their own hours of the day, whichever is more; so
two jobs that both fail at night are no pair for that alone. What flaps counts once, and it must have happened on
three days at least. The number of pairs that were possible is in the correction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.analysis.patterns.pattern import (
    Failures,
    Moments,
    Pattern,
    PatternKind,
    apart,
    latest,
    poisson_tail,
)
from monitoring_pipeline.clock import from_us, to_us

__all__ = ["find_together"]

_BIN, _SPANS = timedelta(minutes=5), (3, 24)
_QUIET = timedelta(minutes=30)
_LEAST, _LEAST_DAYS, _LEAST_LIFT = 3, 3, 3.0
_BEST_OF_EACH = 3
_CHUNK = 8192
Counts = NDArray[np.float32]


def find_together(failures: Failures, depends_on: Mapping[str, Sequence[str]]) -> tuple[list[Pattern], int]:
    """Pairs (source fails with or after `other`) that may be more than chance, and how many were possible."""
    calm = {source: apart(moments, _QUIET) for source, moments in failures.onsets.items()}
    calm = {source: moments for source, moments in calm.items() if len(moments) >= _LEAST}
    names = sorted(calm)
    if len(names) < 2:
        return [], 0
    found: dict[tuple[str, str], Pattern] = {}
    for after in _SPANS:
        together, expected = _count(failures, [calm[name] for name in names], after)
        np.fill_diagonal(together, 0)
        likely = (together >= _LEAST) & (together >= _LEAST_LIFT * expected)
        for a, b in zip(*np.nonzero(likely), strict=True):
            counted = int(together[a, b]), float(expected[a, b])
            pair = _pair(calm, (names[a], names[b]), counted, after, depends_on)
            known = None if pair is None else found.get((pair.source, pair.other))
            if pair is not None and (known is None or pair.p_value < known.p_value):
                found[pair.source, pair.other] = pair
    return list(_best(list(found.values()))), len(names) * (len(names) - 1) * len(_SPANS)


def _count(failures: Failures, onsets: Sequence[Moments], after: int) -> tuple[Counts, Counts]:
    """(A, B) of how many failures of A have one of B in the `after` bins after, and of what chance makes."""
    start, width = to_us(failures.since), _BIN // timedelta(microseconds=1)
    bins = int(failures.span_us // width) + 1
    places = [np.unique(np.clip((moments - start) // width, 0, bins - 1)) for moments in onsets]
    size, hours = len(onsets), timedelta(hours=1) // _BIN
    together = np.zeros((size, size), dtype=np.float32)
    at_hour, near_hour = np.zeros((size, 24), dtype=np.float32), np.zeros((size, 24), dtype=np.float32)
    for first in range(0, bins, _CHUNK):
        fails, near = _marked(places, first, min(_CHUNK, bins - first), after)
        together += fails @ near.T
        clock = (first + np.arange(fails.shape[1])) // hours % 24
        for hour in range(24):
            at_hour[:, hour] += fails[:, clock == hour].sum(axis=1)
            near_hour[:, hour] += near[:, clock == hour].sum(axis=1)
    per_hour = bins / 24
    anywhere = np.outer(at_hour.sum(axis=1), near_hour.sum(axis=1) / bins)
    return together, np.maximum(anywhere, at_hour @ near_hour.T / per_hour).astype(np.float32)


def _marked(places: Sequence[Moments], first: int, width: int, after: int) -> tuple[Counts, Counts]:
    """Where each fails, and where it fails in that bin or one of the next."""
    fails = np.zeros((len(places), width), dtype=np.float32)
    near = np.zeros((len(places), width), dtype=np.float32)
    for row, place in enumerate(places):
        own = place[(place >= first) & (place < first + width)] - first
        fails[row, own] = 1
        for back in range(after + 1):
            earlier = place - first - back
            near[row, earlier[(earlier >= 0) & (earlier < width)]] = 1
    return fails, near


def _pair(
    calm: Mapping[str, Moments],
    names: tuple[str, str],
    counted: tuple[int, float],
    after: int,
    depends_on: Mapping[str, Sequence[str]],
) -> Pattern | None:
    """The second after the first, unless it is the other way round, or of too few days."""
    (a, b), (count, expected) = names, counted
    first, second = calm[a], calm[b]
    near = np.clip(np.searchsorted(second, first), 1, len(second) - 1)
    lags = np.where(
        np.abs(second[near] - first) < np.abs(second[near - 1] - first), second[near] - first, second[near - 1] - first
    )
    close = np.abs(lags) <= (after + 1) * (_BIN // timedelta(microseconds=1))
    if close.sum() < _LEAST:
        return None
    lag = float(np.median(lags[close])) / 1e6
    days = len(np.unique(first[close] // 86_400_000_000))
    if lag < -60 or (abs(lag) <= 60 and b < a) or days < _LEAST_DAYS:
        return None
    known = a in depends_on.get(b, ()) or b in depends_on.get(a, ())
    when = "together with" if abs(lag) <= 60 else f"{_span(lag)} after"
    text = (
        f"fails {when} {a}: in {count} of {len(first)} failures of {a}, on {days} days, chance would make "
        f"{expected:.2g}{' (a dependency)' if known else ''}"
    )
    detail = {"lag_s": lag, "days": days, "known_dependency": known, "share": count / len(first)}
    shown = first[close]
    return Pattern(
        PatternKind.TOGETHER, b, text, poisson_tail(count, expected), count, len(first), expected, a,
        first=from_us(int(shown[0])), last=from_us(int(shown[-1])), examples=latest(shown), detail=detail,
    )  # fmt: skip


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _best(found: Sequence[Pattern]) -> Iterator[Pattern]:
    """Of each source the three surest partners: when a network goes, everything goes with everything."""
    seen: dict[str, int] = {}
    for each in sorted(found, key=lambda pair: (pair.p_value, -pair.lift)):
        seen[each.source] = seen.get(each.source, 0) + 1
        if seen[each.source] <= _BEST_OF_EACH:
            yield each
