"""Maintenance windows: once, by cron, by recurrence rule, from a calendar file, and what is kept of them."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import ValidationError

from monitoring_pipeline.alerting.people import windows
from monitoring_pipeline.alerting.people.windows import Window, active, between, next_change, problems, upcoming
from monitoring_pipeline.alerting.spec import MaintenanceSpec
from monitoring_pipeline.records import Source

BERLIN = "Europe/Berlin"
ORDERS = Source("orders", component="sales", tags=("nightly",))
OTHER = Source("other")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def maintenance(name: str = "patching", sources: dict[str, Any] | None = None, **how: Any) -> MaintenanceSpec:
    return MaintenanceSpec.model_validate({"name": name, "sources": sources or {}, **how})


def calendar(path: Path, *events: str) -> Path:
    body = "".join(
        f"BEGIN:VEVENT\nUID:{number}\nDTSTAMP:20260101T000000Z\n{event}\nEND:VEVENT\n"
        for number, event in enumerate(events)
    )
    path.write_text(f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:test\n{body}END:VCALENDAR\n")
    return path


def opened(spec: MaintenanceSpec, now: str) -> tuple[str, str] | None:
    """Begin and end of the window that is open, as texts of UTC."""
    window = active([spec], ORDERS, utc(now))
    return None if window is None else (f"{window.start:%m-%d %H:%M}", f"{window.end:%m-%d %H:%M}")


# -- once --------------------------------------------------------------------------------------------


def test_once() -> None:
    spec = maintenance(start="2026-05-04T22:00", end="2026-05-04T23:30", timezone=BERLIN)
    window = Window("patching", utc("2026-05-04 20:00"), utc("2026-05-04 21:30"))
    assert active([spec], ORDERS, utc("2026-05-04 19:59:59.999999")) is None
    assert active([spec], ORDERS, utc("2026-05-04 20:00")) == window
    assert active([spec], ORDERS, utc("2026-05-04 21:29:59.999999")) == window
    assert active([spec], ORDERS, utc("2026-05-04 21:30")) is None
    assert active([spec], ORDERS, utc("2026-05-04 20:30")) == window, "a clock that was set back"


def test_an_offset_goes_before_the_time_zone() -> None:
    spec = maintenance(start="2026-05-04T22:00:00+00:00", end="2026-05-04T23:30:00-01:00", timezone=BERLIN)
    assert opened(spec, "2026-05-04 22:00") == ("05-04 22:00", "05-05 00:30")


def test_only_the_sources_it_is_about() -> None:
    how = {"start": "2026-05-04", "end": "2026-05-05"}
    spec = maintenance(sources={"tag": "nightly"}, **how)
    assert active([spec], OTHER, utc("2026-05-04 12:00")) is None
    assert active([spec], ORDERS, utc("2026-05-04 12:00")) is not None


def test_of_several_windows_the_one_that_ends_last() -> None:
    short = maintenance("short", start="2026-05-04T10:00", end="2026-05-04T12:00")
    long = maintenance("long", start="2026-05-04T09:00", end="2026-05-04T15:00")
    found = [active(specs, ORDERS, utc("2026-05-04 11:00")) for specs in ([short, long], [long, short])]
    assert [window and window.name for window in found] == ["long", "long"]


# -- cron --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "expected"), [
    ("2026-05-02 00:59", None),
    ("2026-05-03 01:00", ("05-03 01:00", "05-03 04:00")),
    ("2026-05-03 03:59:59", ("05-03 01:00", "05-03 04:00")),
    ("2026-05-03 04:00", None),
])  # fmt: skip
def test_cron(now: str, expected: tuple[str, str] | None) -> None:
    assert opened(maintenance(cron="0 3 * * SUN", duration="3h", timezone=BERLIN), now) == expected


def test_windows_of_one_cron_that_overlap_are_one_that_goes_on() -> None:
    spec = maintenance(cron="*/10 * * * *", duration="25m")
    assert opened(spec, "2026-05-04 12:03") == ("05-04 12:00", "05-04 12:25")
    assert opened(spec, "2026-05-04 12:10") == ("05-04 12:10", "05-04 12:35")
    assert next_change([spec], utc("2026-05-04 12:03")) == utc("2026-05-04 12:10")


@pytest.mark.parametrize(("now", "expected"), [
    # 29 March 2026: 02:00 CET (01:00 UTC) becomes 03:00 CEST. It lasts two hours, whatever the clocks do.
    ("2026-03-29 00:59", None),
    ("2026-03-29 01:00", ("03-29 01:00", "03-29 03:00")),
    ("2026-03-29 02:59", ("03-29 01:00", "03-29 03:00")),
    ("2026-03-29 03:00", None),
    # 25 October 2026: 03:00 CEST (01:00 UTC) becomes 02:00 CET. Half past two is shown twice and counts once.
    ("2026-10-25 00:29", None),
    ("2026-10-25 00:30", ("10-25 00:30", "10-25 02:30")),
    ("2026-10-25 01:45", ("10-25 00:30", "10-25 02:30")),
    ("2026-10-25 02:30", None),
])  # fmt: skip
@pytest.mark.parametrize("how", [
    {"cron": "30 2 * * *"},
    {"rrule": "FREQ=DAILY", "start": "2026-01-01T02:30"},
    {"rrule": "FREQ=DAILY", "start": "2026-01-01T01:30:00+00:00"},
    {"rrule": "RRULE:FREQ=WEEKLY;BYDAY=SU", "start": "2020-07-01T02:30"},
])  # fmt: skip
def test_the_nights_when_berlin_changes_its_clocks(
    how: dict[str, str], now: str, expected: tuple[str, str] | None
) -> None:
    assert opened(maintenance(duration="2h", timezone=BERLIN, **how), now) == expected


# -- recurrence rules --------------------------------------------------------------------------------


def test_the_first_sunday_of_every_month() -> None:
    spec = maintenance(rrule="FREQ=MONTHLY;BYDAY=1SU", start="2026-01-01T04:00", duration="90m", timezone=BERLIN)
    comes = upcoming(spec, utc("2026-02-20 00:00"), 3)
    assert [f"{window.start:%m-%d %H:%M}" for window in comes] == ["03-01 03:00", "04-05 02:00", "05-03 02:00"]
    assert {window.end - window.start for window in comes} == {timedelta(minutes=90)}


def test_a_rule_keeps_its_phase_over_the_years() -> None:
    """Every other Monday, counted from the start on, however far that is."""
    spec = maintenance(rrule="FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", start="2001-01-01T06:00", duration="1h")
    monday = utc("2026-05-04 06:30")
    whole_weeks = (monday.date() - datetime(2001, 1, 1, tzinfo=UTC).date()).days // 7
    assert [(active([spec], ORDERS, monday + timedelta(weeks=more)) is not None) for more in (0, 1, 2, 3)] == [
        (whole_weeks + more) % 2 == 0 for more in (0, 1, 2, 3)
    ]


def test_a_rule_that_counts_ends() -> None:
    spec = maintenance(rrule="FREQ=DAILY;COUNT=3", start="2026-05-01T06:00", duration="1h")
    assert [opened(spec, f"2026-05-0{day} 06:30") is not None for day in (1, 2, 3, 4)] == [True, True, True, False]
    assert next_change([spec], utc("2026-05-03 07:00")) is None


@pytest.mark.parametrize("until", ["20260503T040000Z", "20260503T060000", "20260503"])
def test_a_rule_that_ends(until: str) -> None:
    spec = maintenance(rrule=f"FREQ=DAILY;UNTIL={until}", start="2026-05-01T06:00", duration="1h", timezone=BERLIN)
    assert [opened(spec, f"2026-05-0{day} 04:30") is not None for day in (2, 3, 4)] == [True, True, False]


def test_hours_since_years_are_found_as_quickly_as_days() -> None:
    spec = maintenance(rrule="FREQ=HOURLY;INTERVAL=6;BYDAY=MO", start="1990-01-01T03:00", duration="1h")
    assert upcoming(spec, utc("2026-05-04 00:00"), 5) == [
        Window("patching", utc(f"2026-05-{at}"), utc(f"2026-05-{at}") + timedelta(hours=1))
        for at in ("04 03:00", "04 09:00", "04 15:00", "04 21:00", "11 03:00")
    ]


# -- calendar files ----------------------------------------------------------------------------------

FREEZE = """SUMMARY:freeze
DTSTART;TZID=Europe/Berlin:20260324T223000
DTEND;TZID=Europe/Berlin:20260325T013000
RRULE:FREQ=DAILY;COUNT=6"""
BAD_RULE = """BEGIN:VCALENDAR
BEGIN:VEVENT
UID:1
DTSTART:20260411T100000Z
RRULE:FREQ=SOMETIMES
END:VEVENT
END:VCALENDAR
"""


def test_events_of_a_calendar_file_are_windows(tmp_path: Path) -> None:
    path = calendar(
        tmp_path / "freeze.ics", FREEZE, "DTSTART:20260410T100000\nDURATION:PT2H", "DTSTART;VALUE=DATE:20260501"
    )
    spec = maintenance(calendar=str(path), timezone=BERLIN)
    assert problems(spec) == []
    found = upcoming(spec, utc("2026-03-27 21:30"))
    assert [(window.name, f"{window.start:%m-%d %H:%M}", f"{window.end:%m-%d %H:%M}") for window in found] == [
        ("patching: freeze", "03-27 21:30", "03-28 00:30"),
        ("patching: freeze", "03-28 21:30", "03-29 00:30"),
        ("patching: freeze", "03-29 20:30", "03-29 23:30"),
        ("patching", "04-10 08:00", "04-10 10:00"),
        ("patching", "04-30 22:00", "05-01 22:00"),
    ]
    assert opened(spec, "2026-03-29 20:45") == ("03-29 20:30", "03-29 23:30")
    assert opened(spec, "2026-03-29 23:30") is None
    assert next_change([spec], utc("2026-03-29 23:30")) == utc("2026-04-10 08:00")


def test_cancelled_events_are_none(tmp_path: Path) -> None:
    path = calendar(tmp_path / "c.ics", "STATUS:CANCELLED\nDTSTART:20260410T100000Z\nDURATION:PT2H")
    assert opened(maintenance(calendar=str(path)), "2026-04-10 11:00") is None


def test_a_far_event_is_found_once(tmp_path: Path) -> None:
    path = calendar(
        tmp_path / "c.ics",
        "DTSTART:20260401T000000Z\nDTEND:20260901T000000Z",
        "DTSTART:20270301T000000Z\nDTEND:20270302T000000Z",
    )
    spec = maintenance(calendar=str(path))
    assert [f"{window.start:%Y-%m-%d}" for window in upcoming(spec, utc("2026-05-01 00:00"))] == [
        "2026-04-01",
        "2027-03-01",
    ]
    assert opened(spec, "2026-08-31 23:59") == ("04-01 00:00", "09-01 00:00")


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = calendar(tmp_path / "c.ics", "DTSTART:20260410T100000Z\nDURATION:PT2H")
    spec = maintenance(calendar=str(path))
    assert opened(spec, "2026-04-10 11:00") is not None
    calendar(path, "DTSTART:20260411T100000Z\nDURATION:PT2H")
    os.utime(path, ns=(10**18, 10**18))
    assert opened(spec, "2026-04-10 11:00") is None
    assert opened(spec, "2026-04-11 11:00") is not None
    path.unlink()
    assert opened(spec, "2026-04-11 11:00") is None
    calendar(path, "DTSTART:20260411T100000Z\nDURATION:PT2H")
    assert opened(spec, "2026-04-11 11:00") is not None


@pytest.mark.parametrize(("content", "sentence"), [
    (None, "the calendar file .* cannot be read: No such file or directory"),
    ("hello", "is not an iCalendar file"),
    ("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "is not an iCalendar file"),
    (BAD_RULE, "is not an iCalendar file"),
])  # fmt: skip
def test_a_broken_file_opens_no_window_and_is_told_once(tmp_path: Path, content: str | None, sentence: str) -> None:
    path = tmp_path / "broken.ics"
    if content is not None:
        path.write_text(content)
    broken = maintenance("broken", calendar=str(path))
    good = maintenance("good", start="2026-04-10T10:00", end="2026-04-10T12:00")
    with structlog.testing.capture_logs() as logs:
        for minute in range(3):
            found = active([broken, good], ORDERS, utc(f"2026-04-10 11:0{minute}"))
            assert found is not None
            assert found.name == "good"
    assert [line["path"] for line in logs] == [str(path)]
    (problem,) = problems(broken)
    assert problem.startswith("maintenance broken: the calendar file ")
    assert re.search(sentence, problem)


# -- what comes next, and what it costs --------------------------------------------------------------


def test_what_comes_next_is_the_nearest_of_all() -> None:
    once = maintenance("once", start="2026-05-04T22:00", end="2026-05-04T23:00")
    daily = maintenance("daily", cron="30 22 * * *", duration="10m")
    times = ["21:00", "22:00", "22:30", "22:40", "23:00"]
    expected = ["04 22:00", "04 22:30", "04 22:40", "04 23:00", "05 22:30"]
    assert [f"{next_change([once, daily], utc(f'2026-05-04 {at}')):%d %H:%M}" for at in times] == expected
    assert next_change([once], utc("2026-05-04 23:00")) is None
    assert next_change([], utc("2026-05-04 23:00")) is None


def test_nothing_is_computed_again_before_the_next_change(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[datetime] = []
    look = windows._look
    monkeypatch.setattr(windows, "_look", lambda spec, stamp, now: looked.append(now) or look(spec, stamp, now))
    spec = maintenance(cron="0 3 * * *", duration="1h")
    moments = [utc("2026-05-04 00:00") + timedelta(seconds=30 * number) for number in range(2880)]
    open_for = sum(active([spec], ORDERS, now) is not None for now in moments)
    assert open_for == 120
    assert looked == [utc("2026-05-04 00:00"), utc("2026-05-04 03:00"), utc("2026-05-04 04:00")]


# -- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "sentence"), [
    ({}, "it does not say when it is"),
    ({"start": "2026-05-04"}, "`start` alone does not say when it is: give `start` and `end`, or"),
    ({"cron": "0 3 * * *"}, "`cron` alone"),
    ({"cron": "0 3 * * *", "duration": "1h", "end": "2026-05-04"}, "`end`, `cron`, `duration` together do not say"),
    ({"calendar": "c.ics", "duration": "1h"}, "`calendar`, `duration` together"),
    ({"rrule": "FREQ=DAILY", "duration": "1h"}, "`rrule`, `duration` together"),
    ({"start": "2026-05-04", "end": "2026-05-04"}, "it ends before it begins"),
    ({"start": "2026-05-04T10:00", "end": "2026-05-04T11:00:00+02:00"}, "it ends before it begins"),
    ({"cron": "0 3 * * *", "duration": "0s"}, "duration is more than 0s"),
    ({"cron": "0 3 * *", "duration": "1h"}, "not a cron expression"),
    ({"cron": "0 3 * * *", "duration": "1h", "timezone": "Berlin"}, "there is no time zone 'Berlin'"),
    ({"start": 20260504, "end": "2026-05-05"}, "a moment is written like"),
    ({"rrule": "FREQ=SOMETIMES", "start": "2026-05-04", "duration": "1h"}, "FREQ is one of YEARLY"),
    ({"rrule": "FREQ=MINUTELY", "start": "2026-05-04", "duration": "1h"}, "FREQ is one of YEARLY"),
    ({"rrule": "FREQ=DAILY;INTERVAL=0", "start": "2026-05-04", "duration": "1h"}, "INTERVAL is at least 1"),
    ({"rrule": "FREQ=DAILY;BYDAY=XX", "start": "2026-05-04", "duration": "1h"}, "is not a recurrence rule"),
    ({"rrule": "FREQ=DAILY;UNTIL=tomorrow", "start": "2026-05-04", "duration": "1h"}, "UNTIL is written like"),
    ({"rrule": "FREQ=DAILY;UNTIL=20260101T000000Z", "start": "2026-05-04", "duration": "1h"}, "never happens"),
    ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "start": "2026-05-04", "duration": "1h"}, "never happens"),
    ({"rrule": "DTSTART:20200101\nFREQ=DAILY", "start": "2026-05-04", "duration": "1h"}, "without DTSTART"),
])  # fmt: skip
def test_windows_that_make_no_sense(how: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        maintenance(**how)


# -- the past ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"cron": "0 3 * * *", "duration": "2h"}, [("05-04 03:00", "05-04 05:00"), ("05-05 03:00", "05-05 05:00")]),
        ({"cron": "0 23 * * *", "duration": "2h"}, [
            ("05-03 23:00", "05-04 01:00"), ("05-04 23:00", "05-05 01:00"), ("05-05 23:00", "05-06 01:00"),
        ]),
        ({"rrule": "FREQ=WEEKLY;BYDAY=MO", "start": "2026-01-05T10:00", "duration": "30m"},
         [("05-04 10:00", "05-04 10:30")]),
        ({"start": "2026-05-03T00:00", "end": "2026-05-04T01:00"}, [("05-03 00:00", "05-04 01:00")]),
        ({"start": "2026-05-06T00:00", "end": "2026-05-06T01:00"}, []),
        ({"start": "2026-05-03T00:00", "end": "2026-05-04T00:00"}, []),
    ],
)  # fmt: skip
def test_the_windows_of_a_stretch(how: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    spec = maintenance(sources={"source": "orders"}, **how)
    found = between([spec], ORDERS, utc("2026-05-04"), utc("2026-05-06"))
    assert [(f"{each.start:%m-%d %H:%M}", f"{each.end:%m-%d %H:%M}") for each in found] == expected
    assert between([spec], OTHER, utc("2026-05-04"), utc("2026-05-06")) == []


def test_the_windows_of_a_stretch_out_of_a_calendar(tmp_path: Path) -> None:
    path = calendar(tmp_path / "ops.ics", "DTSTART:20260504T100000Z\nDTEND:20260504T120000Z\nSUMMARY:disks")
    found = between([maintenance(calendar=path)], ORDERS, utc("2026-05-04T11:00"), utc("2026-05-06"))
    assert [(each.name, each.start) for each in found] == [("patching: disks", utc("2026-05-04T10:00"))]
