"""`heartbeat`: deadlines by period and by cron, runs that fail, hang or never end."""

import dataclasses
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.heartbeat import HeartbeatCheck
from monitoring_pipeline.errors import CheckError

NOON = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def heartbeat(**fields) -> HeartbeatCheck:
    return HeartbeatCheck(kind="heartbeat", **({"grace": "5m"} | fields))


def beat(minutes: float, signal: str = "success", **more):
    """A beat so many minutes after noon."""
    at = NOON + timedelta(minutes=minutes)
    return {"at": at, "signal": signal, "duration_ms": None, "exit_code": None, "message": ""} | more


@pytest.fixture
def look(context):
    async def run(check: HeartbeatCheck, minutes: float, *beats):
        facts = type(context.facts)(heartbeats={"s/c": sorted(beats, key=lambda b: b["at"], reverse=True)})
        moment = NOON + timedelta(minutes=minutes)
        probe = await check.probe(dataclasses.replace(context, now=moment, facts=facts))
        failed = [c.evaluate(probe.values).text for c in check.critical_conditions() if not c.holds(probe.values)]
        return probe.values, failed

    return run


async def test_before_the_first_beat_nothing_is_known(context):
    with pytest.raises(CheckError, match="no heartbeat yet"):
        await heartbeat(every="1h").probe(context)


async def test_a_success_in_time_is_healthy(look):
    values, failed = await look(heartbeat(every="1h"), 64, beat(0, duration_ms=1500.0, exit_code=0))
    assert failed == []
    assert values == {
        "last_signal": "success", "running": False, "running_s": 0.0, "failures": 0, "beats": 1, "age_s": 3840.0,
        "duration_ms": 1500.0, "exit_code": 0, "late": False, "overdue_s": 0.0, "stuck": False,
    }  # fmt: skip


async def test_silence_past_the_grace_is_late(look):
    values, failed = await look(heartbeat(every="1h"), 66, beat(0))
    assert values["late"] is True
    assert values["overdue_s"] == 60
    assert failed == ["overdue_s (60) == 0"]


async def test_a_reported_failure_counts_until_a_success(look):
    check = heartbeat(every="1h")
    beats = [beat(0), beat(10, "fail", exit_code=2), beat(20, "start"), beat(25, "fail", exit_code=3)]
    values, failed = await look(check, 30, *beats)
    assert (values["failures"], values["exit_code"], values["last_signal"]) == (2, 3, "fail")
    assert failed == ["failures (2) == 0"]
    values, failed = await look(check, 41, *beats, beat(40, "start"))
    assert failed == ["failures (2) == 0"], "a retry under way heals nothing yet"
    values, failed = await look(check, 41, *beats, beat(40))
    assert failed == []


async def test_a_start_without_an_end_is_stuck(look):
    check = heartbeat(every="1h", max_duration="20m")
    values, failed = await look(check, 15, beat(0, "start"))
    assert (values["running"], values["running_s"], values["stuck"]) == (True, 900, False)
    assert failed == []
    assert "age_s" not in values, "no success yet: its age is not known"
    values, failed = await look(check, 21, beat(0, "start"))
    assert failed == ["stuck (true) == false"]
    values, failed = await look(check, 21, beat(0, "start"), beat(15, "start"))
    assert failed == ["stuck (true) == false"], "a second start does not excuse the first"


async def test_a_start_in_time_postpones_the_deadline(look):
    beats = [beat(0), beat(60, "start")]
    values, _ = await look(heartbeat(every="1h", max_duration="30m"), 80, *beats)
    assert values["late"] is False
    values, _ = await look(heartbeat(every="1h", max_duration="30m"), 91, *beats)
    assert values["late"] is True
    values, _ = await look(heartbeat(every="1h"), 80, *beats)
    assert values["late"] is True, "without max_duration there is nothing to postpone by"


async def test_a_start_that_came_late_postpones_nothing(look):
    values, _ = await look(heartbeat(every="1h", max_duration="30m"), 80, beat(0), beat(70, "start"))
    assert values["late"] is True
    assert values["overdue_s"] == 15 * 60


async def test_never_a_success_is_late_counted_from_the_oldest_beat(look):
    values, _ = await look(heartbeat(every="1h"), 66, beat(0, "fail"), beat(50, "fail"))
    assert values["late"] is True
    assert values["overdue_s"] == 60


async def test_a_beat_from_the_future_has_no_negative_age(look):
    values, failed = await look(heartbeat(every="1h"), 0, beat(1))
    assert values["age_s"] == 0
    assert failed == []


def deadline(expression: str, zone: str, last: datetime) -> datetime:
    check = heartbeat(expect_cron=expression, expect_timezone=zone, grace="10m")
    return check.deadline([{"at": last.astimezone(UTC), "signal": "success"}]).astimezone(ZoneInfo(zone))


def berlin(*when: int, fold: int = 0) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold)


def test_cron_weekdays_allow_the_weekend():
    friday = berlin(2024, 5, 3, 6, 2)
    assert deadline("0 6 * * 1-5", "Europe/Berlin", friday) == berlin(2024, 5, 6, 6, 10)


def test_cron_follows_local_time_over_both_changes():
    assert deadline("30 6 * * *", "Europe/Berlin", berlin(2024, 3, 30, 6, 31)) == berlin(2024, 3, 31, 6, 40)
    assert deadline("30 6 * * *", "Europe/Berlin", berlin(2024, 10, 26, 6, 31)) == berlin(2024, 10, 27, 6, 40)
    spring = deadline("30 6 * * *", "Europe/Berlin", berlin(2024, 3, 30, 6, 30))
    assert spring.astimezone(UTC) - berlin(2024, 3, 30, 6, 30).astimezone(UTC) == timedelta(hours=23, minutes=10)


def test_an_hour_that_does_not_exist_moves_to_the_next():
    expected = datetime(2024, 3, 31, 1, 0, tzinfo=UTC) + timedelta(minutes=10)  # 03:00 summer time
    assert deadline("30 2 * * *", "Europe/Berlin", berlin(2024, 3, 30, 2, 31)).astimezone(UTC) == expected


def test_an_hour_that_happens_twice_is_expected_once():
    first = berlin(2024, 10, 27, 2, 31)
    assert first.astimezone(UTC).hour == 0
    assert deadline("30 2 * * *", "Europe/Berlin", first) == berlin(2024, 10, 28, 2, 40)


def test_every_hour_counts_both_of_the_doubled_hours():
    first = berlin(2024, 10, 27, 2, 0)
    found = deadline("0 * * * *", "Europe/Berlin", first + timedelta(seconds=5)).astimezone(UTC)
    assert found == first.astimezone(UTC) + timedelta(hours=1, minutes=10)


async def test_late_by_cron(look):
    check = heartbeat(expect_cron="0 * * * *")
    assert (await look(check, 64, beat(1)))[1] == []
    assert (await look(check, 66, beat(1)))[1] == ["overdue_s (60) == 0"]


def test_it_is_looked_at_often_and_not_over_the_network():
    assert heartbeat(every="1d").interval == timedelta(seconds=10)
    assert HeartbeatCheck.remote is False


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "either `every` or `expect_cron`"),
        ({"every": "1h", "expect_cron": "* * * * *"}, "either `every` or `expect_cron`"),
        ({"expect_cron": "61 * * * *"}, "not a cron expression"),
        ({"expect_cron": "daily"}, "not a cron expression"),
        ({"expect_cron": "* * * * *", "expect_timezone": "Mars/Base"}, "no time zone 'Mars/Base'"),
    ],
)
def test_nonsense_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        heartbeat(**fields)
