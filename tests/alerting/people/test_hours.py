"""Hours on the wall clock: past midnight, by day of the week, and on the nights when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from monitoring_pipeline.alerting.people.hours import quiet, within
from monitoring_pipeline.alerting.people.wall import on_wall, shown
from monitoring_pipeline.alerting.spec import Hours, QuietHours
from monitoring_pipeline.records import Severity

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(start: str, end: str, *days: str, zone: str | None = None) -> Hours:
    return Hours.model_validate({"from": start, "to": end, "days": days, "timezone": zone})


def hush(start: str, end: str, *days: str, above: str = "critical", zone: str | None = None) -> QuietHours:
    return QuietHours.model_validate({"from": start, "to": end, "days": days, "above": above, "timezone": zone})


# 4 May 2026 is a Monday.
@pytest.mark.parametrize(("each", "now", "expected"), [
    (hours("09:00", "17:00"), "2026-05-04 09:00", True),
    (hours("09:00", "17:00"), "2026-05-04 08:59:59.999999", False),
    (hours("09:00", "17:00"), "2026-05-04 16:59:59.999999", True),
    (hours("09:00", "17:00"), "2026-05-04 17:00", False),
    (hours("22:00", "07:00"), "2026-05-04 23:00", True),
    (hours("22:00", "07:00"), "2026-05-05 06:59", True),
    (hours("22:00", "07:00"), "2026-05-05 07:00", False),
    (hours("22:00", "07:00", "fri"), "2026-05-09 06:00", True),
    (hours("22:00", "07:00", "fri"), "2026-05-09 22:30", False),
    (hours("22:00", "07:00", "fri"), "2026-05-08 06:00", False),
    (hours("00:00", "24:00", "mon"), "2026-05-04 23:59:59", True),
    (hours("00:00", "24:00", "mon"), "2026-05-05 00:00", False),
    (hours("08:00", "08:00", "mon"), "2026-05-05 07:59", True),
    (hours("08:00", "08:00", "mon"), "2026-05-05 08:00", False),
    (hours("09:00", "17:00", zone="Asia/Tokyo"), "2026-05-04 00:00", True),
    (hours("09:00", "17:00", zone="Asia/Tokyo"), "2026-05-04 08:00", False),
    (hours("09:00", "17:00", "mon", zone="Pacific/Auckland"), "2026-05-03 21:00", True),
])  # fmt: skip
def test_one_range(each: Hours, now: str, expected: bool) -> None:
    assert within([each], "UTC", utc(now)) is expected


def test_the_default_time_zone_is_for_hours_without_one() -> None:
    assert within([hours("09:00", "17:00")], BERLIN, utc("2026-07-01 07:00"))
    assert not within([hours("09:00", "17:00", zone="UTC")], BERLIN, utc("2026-07-01 07:00"))


def test_without_hours_it_is_always() -> None:
    assert within([], "UTC", utc("2026-05-04 03:00"))


@pytest.mark.parametrize(("each", "inside", "outside"), [
    # 29 March 2026: 02:00 CET (01:00 UTC) becomes 03:00 CEST.
    (hours("02:30", "05:00"), ["2026-03-29 01:00", "2026-03-29 02:59"], ["2026-03-29 00:59", "2026-03-29 03:00"]),
    (hours("01:00", "02:30"), ["2026-03-29 00:00", "2026-03-29 00:59"], ["2026-03-29 01:00", "2026-03-28 23:59"]),
    (hours("22:00", "07:00"), ["2026-03-28 21:00", "2026-03-29 04:59"], ["2026-03-28 20:59", "2026-03-29 05:00"]),
    # 25 October 2026: 03:00 CEST (01:00 UTC) becomes 02:00 CET.
    (hours("02:30", "05:00"), ["2026-10-25 00:30", "2026-10-25 01:10", "2026-10-25 03:59"], ["2026-10-25 00:29"]),
    (hours("01:00", "02:30"), ["2026-10-25 00:29"], ["2026-10-25 00:30", "2026-10-25 01:10"]),
    (hours("22:00", "07:00"), ["2026-10-24 20:00", "2026-10-25 05:59"], ["2026-10-24 19:59", "2026-10-25 06:00"]),
])  # fmt: skip
def test_the_nights_when_berlin_changes_its_clocks(each: Hours, inside: list[str], outside: list[str]) -> None:
    assert [within([each], BERLIN, utc(now)) for now in inside] == [True] * len(inside)
    assert [within([each], BERLIN, utc(now)) for now in outside] == [False] * len(outside)


def test_an_evening_of_the_day_that_midnight_shows_twice() -> None:
    """In Havana the clocks run back from 01:00 to 00:00."""
    sunday = hours("00:30", "23:00", "sun", zone="America/Havana")
    assert [within([sunday], "UTC", utc(f"2026-11-01 {at}")) for at in ("04:29", "04:30", "05:10", "05:40")] == [
        False, True, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(("local", "expected"), [
    ("2026-03-29 02:00", "2026-03-29 01:00"),
    ("2026-03-29 02:59:59", "2026-03-29 01:00"),
    ("2026-03-29 03:00", "2026-03-29 01:00"),
    ("2026-10-25 02:30", "2026-10-25 00:30"),
    ("2026-10-25 03:00", "2026-10-25 02:00"),
    ("2026-06-01 12:00", "2026-06-01 10:00"),
])  # fmt: skip
def test_a_time_on_the_wall(local: str, expected: str) -> None:
    assert on_wall(BERLIN, datetime.fromisoformat(local)) == utc(expected)


@given(
    local=some.datetimes(datetime.fromisoformat("1975-01-01"), datetime.fromisoformat("2035-01-01")),
    zone=some.sampled_from([BERLIN, "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]),
)
def test_times_on_the_wall_keep_their_order_and_are_shown_again(local: datetime, zone: str) -> None:
    at = on_wall(zone, local)
    seen = shown(zone, at)
    assert seen == local or local < seen <= local + timedelta(hours=1)
    assert on_wall(zone, local + timedelta(minutes=7)) >= at


# -- quiet hours -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("each", "severity", "now", "until"), [
    ([hush("22:00", "07:00")], "warning", "2026-05-04 23:00", "2026-05-05 07:00"),
    ([hush("22:00", "07:00")], "warning", "2026-05-05 07:00", None),
    ([hush("22:00", "07:00")], "critical", "2026-05-04 23:00", None),
    ([hush("22:00", "07:00", above="error")], "error", "2026-05-04 23:00", None),
    ([hush("22:00", "07:00", above="error")], "warning", "2026-05-04 23:00", "2026-05-05 07:00"),
    ([], "info", "2026-05-04 23:00", None),
    # They touch, or overlap: one.
    ([hush("22:00", "00:00"), hush("00:00", "07:00")], "info", "2026-05-04 23:00", "2026-05-05 07:00"),
    ([hush("22:00", "06:00"), hush("05:00", "09:00", "tue")], "info", "2026-05-04 23:00", "2026-05-05 09:00"),
    ([hush("22:00", "06:00"), hush("05:00", "09:00", "wed")], "info", "2026-05-04 23:00", "2026-05-05 06:00"),
    # The second is not for errors.
    ([hush("22:00", "06:00"), hush("05:00", "09:00", above="error")], "error", "2026-05-04 23:00", "2026-05-05 06:00"),
    # A weekend: Saturday and Sunday, and the nights around it.
    ([hush("00:00", "24:00", "sat", "sun"), hush("20:00", "08:00")], "info", "2026-05-08 21:00", "2026-05-11 08:00"),
])  # fmt: skip
def test_until_when_it_is_quiet(each: list[QuietHours], severity: str, now: str, until: str | None) -> None:
    assert quiet(each, "UTC", Severity(severity), utc(now)) == (None if until is None else utc(until))


def test_quiet_hours_end_on_the_wall_of_the_night_when_clocks_change() -> None:
    night = [hush("22:00", "07:00")]
    assert quiet(night, BERLIN, Severity.INFO, utc("2026-03-28 23:00")) == utc("2026-03-29 05:00")
    assert quiet(night, BERLIN, Severity.INFO, utc("2026-10-24 23:00")) == utc("2026-10-25 06:00")
    assert quiet(night, BERLIN, Severity.INFO, utc("2026-10-26 23:00")) == utc("2026-10-27 06:00")


def test_somebody_who_is_always_quiet_is_asked_again_some_day() -> None:
    now = utc("2026-05-04 23:00")
    until = quiet([hush("00:00", "24:00")], "UTC", Severity.INFO, now)
    assert until is not None
    assert now + timedelta(days=7) < until < now + timedelta(days=10)


# -- fields ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "sentence"), [
    (22, "a time of day is written like 22:00"),
    ("22", "a time of day is written like 22:00"),
    ("22:00+02:00", "its time zone goes into `timezone`"),
    ("25:00", "hour"),
])  # fmt: skip
def test_what_is_no_time_of_day(value: object, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Hours.model_validate({"from": value, "to": "07:00"})


def test_times_of_day_are_written_as_they_are_read() -> None:
    written = hours("22:00", "24:00").model_dump(mode="json", by_alias=True)
    assert (written["from"], written["to"]) == ("22:00", "00:00")
