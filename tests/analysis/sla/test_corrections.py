"""Corrections of the ledger: the last one counts, revoked ones do not, and nothing is excluded unless agreed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring_pipeline.analysis.sla.corrections import Terms, in_force, patches
from monitoring_pipeline.analysis.sla.spans import Span, Verdict
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import LedgerEntry, Reclassified

NOW = datetime(2026, 5, 10, tzinfo=UTC)


def at(hour: float) -> datetime:
    return NOW + timedelta(hours=hour)


def entry(number: int, begin: float, end: float, as_: str, **more: Any) -> LedgerEntry:
    return LedgerEntry(number, NOW, "eva", "db", at(begin), at(end), Reclassified(as_), "because", **more)


def span(begin: float, end: float, verdict: str) -> Span:
    return Span(to_us(at(begin)), to_us(at(end)), Verdict(verdict))


@pytest.mark.parametrize(
    ("as_", "terms", "verdict"),
    [
        ("up", Terms(), "good"),
        ("down", Terms(), "bad"),
        ("monitor_offline", Terms(maintenance=True, upstream=True), "unknown"),
        ("maintenance", Terms(maintenance=True), "excluded"),
        ("maintenance", Terms(upstream=True), None),
        ("upstream", Terms(upstream=True), "excluded"),
        ("upstream", Terms(maintenance=True), None),
    ],
)
def test_a_reason_counts_as_agreed(as_: str, terms: Terms, verdict: str | None) -> None:
    expected = [] if verdict is None else [span(0, 1, verdict)]
    assert patches([entry(1, 0, 1, as_)], "uptime", terms) == expected


def test_of_overlapping_corrections_the_last_one_written_counts() -> None:
    written = [entry(1, 0, 10, "up"), entry(2, 2, 4, "down"), entry(3, 3, 12, "monitor_offline")]
    assert patches(written, "uptime", Terms()) == [span(0, 2, "good"), span(2, 3, "bad"), span(3, 12, "unknown")]


def test_what_was_revoked_uncovers_what_lay_beneath() -> None:
    written = [entry(1, 0, 10, "up"), entry(2, 2, 4, "down"), entry(3, 2, 4, "down", revokes=2)]
    assert [each.number for each in in_force(written)] == [1]
    assert patches(written, "uptime", Terms()) == [span(0, 10, "good")]


def test_a_correction_may_be_about_one_objective_alone() -> None:
    written = [entry(1, 0, 1, "up", objective="latency")]
    assert patches(written, "uptime", Terms()) == []
    assert patches(written, "latency", Terms()) == [span(0, 1, "good")]
