"""From checks to sources, components and the system."""

from __future__ import annotations

import pytest

from monitoring_pipeline.checks.health import CheckHealth, Health, combined, of_source
from monitoring_pipeline.records import Criticality, Status

H, U, W, C = Status.HEALTHY, Status.UNKNOWN, Status.WARNING, Status.CRITICAL


def check(status: Status, *, critical: bool = True, message: str = "") -> CheckHealth:
    return CheckHealth("c", status, critical, message)


@pytest.mark.parametrize(
    ("checks", "status", "score"),
    [
        ([], U, None),
        ([check(H)], H, 100.0),
        ([check(H), check(U)], U, 100.0),
        ([check(U)], U, None),
        ([check(H), check(W)], W, 75.0),
        ([check(H), check(C)], C, 50.0),
        ([check(H), check(C, critical=False)], W, 75.0),
        ([check(U), check(C, critical=False)], W, 0.0),
        ([check(W), check(U), check(C)], C, 25.0),
    ],
)
def test_a_source(checks: list[CheckHealth], status: Status, score: float | None) -> None:
    health = of_source(checks)
    assert (health.status, health.score) == (status, score)


def test_the_reason_names_what_made_it_bad_and_no_more_than_three() -> None:
    assert of_source([check(H, message="fine"), check(C, message="refused")]).reason == "c: refused"
    many = of_source([check(C, message=f"m{n}") for n in range(5)])
    assert many.reason == "c: m0; c: m1; c: m2 (and 2 more)"
    assert of_source([check(H)]).reason == ""


def member(status: Status, score: float | None, criticality: Criticality = Criticality.MEDIUM) -> tuple:
    return ("s", Health(status, score), criticality)


@pytest.mark.parametrize(
    ("members", "aggregation", "status", "score"),
    [
        ([], "worst", U, None),
        ([member(H, 100), member(C, 0)], "worst", C, 50.0),
        ([member(H, 100), member(C, 0, Criticality.LOW)], "worst", W, 66.7),
        ([member(H, 100), member(C, 0, Criticality.CRITICAL)], "worst", C, 20.0),
        ([member(H, 100), member(U, None)], "worst", U, 100.0),
        ([member(H, 100, Criticality.CRITICAL), member(C, 0, Criticality.LOW)], "weighted", W, 88.9),
        ([member(H, 100), member(C, 0)], "weighted", W, 50.0),
        ([member(C, 0), member(W, 50)], "weighted", C, 25.0),
        ([member(U, None)], "weighted", U, None),
    ],
)
def test_components(members: list, aggregation: str, status: Status, score: float | None) -> None:
    health = combined(members, aggregation)
    assert (health.status, health.score) == (status, score)
