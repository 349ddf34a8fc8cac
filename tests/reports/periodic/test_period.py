"""Days, weeks and months on a wall clock: they meet without a gap, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring_pipeline.reports.periodic import period_before, period_of

KINDS = ("day", "week", "month")


@given(
    st.sampled_from(KINDS),
    st.dates(date(1980, 1, 1), date(2060, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo"]),
)
def test_periods_follow_each_other_and_hold_their_days(kind, day, zone):
    period = period_of(kind, day, zone)
    assert period.first <= day < period.after
    assert period.before().end == period.start
    assert period_of(kind, period.after, zone).before() == period
    assert period_of(kind, day + timedelta(days=40), zone).name > period.name


@pytest.mark.parametrize(
    ("kind", "name", "title", "hours"),
    [
        ("day", "2026-03-29", "Sunday, 29 March 2026", 23),
        ("week", "2026-W13", "23 to 29 March 2026 (week 13)", 167),
        ("month", "2026-03", "March 2026", 743),
    ],
)
def test_what_they_are_called_and_how_long_they_are(kind, name, title, hours):
    period = period_of(kind, date(2026, 3, 29), "Europe/Berlin")
    assert (period.name, period.title) == (name, title)
    assert period.end - period.start == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("day", "title"),
    [
        (date(2026, 4, 1), "30 March to 5 April 2026 (week 14)"),
        (date(2027, 1, 1), "28 December 2026 to 3 January 2027 (week 53)"),
    ],
)
def test_a_week_names_what_its_ends_do_not_share(day, title):
    assert period_of("week", day).title == title


def test_the_last_period_is_over_on_the_wall_of_the_zone():
    late = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)
    assert period_before("week", late).name == "2026-W12"
    assert period_before("week", late, "Europe/Berlin").name == "2026-W13"
