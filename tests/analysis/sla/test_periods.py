"""Periods of the calendar, on days that are shorter and longer than others."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest

from monitoring_pipeline.analysis.sla.periods import CalendarUnit, day_of, days, period_at, period_before

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("unit", "name", "start", "end"),
    [
        ("day", "2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("week", "2026-W13", "2026-03-22T23:00", "2026-03-29T22:00"),
        ("month", "2026-03", "2026-02-28T23:00", "2026-03-31T22:00"),
        ("quarter", "2026-Q1", "2025-12-31T23:00", "2026-03-31T22:00"),
        ("year", "2026", "2025-12-31T23:00", "2026-12-31T23:00"),
    ],
)
def test_a_period_begins_and_ends_at_midnight_of_its_time_zone(unit: str, name: str, start: str, end: str) -> None:
    period = period_at(CalendarUnit(unit), BERLIN, utc("2026-03-29T12:00"))
    assert (period.name, period.start, period.end, period.rolling) == (name, utc(start), utc(end), False)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), BERLIN, 23),
        (date(2026, 10, 25), BERLIN, 25),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
        (date(2026, 6, 1), BERLIN, 24),
        (date(2018, 11, 4), "America/Sao_Paulo", 23),  # midnight itself was skipped
        (date(2024, 2, 29), "UTC", 24),
    ],
)
def test_a_day_is_as_long_as_its_clocks_say(day: date, zone: str, hours: float) -> None:
    found = day_of(zone, day)
    assert found.end - found.start == timedelta(hours=hours)


def test_a_february_of_a_leap_year_has_29_days() -> None:
    period = period_at(CalendarUnit.MONTH, "UTC", utc("2028-02-10T00:00"))
    assert period.length == timedelta(days=29)
    assert [each.day.day for each in days("UTC", period.start, period.end)] == list(range(1, 30))


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu"])
@pytest.mark.parametrize("unit", list(CalendarUnit))
def test_periods_and_days_touch_each_other(unit: CalendarUnit, zone: str) -> None:
    period = period_at(unit, zone, utc("2012-02-10T00:00"))
    for _ in range(5):
        before = period_before(unit, zone, period)
        assert before.end == period.start
        inside = list(days(zone, before.start, before.end))
        assert (inside[0].start, inside[-1].end) == (before.start, before.end)
        assert all(one.end == two.start for one, two in itertools.pairwise(inside))
        period = before


def test_a_zone_that_crossed_the_date_line_left_a_day_out() -> None:
    found = [each.day.day for each in days("Pacific/Apia", utc("2011-12-29T12:00"), utc("2012-01-01T00:00"))]
    assert found == [29, 31, 1]


@pytest.mark.parametrize("moment", ["2026-10-31T23:00", "2026-11-15T00:00", "2026-11-30T22:59:59.999999"])
def test_the_edges_of_a_month_belong_to_one_month_each(moment: str) -> None:
    assert period_at(CalendarUnit.MONTH, BERLIN, utc(moment)).name == "2026-11"


def test_a_rolling_window_ends_now() -> None:
    now = utc("2026-03-29T12:00")
    period = period_at(timedelta(days=30), BERLIN, now)
    assert (period.start, period.end, period.rolling) == (now - timedelta(days=30), now, True)
    assert period.name == "the last 30d"
    assert period_before(timedelta(days=30), BERLIN, period).end == period.start
