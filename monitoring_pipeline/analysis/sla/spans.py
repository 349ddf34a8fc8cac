"""Exact arithmetic on stretches of time: a timeline says of every microsecond of a window what it counts as.

A timeline is a list of `Span` in order that touch each other and cover its window from begin to end, so the
sums of its verdicts always are the length of the window. Moments are whole microseconds since 1970 (UTC).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

__all__ = [
    "ALL",
    "Span",
    "Timeline",
    "Verdict",
    "clip",
    "latest_wins",
    "overlay",
    "solid",
    "steps",
    "together",
    "union",
]


class Verdict(StrEnum):
    """What time, or an event, counts as. Unknown is never good; excluded does not count at all."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    EXCLUDED = "excluded"


ALL = frozenset(Verdict)
_WORST_FIRST = (Verdict.BAD, Verdict.UNKNOWN, Verdict.GOOD, Verdict.EXCLUDED)
_BEST_FIRST = (Verdict.GOOD, Verdict.UNKNOWN, Verdict.BAD, Verdict.EXCLUDED)


class Span(NamedTuple):
    """From `start` on and before `end`."""

    start: int
    end: int
    verdict: Verdict


Timeline = Sequence[Span]


def solid(start: int, end: int, verdict: Verdict) -> list[Span]:
    """A timeline of one verdict; an empty one where the window is empty."""
    return [Span(start, end, verdict)] if start < end else []


def steps(start: int, end: int, found: Iterable[tuple[int, Verdict]]) -> list[Span]:
    """A timeline of a window out of what was found when, in order. Before the first finding all is unknown."""
    spans: list[Span] = []
    at, verdict = start, Verdict.UNKNOWN
    for moment, then in found:
        if moment >= end:
            break
        if moment > at:
            spans.append(Span(at, moment, verdict))
            at = moment
        verdict = then
    if at < end:
        spans.append(Span(at, end, verdict))
    return _joined(spans)


def clip(spans: Timeline, start: int, end: int) -> list[Span]:
    """What lies in a window, cut at its edges."""
    if start >= end:
        return []
    first = bisect_right(spans, start, key=lambda span: span.end)
    found = []
    for span in spans[first:]:
        if span.start >= end:
            break
        found.append(Span(max(span.start, start), min(span.end, end), span.verdict))
    return found


def union(stretches: Iterable[tuple[int, int]], verdict: Verdict) -> list[Span]:
    """Stretches that may overlap and come in any order, as spans that do not and that come in order."""
    merged: list[Span] = []
    for start, end in sorted(stretches):
        if start >= end:
            continue
        if merged and start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, end), verdict)
        else:
            merged.append(Span(start, end, verdict))
    return merged


def latest_wins(spans: Iterable[Span]) -> list[Span]:
    """Spans that may overlap as spans that do not: where several lie, the one that came last in `spans` counts."""
    kept: list[Span] = []
    for new in spans:
        if new.start >= new.end:
            continue
        parts = [part for old in kept for part in _without(old, new)]
        kept = [*parts, new]
    return sorted(kept)


def _without(old: Span, new: Span) -> Iterable[Span]:
    if old.start < min(old.end, new.start):
        yield Span(old.start, min(old.end, new.start), old.verdict)
    if max(old.start, new.end) < old.end:
        yield Span(max(old.start, new.end), old.end, old.verdict)


def overlay(base: Timeline, patches: Timeline, over: Collection[Verdict] = ALL) -> list[Span]:
    """The base with patches upon it, where the base's verdict is one of `over`; the window stays the base's.

    Patches come in order and do not overlap each other, as `union` and `latest_wins` leave them.
    """
    if not patches:
        return list(base)
    laid: list[Span] = []
    first = 0
    for span in base:
        while first < len(patches) and patches[first].end <= span.start:
            first += 1
        at, number = span.start, first
        while number < len(patches) and patches[number].start < span.end:
            patch = patches[number]
            begin, end = max(at, patch.start), min(span.end, patch.end)
            if at < begin:
                laid.append(Span(at, begin, span.verdict))
            laid.append(Span(begin, end, patch.verdict if span.verdict in over else span.verdict))
            at, number = end, number + 1
        if at < span.end:
            laid.append(Span(at, span.end, span.verdict))
    return _joined(laid)


def together(timelines: Sequence[Timeline], *, redundant: bool = False) -> list[Span]:
    """Timelines of one window as one: bad when one is bad, or, where they stand in for each other, when all are.

    What is excluded of one says nothing about the whole: only where all are excluded the whole is.
    """
    if len(timelines) == 1:
        return list(timelines[0])
    order = _BEST_FIRST if redundant else _WORST_FIRST
    edges = sorted((span.start, number, span) for number, spans in enumerate(timelines) for span in spans)
    current: dict[int, Verdict] = {}
    counts: Counter[Verdict] = Counter()
    moved: list[tuple[int, Verdict]] = []
    for at, number, span in edges:
        if number in current:
            counts[current[number]] -= 1
        current[number] = span.verdict
        counts[span.verdict] += 1
        verdict = next(each for each in order if counts[each])
        if moved and moved[-1][0] == at:
            moved[-1] = (at, verdict)
        else:
            moved.append((at, verdict))
    end = max((spans[-1].end for spans in timelines if spans), default=0)
    return steps(moved[0][0], end, moved) if moved else []


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].verdict is span.verdict and joined[-1].end == span.start:
            joined[-1] = Span(joined[-1].start, span.end, span.verdict)
        else:
            joined.append(span)
    return joined
