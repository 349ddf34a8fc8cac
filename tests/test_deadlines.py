"""Looking back along cron expressions, above all on the nights when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitoring_pipeline.deadlines import check_cron, check_zone, last_due, next_due

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("expression", "moment", "due"), [
    ("0 6 * * *", "2026-05-04 06:00:00", "2026-05-04 06:00"),
    ("0 6 * * *", "2026-05-04 06:00:00.000001", "2026-05-04 06:00"),
    ("0 6 * * *", "2026-05-04 05:59:59.999999", "2026-05-03 06:00"),
    ("*/15 * * * *", "2026-05-04 05:59:59", "2026-05-04 05:45"),
    ("0 6 * * MON", "2026-05-10 12:00:00", "2026-05-04 06:00"),
    ("0 0 29 2 *", "2026-05-10 12:00:00", "2024-02-29 00:00"),
    ("*/10 * * * * *", "2026-05-04 05:59:59", "2026-05-04 05:59:50"),
])  # fmt: skip
def test_the_last_due_moment(expression: str, moment: str, due: str) -> None:
    assert last_due(expression, "UTC", utc(moment)) == utc(due)


@pytest.mark.parametrize(("expression", "moment", "due"), [
    # 29 March 2026: 02:00 CET (01:00 UTC) becomes 03:00 CEST.
    ("30 2 * * *", "2026-03-29 00:59:59", "2026-03-28 01:30"),
    ("30 2 * * *", "2026-03-29 01:00:00", "2026-03-29 01:00"),
    ("30 2 * * *", "2026-03-29 09:00:00", "2026-03-29 01:00"),
    ("30 2 * * *", "2026-03-30 00:30:00", "2026-03-30 00:30"),
    ("0 6 * * *", "2026-03-29 03:59:59", "2026-03-28 05:00"),
    ("0 6 * * *", "2026-03-29 04:00:00", "2026-03-29 04:00"),
    ("*/30 * * * *", "2026-03-29 01:10:00", "2026-03-29 01:00"),
    # 25 October 2026: 03:00 CEST (01:00 UTC) becomes 02:00 CET.
    ("30 2 * * *", "2026-10-25 00:29:59", "2026-10-24 00:30"),
    ("30 2 * * *", "2026-10-25 00:30:00", "2026-10-25 00:30"),
    ("30 2 * * *", "2026-10-25 01:10:00", "2026-10-25 00:30"),
    ("30 2 * * *", "2026-10-25 01:40:00", "2026-10-25 00:30"),
    ("30 2 * * *", "2026-10-26 01:30:00", "2026-10-26 01:30"),
    ("0 6 * * *", "2026-10-25 04:59:59", "2026-10-24 04:00"),
    ("0 6 * * *", "2026-10-25 05:00:00", "2026-10-25 05:00"),
    ("*/30 * * * *", "2026-10-25 01:10:00", "2026-10-25 01:00"),
])  # fmt: skip
def test_the_nights_when_berlin_changes_its_clocks(expression: str, moment: str, due: str) -> None:
    assert last_due(expression, BERLIN, utc(moment)) == utc(due)


@pytest.mark.parametrize("night", ["2026-03-29", "2026-10-25"])
@pytest.mark.parametrize("expression", ["30 2 * * *", "0 3 * * *", "15 1,2,3 * * *", "*/20 * * * *", "0 * * * *"])
def test_due_moments_never_run_back_and_agree_with_looking_ahead(night: str, expression: str) -> None:
    from cronsim import CronSim

    start = utc(f"{night} 00:00") - timedelta(hours=6)
    ahead = CronSim(expression, (start - timedelta(days=1)).astimezone(ZoneInfo(BERLIN)))
    expected = {next(ahead).astimezone(UTC) for _ in range(200)}
    before = start - timedelta(days=2)
    for minute in range(0, 12 * 60, 5):
        moment = start + timedelta(minutes=minute)
        due = last_due(expression, BERLIN, moment)
        assert due is not None
        assert before <= due <= moment
        assert due in expected
        assert not [other for other in expected if due < other <= moment]
        before = due


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2026-03-29 00:59:00", "2026-03-29 01:00"),
        ("2026-03-29 01:00:00", "2026-03-30 00:30"),
        ("2026-10-25 00:10:00", "2026-10-25 00:30"),
        ("2026-10-25 00:30:00", "2026-10-26 01:30"),
        ("2026-10-25 01:10:00", "2026-10-26 01:30"),
        ("2026-10-25 01:40:00", "2026-10-26 01:30"),
    ],
)
def test_the_next_due_moment_lies_ahead_on_those_nights_too(moment: str, due: str) -> None:
    assert next_due("30 2 * * *", BERLIN, utc(moment)) == utc(due)


@pytest.mark.parametrize("night", ["2026-03-29", "2026-10-25"])
@pytest.mark.parametrize("expression", ["30 2 * * *", "15 1,2,3 * * *", "*/20 * * * *", "0 * * * *", "7 */2 * * *"])
def test_next_and_last_are_each_others_inverse(night: str, expression: str) -> None:
    for minute in range(-360, 360, 5):
        moment = utc(f"{night} 01:00") + timedelta(minutes=minute)
        due = next_due(expression, BERLIN, moment)
        assert due is not None
        assert due > moment
        assert last_due(expression, BERLIN, due) == due
        before = last_due(expression, BERLIN, due - timedelta(microseconds=1))
        assert before is not None
        assert before <= moment


def test_wrong_texts_are_refused_with_what_is_wanted() -> None:
    assert check_cron("30 6 * * 1-5") == "30 6 * * 1-5"
    assert check_zone("America/St_Johns") == "America/St_Johns"
    with pytest.raises(ValueError, match="five fields are wanted"):
        check_cron("every day")
    for name in ("Europe/Atlantis", "", "../etc/passwd"):
        with pytest.raises(ValueError, match="Europe/Berlin"):
            check_zone(name)
