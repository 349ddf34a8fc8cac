"""New levels that are called as values come, and what hindsight makes of them, in a real installation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from monitoring_pipeline.analysis.calendars import HOUR_US, Calendar
from monitoring_pipeline.analysis.shifts import without_season
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Event, Sample, Severity
from monitoring_pipeline.reports.anomalies import strange_document
from monitoring_pipeline.store.events import insert_events
from tests.analysis.scoring.samples import INTERVAL, T0, batches
from tests.analysis.scoring.test_doors import Days

MOVED, HOURS = 24 * 16 + 4, 24 * 18
NONE = {"levels confirmed": 0, "levels withdrawn": 0}


@pytest.fixture
def days(tmp_path: Path) -> Iterator[Days]:
    opened = Days(tmp_path)
    yield opened
    opened.monitoring.close()


def moved(tags: dict[str, str]) -> list[list[Sample]]:
    """Eighteen days; the first source moves to another level and stays there, the second is there for twenty hours."""
    found = []
    for hour, batch in enumerate(batches(HOURS)):
        up = (hour >= MOVED, MOVED <= hour < MOVED + 20, False)
        found.append([
            Sample(each.source, each.metric, each.time, each.value + 60 * add, each.unit, each.check, tags)
            for each, add in zip(batch, up, strict=True)
        ])  # fmt: skip
    return found


@pytest.mark.parametrize("tags", [{}, {"path": "/orders"}])
def test_a_level_that_stays_is_confirmed_and_one_that_went_back_withdrawn_once(
    days: Days, tags: dict[str, str]
) -> None:
    monitoring, found = days.monitoring, moved(tags)
    monitoring.scoring.catch_up()
    days.measure(found[: MOVED + 16])
    monitoring.scoring.catch_up()
    assert monitoring.scoring.confirm_shifts() == NONE  # it cannot be seen yet
    days.measure(found[MOVED + 16 :])
    monitoring.scoring.catch_up()
    first = monitoring.scoring.confirm_shifts()
    assert first == {"levels confirmed": 1, "levels withdrawn": 1}
    # Neither in hot rows nor out of history is anything judged again.
    assert monitoring.scoring.confirm_shifts() == NONE
    monitoring.load_history()
    monitoring.publish_history()
    days.now += timedelta(hours=1)
    assert monitoring.scoring.confirm_shifts() == NONE
    told = {
        each.source: each for each in monitoring.scoring.strange(T0 + MOVED * INTERVAL)
        if each.kind == "level_shift" and each.began < T0 + (MOVED + 20) * INTERVAL
    }  # fmt: skip
    assert (told["source-0"].confirmed, told["source-1"].confirmed) == (True, False)
    assert "; has stayed at its new level, 25" in told["source-0"].text
    assert "; has no new level, seen with hindsight: 19" in told["source-1"].text
    assert strange_document(told["source-0"])["confirmed"] is True


def test_a_wave_is_no_new_level(days: Days) -> None:
    days.measure(list(batches(HOURS)))
    at = days.now - timedelta(hours=30)
    called = Event("source-0", "level_shift", "response_time_ms", at, "a new level", Severity.WARNING, "web")
    with days.monitoring.store.write() as connection:
        insert_events(connection, [called])
    assert days.monitoring.scoring.confirm_shifts() == {"levels confirmed": 0, "levels withdrawn": 1}


def test_the_season_follows_the_wall_and_its_holidays() -> None:
    known, holiday = 24 * 21, (T0 + timedelta(days=23)).date()
    calendar = Calendar.of("Europe/Berlin", [holiday])
    times = to_us(T0) + HOUR_US * np.arange(24 * 28)
    slot, weekday = calendar.slots(times, 24)
    noise = np.random.default_rng(1).normal(0, 1, len(times))
    values = 100 + 50.0 * ((slot >= 9) & (slot < 17) & (weekday < 5)) + noise
    plain = without_season(times, values, known, calendar)
    assert np.abs(plain[known:] - np.median(plain)).mean() < 5
    assert np.abs(values[known:] - np.median(values)).mean() > 10
