"""The wall clock and days off, as seasons follow them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from monitoring_pipeline.analysis.calendars import DAY_US, Calendar, distinct
from monitoring_pipeline.clock import to_us


def at(*when: int) -> int:
    return to_us(datetime(*when, tzinfo=UTC))


def days(*dates: date) -> np.ndarray:
    return np.array([(day - date(1970, 1, 1)).days for day in dates], dtype=np.int64)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"])
def test_the_wall_agrees_with_zoneinfo_around_the_changes_of_clocks(zone: str) -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    moments = [begin + timedelta(minutes=37 * step) for step in range(40 * 24)]
    found = Calendar.of(zone).local(np.array([to_us(moment) for moment in moments]))
    expected = [to_us(moment.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)) for moment in moments]
    assert found.tolist() == expected


def test_nine_in_the_morning_is_one_slot_before_and_after_summer_time_begins() -> None:
    calendar = Calendar.of("Europe/Berlin")
    slots, weekdays = calendar.slots(np.array([at(2026, 3, 27, 8), at(2026, 3, 30, 7)]), 24)
    assert slots.tolist() == [9, 9]
    assert weekdays.tolist() == [4, 0]


def test_a_holiday_is_like_a_sunday() -> None:
    calendar = Calendar.of("Europe/Berlin", [date(2026, 4, 6)])
    assert calendar.weekdays(days(date(2026, 4, 6), date(2026, 4, 7))).tolist() == [6, 1]
    assert calendar.is_working(days(date(2026, 4, 4), date(2026, 4, 6), date(2026, 4, 7))).tolist() == [
        False, False, True,
    ]  # fmt: skip


def test_the_last_working_day_closes_the_month() -> None:
    calendar = Calendar.of("UTC", [date(2026, 4, 30)])
    march, april = (days(*(date(2026, month, day) for day in range(26, 31))) for month in (3, 4))
    assert calendar.closes_month(march).tolist() == [False, False, False, False, False]  # the 31st does
    assert calendar.closes_month(april).tolist() == [False, False, False, True, False]
    assert calendar.closes_month(days(date(2026, 5, 29), date(2026, 5, 30))).tolist() == [True, False]


def test_a_tick_of_one_moment_is_the_same_as_many() -> None:
    calendar = Calendar.of("America/New_York")
    times = np.arange(at(2026, 10, 31), at(2026, 11, 3), 17 * 60 * 1_000_000)
    one_by_one = np.concatenate([calendar.local(times[place : place + 1]) for place in range(len(times))])
    assert np.array_equal(calendar.local(times), one_by_one)
    assert (calendar.local(times) // DAY_US).min() == days(date(2026, 10, 30))[0]


@pytest.mark.parametrize("numbers", [[], [5], [7, 7, 5, 9], [-3, 10**12, -3], list(range(-50, 900, 3))])
def test_distinct_numbers_and_where_each_is_among_them(numbers: list[int]) -> None:
    given = np.array(numbers, dtype=np.int64)
    known, places = distinct(given)
    assert known[places].tolist() == numbers
    assert (np.diff(known) > 0).all()
