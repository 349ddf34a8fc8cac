"""Arithmetic on stretches of time: nothing is lost, nothing counted twice, and unknown never becomes good."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from monitoring_pipeline.analysis.sla.account import Account, of_timeline
from monitoring_pipeline.analysis.sla.spans import (
    Span,
    Verdict,
    clip,
    latest_wins,
    overlay,
    solid,
    steps,
    together,
    union,
)

GOOD, BAD, UNKNOWN, EXCLUDED = Verdict.GOOD, Verdict.BAD, Verdict.UNKNOWN, Verdict.EXCLUDED
START, END = 0, 200

moments = st.integers(-20, 220)
verdicts = st.sampled_from(list(Verdict))
timelines = st.lists(st.tuples(moments, verdicts), max_size=12).map(
    lambda found: steps(START, END, sorted(found, key=lambda each: each[0]))
)
loose = st.lists(st.tuples(moments, moments, verdicts), max_size=8).map(lambda rows: [Span(*row) for row in rows])


def at(spans: list[Span], moment: int) -> Verdict | None:
    """The plainest reading of a timeline."""
    return next((span.verdict for span in spans if span.start <= moment < span.end), None)


def covers(spans: list[Span]) -> bool:
    edges = [START, *(span.end for span in spans)]
    return [span.start for span in spans] == edges[:-1] and edges[-1] == END and all(s.start < s.end for s in spans)


def test_time_before_the_first_finding_is_unknown() -> None:
    assert steps(0, 100, [(10, GOOD), (30, BAD), (30, GOOD), (90, BAD)]) == [
        Span(0, 10, UNKNOWN), Span(10, 90, GOOD), Span(90, 100, BAD),
    ]  # fmt: skip


def test_the_last_finding_before_the_window_holds_at_its_begin() -> None:
    assert steps(0, 100, [(-30, BAD), (-20, GOOD), (100, BAD)]) == [Span(0, 100, GOOD)]


def test_nothing_happens_in_an_empty_window() -> None:
    assert steps(5, 5, [(0, GOOD)]) == solid(5, 5, GOOD) == clip([Span(0, 9, GOOD)], 5, 5) == together([]) == []


@given(timelines, loose, st.sets(verdicts))
def test_whatever_is_laid_upon_a_timeline_it_covers_its_window(
    base: list[Span], patches: list[Span], over: set[Verdict]
) -> None:
    laid = overlay(base, latest_wins(patches), over)
    assert covers(laid)
    assert of_timeline(laid).total == END - START


@given(timelines, loose)
def test_the_patch_written_last_wins_everywhere(base: list[Span], patches: list[Span]) -> None:
    laid = overlay(base, latest_wins(patches))
    for moment in range(START, END):
        wanted = at(list(reversed(patches)), moment)
        assert at(laid, moment) is (at(base, moment) if wanted is None else wanted)


@given(timelines, st.lists(st.tuples(moments, moments), max_size=8))
def test_a_gap_makes_good_time_unknown_and_never_makes_any_good(
    base: list[Span], stretches: list[tuple[int, int]]
) -> None:
    laid = overlay(base, union(stretches, UNKNOWN), {GOOD, BAD})
    for moment in range(START, END):
        if any(begin <= moment < end for begin, end in stretches):
            assert at(laid, moment) in (UNKNOWN, EXCLUDED)
    assert of_timeline(laid).good <= of_timeline(base).good


@given(timelines, st.lists(moments, max_size=4))
def test_parts_of_a_window_add_up_to_it(spans: list[Span], edges: list[int]) -> None:
    cuts = sorted([START, END, *(min(END, max(START, edge)) for edge in edges)])
    parts = [of_timeline(spans, begin, end) for begin, end in itertools.pairwise(cuts)]
    assert sum(parts, Account()) == of_timeline(spans)
    assert of_timeline(spans) == of_timeline(clip(spans, START, END))


@given(st.lists(timelines, min_size=1, max_size=4))
def test_several_are_bad_when_one_is_or_when_all_are(parts: list[list[Span]]) -> None:
    worst, best = together(parts), together(parts, redundant=True)
    assert covers(worst) and covers(best)
    for moment in range(START, END):
        found = {at(part, moment) for part in parts} - {EXCLUDED}
        expected = next((each for each in (BAD, UNKNOWN, GOOD) if each in found), EXCLUDED)
        assert at(worst, moment) is expected
        expected = next((each for each in (GOOD, UNKNOWN, BAD) if each in found), EXCLUDED)
        assert at(best, moment) is expected


@given(st.builds(Account, *(st.integers(0, 10**12) for _ in range(4))))
def test_unknown_lowers_what_is_certain_and_never_raises_what_is_claimed(account: Account) -> None:
    if account.attained is not None and account.at_least is not None:
        assert account.at_least <= account.attained
        assert Account(account.good, account.bad, account.unknown + 1).attained == account.attained
    assert account.relevant + account.excluded == account.total


def test_nothing_is_known_of_unknown_time() -> None:
    blind = Account(unknown=50, excluded=10)
    assert (blind.attained, blind.at_least, blind.coverage) == (None, 0.0, 0.0)
    assert Account(excluded=10).coverage is Account(excluded=10).at_least is None
