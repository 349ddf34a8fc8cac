"""What is told of promises: sentences about budgets, documents, and the line of a budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring_pipeline.analysis.objective import ObjectiveSpec, Promise
from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.course import Course, Part
from monitoring_pipeline.analysis.sla.evidence import Pair
from monitoring_pipeline.analysis.sla.periods import Period, period_at
from monitoring_pipeline.analysis.sla.standing import Standing
from monitoring_pipeline.reports.sla import forecast_sentence, percent_text, standing_document, subject_name
from monitoring_pipeline.reports.sla_plot import budget_line, standings_png

MAY = datetime(2026, 5, 1, tzinfo=UTC)
HOUR = 3_600_000_000
SPEC = ObjectiveSpec(kind="uptime", source=("*",), target=99.0)


def standing(*days: Account, burn: Account | None = None, spec: ObjectiveSpec = SPEC, over: bool = False) -> Standing:
    """A promise with one part per day from the first of May on."""
    until = MAY + timedelta(days=len(days))
    period = period_at(spec.window, "UTC", until)
    parts = [
        Part(MAY + timedelta(days=number), MAY + timedelta(days=number + 1), Pair(account, account))
        for number, account in enumerate(days)
    ]
    promise = Promise("up", spec, "source", "db", ("db",))
    if over:
        period = Period(period.name, period.start, until)
    windows = {} if burn is None else {timedelta(hours=1): burn, timedelta(days=3): burn}
    return Standing(promise, period, until, Course.of(parts), windows)


GOOD, BAD, BLIND = Account(good=24 * HOUR), Account(good=23 * HOUR, bad=HOUR), Account(unknown=24 * HOUR)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (standing(BLIND), "nothing is known yet"),
        (standing(GOOD), "too little is known of the last three days to say how long the budget lasts"),
        (standing(GOOD, burn=Account(good=HOUR)), "the budget of 2026-05 lasts"),
        (standing(*[Account(bad=24 * HOUR)] * 2), "the budget of 2026-05 is used up"),
        (standing(GOOD, over=True), "the budget of 2026-05 was kept"),
        (
            standing(BAD, burn=Account(good=HOUR // 2, bad=HOUR // 2)),
            "at the rate of the last 1h the budget of 2026-05 is gone on 2026-05-02 12:52",
        ),
    ],
)
def test_what_becomes_of_a_budget(found: Standing, sentence: str) -> None:
    gone = found.exhausted_at
    assert forecast_sentence(found, "" if gone is None else f"{gone:%Y-%m-%d %H:%M}") == sentence


def test_a_rolling_window_is_called_by_its_length() -> None:
    spec = ObjectiveSpec(kind="uptime", source=("*",), target=99.0, window=timedelta(days=2))
    assert forecast_sentence(standing(GOOD, GOOD, burn=GOOD, spec=spec), "") == "the budget of the last 2d lasts"


def test_seconds_and_percent_in_documents() -> None:
    found = standing_document(standing(BAD, BLIND, burn=BAD))
    assert found["corrected"] == {
        "good": 23 * 3600.0, "bad": 3600.0, "unknown": 24 * 3600.0, "excluded": 0.0,
        "attained": pytest.approx(95.8333, abs=1e-3), "at_least": pytest.approx(47.9167, abs=1e-3), "coverage": 50.0,
    }  # fmt: skip
    assert found["budget"]["allowed"] == pytest.approx(0.01 * 30 * 86400)
    assert found["burn"] == {"5m": None, "30m": None, "1h": 4.1667, "6h": None, "3d": 4.1667}


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "unknown"), (1.0, "100 %"), (0.999996, "99.999 %"), (0.999, "99.900 %"), (0.0, "0.000 %"),
     *((number / 100_000, f"{number / 1000:.3f} %") for number in (397, 399, 401, 785, 57_000, 99_999))],
)  # fmt: skip
def test_percent_is_rounded_down(share: float | None, text: str) -> None:
    assert percent_text(share) == text


def test_names_of_subjects() -> None:
    assert subject_name(Promise("up", SPEC, "component", "web", ("a", "b"))) == "component web"
    assert subject_name(Promise("up", SPEC, "all", "", ("a", "b"))) == "2 sources"


def test_the_line_of_a_budget_tells_what_is_not_known() -> None:
    found = standing(BAD, BLIND, GOOD)
    line = budget_line(found)
    assert [step.known for step in line] == [True, False, True]
    assert line[0].before == 100
    assert line[0].after == line[1].after == line[2].after == pytest.approx(100 - 100 / 7.2)
    assert standings_png([found]).startswith(b"\x89PNG")
