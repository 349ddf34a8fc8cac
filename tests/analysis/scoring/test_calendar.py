"""The time zone and the days off of the configuration reach whatever follows a season."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Sample
from tests.analysis.scoring.samples import INTERVAL, T0
from tests.analysis.scoring.test_doors import Days

FREE = T0.date() + timedelta(days=30)  # a Wednesday
BERLIN = "analysis:\n  timezone: Europe/Berlin\n"
EVENT = f"""\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example.com//free days//EN
BEGIN:VEVENT
UID:1@example.com
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:{FREE:%Y%m%d}
SUMMARY:a day off
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


@contextmanager
def installed(folder: Path, analysis: str) -> Iterator[Days]:
    (folder / "free.ics").write_text(EVENT)
    days = Days(folder, analysis)
    yield days
    days.monitoring.close()


def at_work(calendar: Calendar) -> list[list[Sample]]:
    """A number that is higher while people work, over the wall's change to summer time; on the free day nobody does."""
    moments = [T0 + hour * INTERVAL for hour in range(24 * 31)]
    slot, weekday = calendar.slots(np.array([to_us(moment) for moment in moments], dtype=np.int64), 24)
    values = 100 + 100 * ((slot >= 9) & (slot < 17) & (weekday < 5)) + np.random.default_rng(1).normal(0, 2, len(slot))
    return [
        [Sample("source-0", "rows_read", moment, float(value), "rows", "web")]
        for moment, value in zip(moments, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("analysis", "strange"),
    [(BERLIN, True), (f"{BERLIN}  holidays: [{FREE}]\n", False), (f"{BERLIN}  holiday_calendar: free.ics\n", False)],
)
def test_a_free_day_is_strange_to_those_alone_who_do_not_know_of_it(
    tmp_path: Path, analysis: str, *, strange: bool
) -> None:
    with installed(tmp_path, analysis) as days:
        monitoring, known = days.monitoring, Calendar.of("Europe/Berlin", [FREE])
        monitoring.scoring.catch_up()
        for batch in (found := at_work(known))[: 24 * 30], found[24 * 30 :]:
            days.measure(batch)
            monitoring.scoring.catch_up()
        happened = [each for each in monitoring.scoring.strange(T0 + timedelta(days=30)) if each.kind == "anomaly"]
        assert bool(happened) is strange
        wanted = Calendar.of("Europe/Berlin", [] if strange else [FREE])
        assert monitoring.outlook.scope.calendar == monitoring.outlook.grid("source-0").calendar == wanted


def test_what_was_learnt_goes_on_with_the_calendar_of_now(tmp_path: Path) -> None:
    with installed(tmp_path, BERLIN) as days:
        days.monitoring.scoring.catch_up()
        days.measure(at_work(Calendar("Europe/Berlin"))[:48])
        days.monitoring.scoring.catch_up()
    with installed(tmp_path, "analysis: {timezone: Asia/Tokyo, holidays: [2026-12-25]}\n") as days:
        scoring = days.monitoring.scoring.online()
        scoring.load()
        arrays = scoring.scorer.to_arrays()
    assert len(scoring.scorer.roster) == 1
    assert str(arrays["bank.zone"]) == "Asia/Tokyo"
    assert arrays["bank.holidays"].tolist() == [(date(2026, 12, 25) - date(1970, 1, 1)).days]
