"""Periods that promises are about: days to years of a time zone's calendar, or the last so many days.

A day of a calendar has as many hours as its time zone's clocks say: 23 or 25 when they change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from monitoring_pipeline.clock import format_duration

__all__ = ["CalendarUnit", "Day", "Period", "Window", "day_of", "days", "period_at", "period_before"]


class CalendarUnit(StrEnum):
    """A unit of the calendar that begins anew; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


Window = CalendarUnit | timedelta
"""A period of the calendar, or a length of time that ends now."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` on and before `end` (UTC). A rolling one ends at the moment it was asked for."""

    name: str
    start: datetime
    end: datetime
    rolling: bool = False

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a time zone's calendar (UTC moments)."""

    day: date
    start: datetime
    end: datetime


def period_at(window: Window, zone: str, now: datetime) -> Period:
    """The period that holds a moment."""
    if isinstance(window, timedelta):
        return Period(f"the last {format_duration(window)}", now - window, now, rolling=True)
    first = _first_day(window, now.astimezone(ZoneInfo(zone)).date())
    return Period(_name(window, first), _begin(first, zone), _begin(_next_first(window, first), zone))


def period_before(window: Window, zone: str, period: Period) -> Period:
    """The period that ended when this one began."""
    if isinstance(window, timedelta):
        return Period(f"the {format_duration(window)} before", period.start - window, period.start, rolling=True)
    return period_at(window, zone, period.start - timedelta(microseconds=1))


def days(zone: str, start: datetime, end: datetime) -> Iterator[Day]:
    """The days of a calendar that a stretch touches, oldest first, each in full."""
    day = start.astimezone(ZoneInfo(zone)).date()
    begin = _begin(day, zone)
    while begin < end:
        following = _begin(day + timedelta(days=1), zone)
        if begin < following:  # a zone that crossed the date line has left a day out
            yield Day(day, begin, following)
        day, begin = day + timedelta(days=1), following


def day_of(zone: str, day: date) -> Day:
    """One day of a calendar."""
    return Day(day, _begin(day, zone), _begin(day + timedelta(days=1), zone))


def _begin(day: date, zone: str) -> datetime:
    # `fold=0`: where the clocks show midnight twice the first one begins the day.
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _first_day(unit: CalendarUnit, day: date) -> date:
    if unit is CalendarUnit.DAY:
        return day
    if unit is CalendarUnit.WEEK:
        return day - timedelta(days=day.weekday())
    if unit is CalendarUnit.MONTH:
        return day.replace(day=1)
    if unit is CalendarUnit.QUARTER:
        return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    return date(day.year, 1, 1)


def _next_first(unit: CalendarUnit, first: date) -> date:
    # From the middle of the next unit, whatever its length, to its first day.
    reach = {"day": 1, "week": 7, "month": 40, "quarter": 100, "year": 380}[unit.value]
    return _first_day(unit, first + timedelta(days=reach))


def _name(unit: CalendarUnit, first: date) -> str:
    if unit is CalendarUnit.DAY:
        return first.isoformat()
    if unit is CalendarUnit.WEEK:
        return f"{first:%G-W%V}"
    if unit is CalendarUnit.MONTH:
        return f"{first:%Y-%m}"
    if unit is CalendarUnit.QUARTER:
        return f"{first:%Y}-Q{(first.month + 2) // 3}"
    return f"{first:%Y}"
