"""The `freshness` kind: tables, files and heartbeats against an age and against a deadline."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.check import ProbeContext
from monitoring_pipeline.checks.kinds.freshness import FreshnessCheck
from monitoring_pipeline.errors import CheckError, SourceFailure
from tests.checks.kinds.test_sql import postgres, shop  # noqa: F401 - fixtures
from tests.servers import need_server

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(context: ProbeContext, text: str) -> ProbeContext:
    return dataclasses.replace(context, now=utc(text))


def freshness(**fields: Any) -> FreshnessCheck:
    return FreshnessCheck(kind="freshness", **{"max_age": "1h", **fields})


def holds(check: FreshnessCheck, values: Any) -> list[bool | None]:
    return [condition.holds(values) for condition in check.critical_conditions()]


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, created_at TEXT, epoch INTEGER, odd TEXT)")
        connection.execute("CREATE TABLE no_orders (created_at TEXT)")
        connection.execute("INSERT INTO orders VALUES (1, '2026-05-04 11:00:00', 1777892400, 'a')")
        connection.execute("INSERT INTO orders VALUES (2, '2026-05-04 11:30:00', 1777894200, 'b')")
        connection.commit()
    return path


async def test_a_fresh_table(orders: Path, context: ProbeContext) -> None:
    check = freshness(url=f"sqlite:///{orders}", table="orders", column="created_at")
    probe = await check.probe(at(context, "2026-05-04 12:00:00"))
    values = dict(probe.values)
    assert values.pop("response_time_ms") == values.pop("connect_ms") + values.pop("query_ms")
    newest = "2026-05-04T11:30:00+00:00"
    assert values == {"age_s": 1800, "newest": newest, "late": False, "on_time": True, "overdue_s": 0}
    assert holds(check, probe.values) == [True]
    assert probe.details == {"newest": newest, "of": "orders.created_at"}
    assert probe.warnings == ()


async def test_a_stale_table_is_critical(orders: Path, context: ProbeContext) -> None:
    check = freshness(url=f"sqlite:///{orders}", table="main.orders", column='"created_at"')
    probe = await check.probe(at(context, "2026-05-04 13:00:00"))
    assert (probe.values["age_s"], probe.values["overdue_s"], probe.values["late"]) == (5400, 1800, True)
    assert holds(check, probe.values) == [False]
    exactly = await check.probe(at(context, "2026-05-04 12:30:00"))
    assert holds(check, exactly.values) == [True]


async def test_own_conditions_replace_the_default(orders: Path, context: ProbeContext) -> None:
    check = freshness(
        url=f"sqlite:///{orders}", table="orders", column="created_at", conditions=[{"warning": "age_s < 60"}]
    )
    values = (await check.probe(at(context, "2026-05-04 13:00:00"))).values
    assert holds(check, values) == []
    assert check.warning_conditions()[0].holds(values) is False


async def test_moments_without_a_zone(orders: Path, context: ProbeContext) -> None:
    check = freshness(url=f"sqlite:///{orders}", table="orders", column="created_at", column_timezone=BERLIN)
    assert (await check.probe(at(context, "2026-05-04 12:00:00"))).values["newest"] == "2026-05-04T09:30:00+00:00"


@pytest.mark.parametrize(("expression", "newest"), [
    ("epoch", "2026-05-04T11:30:00+00:00"),
    ("epoch * 1000 + 250", "2026-05-04T11:30:00.250000+00:00"),
    ("epoch * 1000000", "2026-05-04T11:30:00+00:00"),
    ("epoch * 1000000000", "2026-05-04T11:30:00+00:00"),
    ("epoch + 0.5", "2026-05-04T11:30:00.500000+00:00"),
    ("'1777894200'", "2026-05-04T11:30:00+00:00"),
    ("'2026-05-04'", "2026-05-04T00:00:00+00:00"),
    ("'2026-05-04T13:30:00+02:00'", "2026-05-04T11:30:00+00:00"),
    ("'2026-05-04T11:30:00Z'", "2026-05-04T11:30:00+00:00"),
])  # fmt: skip
async def test_how_moments_are_written(orders: Path, expression: str, newest: str, context: ProbeContext) -> None:
    query = f"SELECT {expression} FROM orders ORDER BY id DESC LIMIT 1"
    check = freshness(url=f"sqlite:///{orders}", query=query)
    assert (await check.probe(context)).values["newest"] == newest


async def test_what_is_no_moment_is_the_checks_fault(orders: Path, context: ProbeContext) -> None:
    with pytest.raises(CheckError, match=r"orders\.odd holds 'b', which is no moment in time"):
        await freshness(url=f"sqlite:///{orders}", table="orders", column="odd").probe(context)


async def test_no_rows_is_the_sources_fault(orders: Path, context: ProbeContext) -> None:
    for fields in ({"table": "no_orders", "column": "created_at"}, {"query": "SELECT 1 WHERE 1 = 0"}):
        with pytest.raises(SourceFailure, match="no rows") as caught:
            await freshness(url=f"sqlite:///{orders}", **fields).probe(context)
        assert caught.value.values["connected"] is True


async def test_a_missing_database_and_a_missing_table(orders: Path, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match="does not exist"):
        await freshness(url=f"sqlite:///{orders}.gone", table="orders", column="created_at").probe(context)
    with pytest.raises(SourceFailure, match="no such table"):
        await freshness(url=f"sqlite:///{orders}", table="returns", column="created_at").probe(context)


async def test_a_moment_in_the_future_is_told(orders: Path, context: ProbeContext) -> None:
    check = freshness(url=f"sqlite:///{orders}", table="orders", column="created_at")
    probe = await check.probe(at(context, "2026-05-04 11:00:00"))
    assert probe.values["age_s"] == -1800
    assert probe.warnings == ("the newest moment of orders.created_at lies 30m in the future",)


async def test_duckdb(tmp_path: Path, context: ProbeContext) -> None:
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT TIMESTAMP '2026-05-04 11:30:00' AS plain, DATE '2026-05-04' AS d")
    for column, newest in (("plain", "2026-05-04T11:30:00+00:00"), ("d", "2026-05-04T00:00:00+00:00")):
        check = freshness(url=f"duckdb:///{path}", table="t", column=column)
        assert (await check.probe(context)).values["newest"] == newest


async def test_mariadb_tells_timestamps_in_utc_whatever_its_zone(context: ProbeContext) -> None:
    need_server("MariaDB", "127.0.0.1", 3306)
    check = freshness(url="mysql://root@127.0.0.1/test", query="SELECT FROM_UNIXTIME(1777894200)")
    assert (await check.probe(context)).values["newest"] == "2026-05-04T11:30:00+00:00"


async def test_postgresql(shop: str, context: ProbeContext) -> None:  # noqa: F811 - the fixture
    for text in ("timestamptz '2026-05-04 13:30:00+02'", "timestamp '2026-05-04 11:30:00'"):
        check = freshness(url=shop, query=f"SELECT {text}")
        assert (await check.probe(context)).values["newest"] == "2026-05-04T11:30:00+00:00"


def written(path: Path, moment: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (utc(moment).timestamp(),) * 2)
    return path


async def test_files(tmp_path: Path, context: ProbeContext) -> None:
    written(tmp_path / "a.csv", "2026-05-04 10:00:00")
    newest = written(tmp_path / "b.csv", "2026-05-04 11:15:00")
    written(tmp_path / "c.txt", "2026-05-04 11:59:00")
    check = freshness(path=str(tmp_path / "*.csv"))
    probe = await check.probe(at(context, "2026-05-04 12:00:00"))
    assert (probe.values["age_s"], probe.values["late"], probe.values["count"]) == (2700, False, 2)
    assert probe.details["of"] == str(newest)
    late = await check.probe(at(context, "2026-05-04 12:15:01"))
    assert holds(check, late.values) == [False]


async def test_no_files(tmp_path: Path, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match="no files"):
        await freshness(path=str(tmp_path / "*.csv")).probe(context)


async def test_a_heartbeat(context: ProbeContext) -> None:
    check = freshness(heartbeat="etl/nightly")
    context.facts.heartbeats["etl/nightly"] = [
        {"at": utc("2026-05-04 11:59:00"), "signal": "start", "duration_ms": None, "exit_code": None, "message": ""},
        {"at": utc("2026-05-04 11:58:00"), "signal": "fail", "duration_ms": None, "exit_code": 1, "message": ""},
        {"at": utc("2026-05-04 11:30:00"), "signal": "success", "duration_ms": 5, "exit_code": 0, "message": ""},
        {"at": utc("2026-05-04 10:30:00"), "signal": "success", "duration_ms": 5, "exit_code": 0, "message": ""},
    ]
    probe = await check.probe(at(context, "2026-05-04 12:00:00"))
    assert (probe.values["age_s"], probe.values["late"]) == (1800, False)
    assert probe.details["of"] == "heartbeat etl/nightly"


async def test_a_heartbeat_that_never_came_is_unknown(context: ProbeContext) -> None:
    context.facts.heartbeats["etl/nightly"] = [{"at": utc("2026-05-04 11:59:00"), "signal": "start"}]
    for key in ("etl/nightly", "etl/other"):
        with pytest.raises(CheckError, match=f"no success of the heartbeat {key}"):
            await freshness(heartbeat=key).probe(context)


async def lateness(tmp_path: Path, context: ProbeContext, newest: str, now: str, **fields: Any) -> float:
    """overdue_s of a file written at `newest`, looked at `now`."""
    path = written(tmp_path / "load.csv", newest)
    check = freshness(path=str(path), max_age=None, **fields)
    return (await check.probe(at(context, now))).values["overdue_s"]


@pytest.mark.parametrize(("newest", "now", "overdue_s"), [
    ("2026-05-04 05:30:00", "2026-05-04 05:59:00", 0),
    ("2026-05-04 05:30:00", "2026-05-04 06:01:00", 0),
    ("2026-05-03 05:30:00", "2026-05-04 05:59:00", 0),
    ("2026-05-03 05:30:00", "2026-05-04 06:14:59", 0),  # the grace still runs
    ("2026-05-03 05:30:00", "2026-05-04 06:15:00", 900),
    ("2026-05-03 05:30:00", "2026-05-04 08:00:00", 7200),
    ("2026-05-04 07:00:00", "2026-05-04 08:00:00", 0),  # late, but here
    ("2026-05-03 06:10:00", "2026-05-04 06:20:00", 1200),  # came in yesterday's grace, so it was yesterday's
    ("2026-05-01 05:30:00", "2026-05-04 06:20:00", 1200),
])  # fmt: skip
async def test_a_deadline_with_grace(
    tmp_path: Path, context: ProbeContext, newest: str, now: str, overdue_s: float
) -> None:
    assert await lateness(tmp_path, context, newest, now, deadline="0 6 * * *", grace="15m") == overdue_s


async def test_with_a_window_yesterdays_late_load_does_not_count_for_today(
    tmp_path: Path, context: ProbeContext
) -> None:
    yesterday_late, now = "2026-05-03 09:00:00", "2026-05-04 07:00:00"
    assert await lateness(tmp_path, context, yesterday_late, now, deadline="0 6 * * *") == 0
    assert await lateness(tmp_path, context, yesterday_late, now, deadline="0 6 * * *", window="3h") == 3600
    assert await lateness(tmp_path, context, "2026-05-04 03:00:00", now, deadline="0 6 * * *", window="3h") == 0


async def test_a_grace_longer_than_the_period(tmp_path: Path, context: ProbeContext) -> None:
    fields = {"deadline": "0 * * * *", "grace": "90m"}
    assert await lateness(tmp_path, context, "2026-05-04 05:10:00", "2026-05-04 07:29:00", **fields) == 0
    assert await lateness(tmp_path, context, "2026-05-04 04:50:00", "2026-05-04 07:31:00", **fields) > 0


@pytest.mark.parametrize(("newest", "now", "overdue_s"), [
    # 29 March 2026: the night has 23 hours. 06:00 in Berlin is 05:00 UTC before and 04:00 UTC after.
    ("2026-03-28 04:30:00", "2026-03-29 03:59:59", 0),
    ("2026-03-28 04:30:00", "2026-03-29 04:00:01", 1),
    ("2026-03-29 03:30:00", "2026-03-29 04:00:01", 0),
    # 25 October 2026: the night has 25 hours. 06:00 in Berlin is 04:00 UTC before and 05:00 UTC after.
    ("2026-10-24 03:30:00", "2026-10-25 04:30:00", 0),
    ("2026-10-24 03:30:00", "2026-10-25 05:00:01", 1),
    ("2026-10-25 04:30:00", "2026-10-25 05:00:01", 0),
])  # fmt: skip
async def test_the_nights_when_berlin_changes_its_clocks(
    tmp_path: Path, context: ProbeContext, newest: str, now: str, overdue_s: float
) -> None:
    fields = {"deadline": "0 6 * * *", "deadline_timezone": BERLIN}
    assert await lateness(tmp_path, context, newest, now, **fields) == overdue_s


@pytest.mark.parametrize(("night", "due"), [("2026-03-29", "01:00"), ("2026-10-25", "00:30")])
async def test_a_deadline_in_the_missing_and_in_the_doubled_hour(
    tmp_path: Path, context: ProbeContext, night: str, due: str
) -> None:
    moment = utc(f"{night} {due}:00")
    stale = str((moment - timedelta(days=1, hours=2)).replace(tzinfo=None))
    fields = {"deadline": "30 2 * * *", "deadline_timezone": BERLIN}
    for minutes in (1, 40, 70, 200):
        now = str((moment + timedelta(minutes=minutes)).replace(tzinfo=None))
        assert await lateness(tmp_path, context, stale, now, **fields) == minutes * 60


async def test_an_age_and_a_deadline_together(tmp_path: Path, context: ProbeContext) -> None:
    path = written(tmp_path / "load.csv", "2026-05-04 05:30:00")
    check = freshness(path=str(path), max_age="2h", deadline="0 6 * * *")
    probe = await check.probe(at(context, "2026-05-04 08:00:00"))
    assert probe.values["overdue_s"] == 1800
    assert probe.details["deadline"] == "2026-05-04T06:00:00+00:00"


@pytest.mark.parametrize(("fields", "message"), [
    ({}, "exactly one of url"),
    ({"path": "/a", "heartbeat": "a/b"}, "exactly one of url"),
    ({"url": "sqlite:///a.db"}, "either table and column, or query"),
    ({"url": "sqlite:///a.db", "table": "t"}, "either table and column, or query"),
    ({"url": "sqlite:///a.db", "table": "t", "column": "c", "query": "SELECT 1"}, "either table and column, or query"),
    ({"url": "sqlite:///a.db", "table": "t; DROP TABLE t", "column": "c"}, "pattern"),
    ({"url": "sqlite:///a.db", "table": "t", "column": "c) FROM t--"}, "pattern"),
    ({"path": "/a", "query": "SELECT 1"}, "belong to url"),
    ({"path": "/a", "max_age": None}, "give max_age, or deadline"),
    ({"path": "/a", "deadline": "daily"}, "five fields are wanted"),
    ({"path": "/a", "deadline": "0 6 * * *", "deadline_timezone": "Europe/Berlim"}, "no time zone"),
    ({"path": "/a", "column_timezone": "Europe/Berlim"}, "no time zone"),
    ({"heartbeat": "nightly"}, "pattern"),
])  # fmt: skip
def test_wrong_settings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        freshness(**fields)
