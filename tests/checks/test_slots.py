"""Slots: fixed, spread out, the same after every restart, right across DST."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring_pipeline.checks.slots import schedule_of
from monitoring_pipeline.clock import from_us, to_us
from tests.checks.scripted import bound

NOW_US = to_us(datetime(2026, 3, 1, 12, tzinfo=UTC))


@given(
    st.integers(1, 30 * 86400),
    st.integers(NOW_US, NOW_US + 10**13),
    st.text("abc", min_size=1, max_size=5),
)
def test_latest_and_following_enclose_a_moment(seconds: int, moment: int, name: str) -> None:
    schedule = schedule_of(bound(name, interval=timedelta(seconds=seconds)))
    latest, following = schedule.latest(moment), schedule.following(moment)
    assert latest <= moment < following
    assert following - latest == seconds * 1_000_000
    assert schedule.following(latest) == following
    assert schedule.latest(following) == following
    assert schedule.missed(latest, following) == 1


def test_checks_of_one_interval_are_spread_over_it() -> None:
    phases = [schedule_of(bound(f"source-{n}", interval="60s")).following(NOW_US) - NOW_US for n in range(600)]
    per_second = [sum(second * 1e6 < phase <= (second + 6) * 1e6 for phase in phases) for second in range(0, 60, 6)]
    assert min(per_second) > 30
    assert max(per_second) < 90


def test_a_schedule_does_not_depend_on_the_process() -> None:
    assert schedule_of(bound("orders", interval="60s")).phase_us == 46_500_000


def test_missed_counts_the_slots_left_out() -> None:
    schedule = schedule_of(bound(interval="10s"))
    first = schedule.latest(NOW_US)
    assert schedule.missed(first, first + 30_000_000) == 3
    assert schedule.missed(first, first) == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # 2026-03-29: 02:30 does not exist in Berlin; the job's hour is skipped to 03:00 local or the next day
        (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        # a normal day: 02:30 in Berlin's winter is 01:30 UTC
        (datetime(2026, 1, 28, 12, tzinfo=UTC), datetime(2026, 1, 29, 1, 30, tzinfo=UTC)),
        # summer: 00:30 UTC
        (datetime(2026, 7, 28, 12, tzinfo=UTC), datetime(2026, 7, 29, 0, 30, tzinfo=UTC)),
    ],
)
def test_cron_slots_follow_the_local_clock(before: datetime, after: datetime) -> None:
    schedule = schedule_of(bound(cron="30 2 * * *", timezone="Europe/Berlin"))
    assert from_us(schedule.following(to_us(before))) == after


def test_a_cron_slot_comes_once_in_the_night_that_has_an_hour_twice() -> None:
    schedule = schedule_of(bound(cron="30 2 * * *", timezone="Europe/Berlin"))
    slot, found = to_us(datetime(2026, 10, 24, 12, tzinfo=UTC)), []
    while (slot := schedule.following(slot)) < to_us(datetime(2026, 10, 26, 12, tzinfo=UTC)):
        found.append(from_us(slot))
    assert found == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]


def test_inside_the_doubled_hour_time_goes_on() -> None:
    schedule = schedule_of(bound(cron="30 2 * * *", timezone="Europe/Berlin"))
    moment = to_us(datetime(2026, 10, 25, 1, 10, tzinfo=UTC))
    assert from_us(schedule.following(moment)) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert from_us(schedule.latest(moment)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_latest_of_a_cron_schedule_includes_its_own_moment() -> None:
    schedule = schedule_of(bound(cron="*/5 * * * *"))
    slot = to_us(datetime(2026, 3, 1, 12, 5, tzinfo=UTC))
    assert schedule.latest(slot) == slot
    assert schedule.latest(slot - 1) == slot - 300_000_000
    assert schedule.latest(slot + 299_000_000) == slot
    assert schedule.missed(slot, slot + 900_000_000) == 3
