"""Who is on call: turns with a handover on the wall clock, overrides, calendar files, and gaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from monitoring_pipeline.alerting.people.oncall import Shift, Why, on_call, shifts
from monitoring_pipeline.alerting.spec import RotaSpec
from monitoring_pipeline.store.overrides import Override

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rota(*people: str, **how: Any) -> RotaSpec:
    return RotaSpec.model_validate({"people": people, "start": "2026-01-05", **how})


def stands_in(person: str, start: str, end: str, number: int = 1) -> Override:
    return Override("primary", person, utc(start), utc(end), id=number)


def shown(found: list[Shift]) -> list[tuple[str, str, str, str]]:
    return [(each.person, f"{each.start:%m-%d %H:%M}", f"{each.end:%m-%d %H:%M}", each.why.value) for each in found]


# -- turns -------------------------------------------------------------------------------------------


def test_weekly_turns_change_at_the_handover() -> None:
    """5 January 2026 is a Monday."""
    spec = rota("anna", "ben", "carla")
    assert shown(shifts(spec, (), utc("2026-01-05 00:00"), utc("2026-01-27 00:00"))) == [
        ("carla", "01-05 00:00", "01-05 09:00", "turn"),
        ("anna", "01-05 09:00", "01-12 09:00", "turn"),
        ("ben", "01-12 09:00", "01-19 09:00", "turn"),
        ("carla", "01-19 09:00", "01-26 09:00", "turn"),
        ("anna", "01-26 09:00", "01-27 00:00", "turn"),
    ]
    assert on_call(spec, (), utc("2026-01-12 08:59:59.999999")) == Shift(
        "anna", utc("2026-01-05 09:00"), utc("2026-01-12 09:00"), Why.TURN
    )


def test_turns_are_counted_from_the_week_of_the_start_and_run_back_before_it() -> None:
    spec = rota("anna", "ben", day="fri", start="2026-01-07", handover="18:00")
    assert shown(shifts(spec, (), utc("2025-12-27 00:00"), utc("2026-01-10 00:00"))) == [
        ("ben", "12-27 00:00", "01-02 18:00", "turn"),
        ("anna", "01-02 18:00", "01-09 18:00", "turn"),
        ("ben", "01-09 18:00", "01-10 00:00", "turn"),
    ]


@pytest.mark.parametrize(("since", "until", "expected"), [
    # 29 March 2026: 02:00 CET (01:00 UTC) becomes 03:00 CEST.
    ("2026-03-28 06:00", "2026-03-31 06:00", [
        ("03-28 08:00", "03-29 07:00"), ("03-29 07:00", "03-30 07:00"), ("03-30 07:00", "03-31 06:00"),
    ]),
    # 25 October 2026: 03:00 CEST (01:00 UTC) becomes 02:00 CET.
    ("2026-10-24 06:00", "2026-10-26 06:00", [
        ("10-24 07:00", "10-25 08:00"), ("10-25 08:00", "10-26 06:00"),
    ]),
])  # fmt: skip
def test_the_handover_stays_on_the_wall(since: str, until: str, expected: list[tuple[str, str]]) -> None:
    spec = rota("anna", "ben", turn="day", timezone=BERLIN)
    found = shifts(spec, (), utc(since), utc(until))
    assert [(f"{each.start:%m-%d %H:%M}", f"{each.end:%m-%d %H:%M}") for each in found[1:]] == expected
    assert {(a.person, b.person) for a, b in pairwise(found)} == {("anna", "ben"), ("ben", "anna")}


@pytest.mark.parametrize(("now", "expected"), [
    # Half past two does not exist on 29 March: the turn changes when the clocks jump.
    ("2026-03-29 00:59:59", ("03-28 01:30", "03-29 01:00")),
    ("2026-03-29 01:00", ("03-29 01:00", "03-30 00:30")),
    # It is shown twice on 25 October: the turn changes the first time.
    ("2026-10-25 00:29:59", ("10-24 00:30", "10-25 00:30")),
    ("2026-10-25 00:30", ("10-25 00:30", "10-26 01:30")),
    ("2026-10-25 01:15", ("10-25 00:30", "10-26 01:30")),
])  # fmt: skip
def test_a_handover_in_the_hour_that_is_missing_or_doubled(now: str, expected: tuple[str, str]) -> None:
    shift = on_call(rota("anna", "ben", turn="day", handover="02:30", timezone=BERLIN), (), utc(now))
    assert shift is not None
    assert (f"{shift.start:%m-%d %H:%M}", f"{shift.end:%m-%d %H:%M}") == expected


@given(
    now=some.datetimes(datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-01-01")),
    zone=some.sampled_from(["UTC", BERLIN, "America/Havana", "Pacific/Apia"]),
    turn=some.sampled_from(["day", "week"]),
    handover=some.times().map(lambda at: at.isoformat("seconds")),
    people=some.integers(1, 4),
)
def test_somebody_always_has_the_turn_and_the_next_one_has_the_next(
    now: datetime, zone: str, turn: str, handover: str, people: int
) -> None:
    names = [f"p{number}" for number in range(people)]
    spec = rota(*names, turn=turn, handover=handover, timezone=zone, day="wed")
    at = now.replace(tzinfo=UTC)
    shift = on_call(spec, (), at)
    assert shift is not None
    assert shift.start <= at < shift.end
    following = on_call(spec, (), shift.end)
    assert following is not None
    assert following.start == shift.end
    assert names.index(following.person) == (names.index(shift.person) + 1) % people


# -- overrides ---------------------------------------------------------------------------------------


def test_an_override_cuts_the_turn_in_two() -> None:
    found = shifts(
        rota("anna", "ben"), [stands_in("zoe", "2026-01-07 12:00", "2026-01-08 12:00")],
        utc("2026-01-05 09:00"), utc("2026-01-12 09:00"),
    )  # fmt: skip
    assert shown(found) == [
        ("anna", "01-05 09:00", "01-07 12:00", "turn"),
        ("zoe", "01-07 12:00", "01-08 12:00", "override"),
        ("anna", "01-08 12:00", "01-12 09:00", "turn"),
    ]


def test_the_newest_override_goes_first_and_those_by_command_before_the_configuration() -> None:
    spec = rota("anna", overrides=[
        {"from": "2026-01-06T10:00", "to": "2026-01-06T20:00", "person": "configured"},
        {"from": "2026-01-06T18:00", "to": "2026-01-06T19:00", "person": "later in the file"},
    ], timezone=BERLIN)  # fmt: skip
    commanded = [
        stands_in("second", "2026-01-06 12:00", "2026-01-06 13:00", 8),
        stands_in("first", "2026-01-06 11:00", "2026-01-06 14:00", 7),
    ]
    assert shown(shifts(spec, commanded, utc("2026-01-06 00:00"), utc("2026-01-07 00:00"))) == [
        ("anna", "01-06 00:00", "01-06 09:00", "turn"),
        ("configured", "01-06 09:00", "01-06 11:00", "override"),
        ("first", "01-06 11:00", "01-06 12:00", "override"),
        ("second", "01-06 12:00", "01-06 13:00", "override"),
        ("first", "01-06 13:00", "01-06 14:00", "override"),
        ("configured", "01-06 14:00", "01-06 17:00", "override"),
        ("later in the file", "01-06 17:00", "01-06 18:00", "override"),
        ("configured", "01-06 18:00", "01-06 19:00", "override"),
        ("anna", "01-06 19:00", "01-07 00:00", "turn"),
    ]


# -- calendars ---------------------------------------------------------------------------------------


def calendar(path: Path, *events: tuple[str, str, str]) -> Path:
    body = "".join(
        f"BEGIN:VEVENT\nUID:{number}\nDTSTAMP:20260101T000000Z\nSUMMARY: {person} \n"
        f"DTSTART;TZID={BERLIN}:{start}\nDTEND;TZID={BERLIN}:{end}\nRRULE:FREQ=WEEKLY;COUNT=20\nEND:VEVENT\n"
        for number, (person, start, end) in enumerate(events)
    )
    path.write_text(f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:test\n{body}END:VCALENDAR\n")
    return path


def test_a_calendar_names_people_and_has_gaps(tmp_path: Path) -> None:
    """Anna from Monday to Thursday, Ben on Friday; nobody at the weekend, on which the clocks change."""
    path = calendar(
        tmp_path / "rota.ics",
        ("anna", "20260105T090000", "20260109T090000"),
        ("ben", "20260109T090000", "20260110T090000"),
    )
    spec = RotaSpec(calendar=path, timezone=BERLIN)
    assert shown(shifts(spec, (), utc("2026-03-26 00:00"), utc("2026-04-03 12:00"))) == [
        ("anna", "03-26 00:00", "03-27 08:00", "calendar"),
        ("ben", "03-27 08:00", "03-28 08:00", "calendar"),
        ("", "03-28 08:00", "03-30 07:00", "nobody"),
        ("anna", "03-30 07:00", "04-03 07:00", "calendar"),
        ("ben", "04-03 07:00", "04-03 12:00", "calendar"),
    ]
    assert on_call(spec, (), utc("2026-03-28 08:00")) is None
    weekend = [stands_in("zoe", "2026-03-28 00:00", "2026-03-29 00:00")]
    assert on_call(spec, weekend, utc("2026-03-28 08:00")) == Shift(
        "zoe", utc("2026-03-28 00:00"), utc("2026-03-29 00:00"), Why.OVERRIDE
    )


def test_people_have_their_turns_where_the_calendar_names_nobody(tmp_path: Path) -> None:
    path = calendar(tmp_path / "rota.ics", ("ben", "20260107T090000", "20260108T090000"))
    spec = rota("anna", calendar=path)
    assert shown(shifts(spec, (), utc("2026-01-06 09:00"), utc("2026-01-09 09:00"))) == [
        ("anna", "01-06 09:00", "01-07 08:00", "turn"),
        ("ben", "01-07 08:00", "01-08 08:00", "calendar"),
        ("anna", "01-08 08:00", "01-09 09:00", "turn"),
    ]


def test_a_long_gap_is_one(tmp_path: Path) -> None:
    spec = RotaSpec(calendar=tmp_path / "missing.ics")
    year = shifts(spec, (), utc("2026-01-01 00:00"), utc("2027-01-01 00:00"))
    assert shown(year) == [("", "01-01 00:00", "01-01 00:00", "nobody")]
    assert year[0].end - year[0].start == timedelta(days=365)


@pytest.mark.parametrize(("how", "sentence"), [
    ({}, "a rota has people, a calendar, or both"),
    ({"people": ["a"], "overrides": [{"from": "2026-01-06", "to": "2026-01-06", "person": "b"}]}, "ends before"),
    ({"people": ["a"], "handover": 9}, "a time of day is written like 22:00"),
    ({"people": ["a"], "timezone": "Mars"}, "there is no time zone"),
])  # fmt: skip
def test_rotas_that_make_no_sense(how: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        RotaSpec.model_validate(how)
