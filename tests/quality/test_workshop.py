"""The process beside ours: what hangs, crashes or lies takes only itself along."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.examine import Order
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.quality.workshop import Workshop
from monitoring_pipeline.records import Status
from tests.quality.conftest import NOW, Examine


def order(**suite: Any) -> Order:
    return Order(SuiteSpec.model_validate({"source": "orders", **suite}), NOW)


def moody(mood: str, **suite: Any) -> Order:
    return order(validator="tests.quality.validators:Moody", arguments={"mood": mood}, **suite)


WELL = order(validator="tests.quality.validators:Nightly", masked=["email"])


def test_a_validator_reports_scores_findings_and_numbers(examine: Examine) -> None:
    found = examine(validator="tests.quality.validators:Nightly", masked=["email"])
    assert found.scores == {Dimension.COMPLETENESS: 99.0}
    assert found.metrics == {"late_rows": 12.0}
    assert found.rows == 120
    assert found.findings[0].rows == ({"id": 7, "email": "***"},)
    assert found.status is Status.CRITICAL


@pytest.mark.parametrize(
    ("validator", "problem"),
    [
        ("tests.quality.validators:Missing", "AttributeError"),
        ("tests.quality.nowhere:Class", "ModuleNotFoundError"),
        ("tests.quality.validators:NoValidator", "has no method `validate`"),
    ],
)
def test_a_validator_that_is_none(examine: Examine, validator: str, problem: str) -> None:
    assert problem in examine(validator=validator).problem


@pytest.mark.parametrize(
    ("mood", "problem"),
    [
        ("raises", "the framework is not at home"),
        ("scores high", "the score 140.0 of validity does not lie between 0 and 100"),
        ("scores nothing", "the score nan of validity does not lie between 0 and 100"),
        ("invents", "'beauty' is no dimension of quality"),
        ("spells", "the score of validity is no number but '95'"),
        ("counts in words", "the number of rows is no number but 'lots'"),
        ("says nothing", "the name of a metric has 1 to 150 characters, not 0"),
        ("boasts", "the share 1.7 of 'rows' does not lie between 0 and 1"),
        ("outweighs", "the weight -1 of 'rows' is neither 0 nor a positive number"),
        ("wavers", "'rows' is met: 'yes'; it takes True, False or None"),
        ("admires", "'beauty' of 'rows' is not one of: completeness, "),
        ("takes our name", "the metric 'quality.validity' is computed here"),
        ("answers with words", "the validator answered str, not a Measurement"),
    ],
)
def test_a_validator_that_answers_nonsense_is_unknown(examine: Examine, mood: str, problem: str) -> None:
    found = examine(validator="tests.quality.validators:Moody", arguments={"mood": mood})
    assert problem in found.problem
    assert found.status is Status.UNKNOWN


def test_one_that_hangs_or_dies_stops_only_itself() -> None:
    with Workshop() as workshop:
        hung = workshop.examine(moody("hangs", timeout="2s"))
        assert hung.problem == "it took longer than 2s and was stopped"
        crashed = workshop.examine(moody("crashes"))
        assert crashed.problem.startswith("its process ended with signal SIGABRT")
        left = workshop.examine(moody("exits"))
        assert left.problem == "its process ended with exit code 3: out of ideas"
        assert workshop.examine(WELL).problem == ""
        assert {found.status for found in (hung, crashed, left)} == {Status.UNKNOWN}


def test_a_process_that_was_killed_between_two_suites_is_replaced() -> None:
    with Workshop() as workshop:
        assert workshop.examine(WELL).problem == ""
        assert workshop._process is not None
        os.kill(workshop._process.pid, signal.SIGKILL)
        workshop._process.wait()
        assert "SIGKILL" in workshop.examine(WELL).problem
        assert workshop.examine(WELL).problem == ""


def test_expectations_and_a_validator_in_one_suite(examine: Examine, tmp_path: Any) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    table = {"kind": "file", "path": f"{tmp_path}/a.csv"}
    found = examine(table=table, validator="tests.quality.validators:Moody", arguments={"mood": "raises"})
    assert found.problem == "the framework is not at home"
    assert [finding.name for finding in found.findings] == ["rows"]
    assert found.status is Status.UNKNOWN
