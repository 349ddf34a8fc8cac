"""From what was recorded to what it means: timelines of sources out of statuses, gaps and samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring_pipeline.analysis.sla.spans import Span, Verdict, overlay, steps, union
from monitoring_pipeline.checks.health import overdue_since
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import CheckState
from monitoring_pipeline.store.sla import GapRow

__all__ = ["Blind", "Found", "blind_since", "missed_slots", "sampled", "source_timeline"]

_MINUTE = 60_000_000
_KNOWN = frozenset({Verdict.GOOD, Verdict.BAD})
_GOOD = frozenset({Verdict.GOOD})
_NOBODY = "not_running"


@dataclass(frozen=True, slots=True)
class Blind:
    """From when on results of a source are overdue, microseconds; `wholly`: those of all of its checks."""

    since: int
    wholly: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What was recorded about one source in a window, and what was not."""

    statuses: Sequence[tuple[int, str]] = ()
    gaps: Sequence[GapRow] = ()
    blind: Sequence[Blind] = ()


def source_timeline(
    found: Found, start: int, end: int, intervals: Mapping[str, int], *, warning_is_bad: bool = False
) -> list[Span]:
    """When a source was up. `intervals` are those of checks by their key (`source/check`), microseconds.

    While nobody executes checks nothing is known; while only one check is not executed nothing good is known. A
    gap lasts until the check's next result, or, where that was not asked for, as long as one interval after its
    last slot.
    """
    meaning = {
        "healthy": Verdict.GOOD, "critical": Verdict.BAD, "warning": Verdict.BAD if warning_is_bad else Verdict.GOOD,
    }  # fmt: skip
    spans = steps(start, end, ((at, meaning.get(status, Verdict.UNKNOWN)) for at, status in found.statuses))
    nobody: list[tuple[int, int]] = []
    partly: list[tuple[int, int]] = []
    for gap in found.gaps:
        stretch = gap.start, _gap_end(gap, intervals)
        (nobody if gap.reason == _NOBODY else partly).append(stretch)
    for blind in found.blind:
        (nobody if blind.wholly else partly).append((blind.since, end))
    spans = overlay(spans, union(nobody, Verdict.UNKNOWN), _KNOWN)
    return overlay(spans, union(partly, Verdict.UNKNOWN), _GOOD)


def _gap_end(gap: GapRow, intervals: Mapping[str, int]) -> int:
    if gap.resumed is not None:
        return gap.resumed
    spacing = (gap.end - gap.start) // (gap.slots - 1) if gap.slots > 1 else _MINUTE
    return gap.end + intervals.get(f"{gap.source}/{gap.check}", spacing)


def sampled(
    values: Iterable[tuple[int, float | None]], start: int, end: int, limit: float, holds: int, *, high_is_good: bool
) -> list[Span]:
    """When samples kept a limit: each holds until the next one, for `holds` at most; unknown afterwards.

    A quality score must reach its limit, an age must stay below it. None is a measurement that failed: unknown.
    """

    def moves() -> Iterable[tuple[int, Verdict]]:
        expires: int | None = None
        for at, value in values:
            if expires is not None and at > expires:
                yield expires, Verdict.UNKNOWN
            if value is None:
                yield at, Verdict.UNKNOWN
                expires = None
                continue
            kept = value >= limit if high_is_good else value < limit
            yield at, Verdict.GOOD if kept else Verdict.BAD
            expires = at + holds
        if expires is not None:
            yield expires, Verdict.UNKNOWN

    return steps(start, end, moves())


def blind_since(states: Iterable[CheckState], now: datetime) -> list[Blind]:
    """What is overdue of a source at a moment: nothing, some of its enabled checks, and from when on all of them."""
    enabled = [state for state in states if state.enabled]
    late = sorted(to_us(due) for state in enabled if (due := overdue_since(state, now)) is not None)
    found = [Blind(late[0], wholly=False)] if late else []
    return [*found, Blind(late[-1], wholly=True)] if late and len(late) == len(enabled) else found


def missed_slots(gap: GapRow, start: int, end: int) -> int:
    """How many of a gap's slots lie in [start, end); they are evenly spread, so parts always add up to the whole."""
    return _before(gap, end) - _before(gap, start) if start < end else 0


def _before(gap: GapRow, moment: int) -> int:
    ahead, length = moment - gap.start, gap.end - gap.start
    if ahead <= 0:
        return 0
    if gap.slots < 2 or length <= 0:
        return gap.slots
    return min(gap.slots, -(-ahead * (gap.slots - 1) // length))
