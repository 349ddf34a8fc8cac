"""How often things fail, and how soon somebody noticed and set it right."""

from __future__ import annotations

from monitoring_pipeline.analysis.sla.reliability import (
    Answered,
    Failure,
    Reliability,
    failures,
    pooled,
    reliability,
)
from monitoring_pipeline.analysis.sla.spans import Span, Verdict, steps

GOOD, BAD, UNKNOWN, EXCLUDED = Verdict.GOOD, Verdict.BAD, Verdict.UNKNOWN, Verdict.EXCLUDED


def line(*found: tuple[int, Verdict], end: int = 100) -> list[Span]:
    return steps(0, end, found)


def test_a_failure_lasts_from_bad_to_good() -> None:
    spans = line((0, GOOD), (10, BAD), (15, GOOD), (50, BAD))
    assert failures(spans) == [Failure(10, 5, 15), Failure(50, 50)]


def test_unknown_time_neither_ends_a_failure_nor_belongs_to_it() -> None:
    assert failures(line((0, GOOD), (10, BAD), (15, UNKNOWN), (20, BAD), (25, GOOD))) == [Failure(10, 10, 25)]
    assert failures(line((0, GOOD), (10, BAD), (15, UNKNOWN), (40, GOOD))) == [Failure(10, 5, 40, hazy=True)]
    assert failures(line((0, GOOD), (10, UNKNOWN), (40, GOOD))) == []


def test_excluded_time_is_no_failure() -> None:
    assert failures(line((0, GOOD), (10, EXCLUDED), (40, GOOD))) == []


def test_means_are_per_failure() -> None:
    spans = line((0, GOOD), (10, BAD), (16, GOOD), (40, BAD), (42, GOOD))
    found = reliability(spans, [Answered(12, 15), Answered(13), Answered(41), Answered(90)])
    assert (found.failures, found.ended, found.detected, found.acknowledged) == (2, 2, 2, 1)
    assert (found.mtbf_us, found.mttr_us, found.mttd_us, found.mtta_us) == (46, 4, 1.5, 3)


def test_what_never_failed_has_no_means() -> None:
    found = reliability(line((0, GOOD)), [Answered(5)])
    assert (found.mtbf_us, found.mttr_us, found.mttd_us, found.mtta_us) == (None, None, None, None)
    assert found.good_us == 100


def test_a_failure_that_lasts_counts_as_one_and_not_as_mended() -> None:
    found = reliability(line((0, GOOD), (90, BAD)), [Answered(95)])
    assert (found.failures, found.ended, found.mttr_us, found.mttd_us) == (1, 0, None, 5)


def test_sources_are_pooled_by_failure() -> None:
    one = reliability(line((0, GOOD), (10, BAD), (20, GOOD)))
    two = reliability(line((0, GOOD)))
    assert pooled([one, two]).mtbf_us == 190
    assert pooled([]) == Reliability()
