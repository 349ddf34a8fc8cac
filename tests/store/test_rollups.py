"""Buckets say what their rows say, whatever order these came in, and whoever was killed meanwhile."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitoring_pipeline.store import queries, rollups
from monitoring_pipeline.store.expiry import expire_warehouse
from monitoring_pipeline.store.history import connect
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.rollups import DAY, HOUR, LEVELS, MINUTE, WEEK, Level
from monitoring_pipeline.store.spec import RetentionSpec, RollupRetentionSpec
from monitoring_pipeline.store.warehouse import open_warehouse
from tests.store.house import NOW, START, House, Points
from tests.store.rows import gap, result, write

KEPT = RollupRetentionSpec()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.store.close()


def points(seed: int = 1, every: timedelta = timedelta(minutes=29), until: datetime = NOW) -> Points:
    """Two series of five days with values of both signs, holes, and a wild value now and then."""
    luck = random.Random(seed)
    found: Points = {"a": [], "b": []}
    at = START + timedelta(hours=5)
    while at < until:
        if luck.random() > 0.1:
            found["a"].append((at, round(luck.gauss(100, 10) if luck.random() > 0.02 else luck.gauss(0, 1e4), 3)))
        if luck.random() > 0.6:
            found["b"].append((at + timedelta(seconds=luck.random()), float(luck.randint(-3, 3))))
        at += every * luck.random() * 2
    return found


def expected(level: Level, listed: list[tuple[datetime, float]]) -> list[dict[str, object]]:
    """The buckets of a series, computed the long way."""
    groups: dict[datetime, list[tuple[datetime, float]]] = defaultdict(list)
    for at, value in sorted(listed):
        groups[level.floor(at)].append((at, value))
    rows = []
    for start, group in sorted(groups.items()):
        numbers = [value for _, value in group]
        rows.append(
            {"start": start, "count": len(group), "avg": pytest.approx(statistics.fmean(numbers)),
             "min": min(numbers), "max": max(numbers), "earliest": group[0][1], "latest": group[-1][1]}
            | {name: pytest.approx(float(np.quantile(numbers, share)), rel=1e-9, abs=1e-9)
               for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)) if level != WEEK}
        )  # fmt: skip
    return rows


def assert_same(rows: list[dict[str, object]], wanted: list[dict[str, object]]) -> None:
    assert [{name: row[name] for name in want} for row, want in zip(rows, wanted, strict=True)] == wanted


def assert_all(house: House, measured: Points) -> None:
    """Every level of every source says what its points say."""
    asked = [(level, source) for level in LEVELS for source in measured]
    for (level, source), rows in zip(asked, house.answers([*asked]), strict=True):
        assert_same(rows, expected(level, measured[source]))


def test_every_level_says_what_its_points_say_stored_or_not(house: House):
    measured = points()
    house.write(
        {source: [point for point in listed if point[0] < NOW - DAY.width] for source, listed in measured.items()}
    )
    house.roll_up(NOW - DAY.width)
    # The last day is hot: whoever asks sees it all the same.
    house.write(
        {source: [point for point in listed if point[0] >= NOW - DAY.width] for source, listed in measured.items()}
    )
    assert_all(house, measured)
    house.roll_up()
    assert_all(house, measured)


def test_without_buckets_everything_comes_from_the_rows(house: House):
    measured = points()
    house.write(measured)
    assert_same(house.series(WEEK), expected(WEEK, measured["a"]))
    assert_same(house.series(HOUR), expected(HOUR, measured["a"]))


def test_what_came_late_is_counted_and_nothing_twice(house: House):
    measured = points()
    luck = random.Random(2)
    late = {source: luck.sample(listed, 20) for source, listed in measured.items()}
    house.write(
        {source: [point for point in listed if point not in late[source]] for source, listed in measured.items()}
    )
    house.roll_up()
    house.write(late)
    counts = house.roll_up()
    assert counts["values_day"] > 0
    assert_all(house, measured)
    before = house.stored()
    assert not any(house.roll_up().values())
    assert house.stored() == before


def test_small_steps_and_one_step_build_the_same(house: House, tmp_path: Path):
    measured = points(until=START + timedelta(days=2, hours=9))
    other = House(tmp_path / "other") if (tmp_path / "other").mkdir() is None else house
    end = START + timedelta(days=2, hours=9)
    step, at = timedelta(hours=13, minutes=13), START
    while at < end:
        upto = min(at + step, end)
        house.write({source: [p for p in listed if at <= p[0] < upto] for source, listed in measured.items()})
        house.roll_up(upto)
        at = upto
    other.write(measured)
    other.roll_up(end)
    assert house.stored() == other.stored()
    other.store.close()


def test_quantiles_of_weeks_and_totals_are_right_to_one_percent(house: House):
    luck = random.Random(3)
    at = [START + DAY.width + timedelta(minutes=7 * n) for n in range(900)]
    measured = {"a": [(moment, luck.lognormvariate(3, 2)) for moment in at]}
    house.write(measured)
    house.roll_up()
    values = sorted(value for _, value in measured["a"])
    week = next(row for row in house.series(WEEK) if row["start"] == START + DAY.width)
    inside = sorted(value for moment, value in measured["a"] if WEEK.floor(moment) == week["start"])
    with connect(house.store, house.published, now=NOW) as connection:
        (total,) = rollups.totals(connection, "a", "rows", START, NOW)
        (bare,) = rollups.totals(connection, None, "rows", START, NOW, quantiles=False)
    for found, ranked in ((week, inside), (total, values)):
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            low, high = (ranked[int(share * (len(ranked) - 1)) + more] for more in (0, 1))
            assert low * 0.99 <= found[name] <= high * 1.01
    assert total["count"] == len(values)
    assert total["avg"] == pytest.approx(statistics.fmean(values))
    assert bare == {name: total[name] for name in bare}


def test_outliers_lie_beyond_the_fences_of_the_days_before_and_add_up(house: House):
    quiet = [(START + timedelta(minutes=m), 100 + m % 10) for m in range(1440)]
    wild = [(START + DAY.width + timedelta(minutes=7 * m), 500.0 if m % 20 == 0 else 104.0) for m in range(200)]
    house.write({"a": [*quiet, *wild]})
    house.roll_up(START + 2 * DAY.width + timedelta(minutes=5))
    first, second = house.series(DAY)
    assert (first["outliers"], second["outliers"]) == (None, 10)
    for level in (MINUTE, HOUR):
        assert sum(row["outliers"] or 0 for row in house.series(level)) == 10
    assert house.series(WEEK)[-1]["outliers"] == 10


def test_a_constant_series_has_fences_too(house: House):
    house.write({"a": [(START + timedelta(hours=h), 100.0 if h < 47 else 104.0) for h in range(48)]})
    house.roll_up()
    assert [row["outliers"] for row in house.series(DAY)] == [None, 1]
    assert [row["outliers"] for row in house.series(DAY)] == [None, 1]


def test_late_rows_of_days_that_lost_theirs_change_nothing(house: House):
    measured = points()
    house.write(measured)
    house.roll_up()
    expire_warehouse(house.warehouse, RetentionSpec(samples=timedelta(days=2)), NOW)
    house.write({"a": [(START + timedelta(days=2), 7.0)]})
    house.roll_up()
    assert_same(house.series(DAY), expected(DAY, measured["a"]))
    rollups.rebuild(house.warehouse, START, NOW, NOW, KEPT)
    publish(house.store, house.warehouse, house.published, NOW)
    assert_same(house.series(DAY), expected(DAY, measured["a"]))
    assert_same(house.series(WEEK), expected(WEEK, measured["a"]))


def test_rows_wait_for_their_buckets_but_not_for_ever(house: House):
    house.write(points())
    house.roll_up(START + timedelta(days=2, hours=1))
    load_hot(house.store, house.warehouse, NOW)
    expire_warehouse(house.warehouse, RetentionSpec(samples=timedelta(days=2)), NOW)
    with open_warehouse(house.warehouse, NOW) as warehouse:
        oldest = warehouse.execute("SELECT date_trunc('day', min(time)) FROM samples").fetchone()
    assert oldest == ((START + timedelta(days=2)).replace(tzinfo=None),)
    expire_warehouse(house.warehouse, RetentionSpec(samples=timedelta(hours=6)), NOW)
    with open_warehouse(house.warehouse, NOW) as warehouse:
        (left,) = warehouse.execute("SELECT min(time) FROM samples").fetchone()
    assert left >= (NOW - timedelta(days=3, hours=6)).replace(tzinfo=None)


def test_buckets_expire_by_level(house: House):
    house.write(points())
    house.roll_up()
    kept = RollupRetentionSpec(minute=timedelta(days=1), hour=timedelta(days=3), day=timedelta(days=4))
    removed = expire_warehouse(house.warehouse, RetentionSpec(rollups=kept), NOW)
    assert removed["values_minute"] > removed["values_hour"] > removed["values_day"] > removed["values_week"] == 0
    counts = rollups.rebuild(house.warehouse, START, NOW, NOW, kept)
    stored = house.stored()
    assert counts["values_day"] == len(stored["values_day"])
    assert min(row[1] for row in stored["values_minute"]) >= (NOW - timedelta(days=1)).replace(tzinfo=None) - DAY.width


def test_rebuilding_changes_nothing_but_the_order(house: House):
    house.write(points())
    house.roll_up()
    before = house.stored()
    counts = rollups.rebuild(house.warehouse, START, NOW, NOW, KEPT)
    assert counts["values_hour"] == len(before["values_hour"])
    assert house.stored() == before


def test_a_build_that_ran_out_of_time_goes_on(house: House):
    now = START + timedelta(days=3, hours=2)
    house.write(points(until=now))
    load_hot(house.store, house.warehouse, now)
    built = [rollups.roll_up(house.warehouse, now, timedelta(0)) for _ in range(16)]
    assert sum(1 for counts in built if any(counts.values())) > 8
    assert not any(built[-1].values())
    before = house.stored()
    rollups.rebuild(house.warehouse, START, now, now, KEPT)
    assert house.stored() == before


def test_another_operational_store_goes_on_where_the_one_before_ended(house: House, tmp_path: Path):
    measured = points()
    old = {source: [p for p in listed if p[0] < NOW - DAY.width] for source, listed in measured.items()}
    house.write(old)
    house.roll_up(NOW - DAY.width)
    house.store.close()
    house.store = OperationalStore.open(f"sqlite:///{tmp_path / 'new.db'}", START)
    house.write({source: [p for p in listed if p not in old[source]] for source, listed in measured.items()})
    house.roll_up()
    assert_same(house.series(HOUR), expected(HOUR, measured["a"]))


def test_executions_are_counted_and_unknown_time_is_measured(house: House):
    def at(minute: float) -> datetime:
        return START + timedelta(minutes=minute)

    found = [
        result("a", at(m), "unknown" if m in (10, 11) else "critical" if m == 20 else "healthy") for m in range(30)
    ]
    found += [result("a", at(m)) for m in range(100, 200)]
    found.append(result("a", at(199.5), "unknown", skipped="breaker"))
    write(house.store, "results", found)
    write(house.store, "gaps", [gap("a", at(30), at(99), 70)])
    house.roll_up(at(60 * 30))
    with connect(house.store, house.published, now=NOW) as connection:
        hours = rollups.executions(connection, "a", START, NOW, level=HOUR)
        days = rollups.executions(connection, "a", START, NOW, level=DAY)
        minutes = rollups.executions(connection, "a", START, at(60), level=MINUTE)
        weeks = rollups.executions(connection, "a", START, NOW, level=WEEK)
    assert [(row["healthy"], row["critical"], row["unknown"], row["missed"]) for row in hours[:4]] == [
        (27, 1, 2, 30), (20, 0, 0, 40), (60, 0, 0, 0), (20, 0, 1, 0),
    ]  # fmt: skip
    # Two unknown minutes and the gap until the result after it; the last result stands for a day.
    assert [row["unknown_s"] for row in hours[:4]] == [32 * 60, 40 * 60, 0, 40.5 * 60]
    assert len(hours) == 28
    assert sum(row["unknown_s"] for row in hours) == sum(row["unknown_s"] for row in days) == 72 * 60 + 86400
    assert [row["missed"] for row in minutes[30:33]] == [1, 1, 1]
    assert [(row["missed"], row["skipped"], row["healthy"]) for row in weeks] == [(70, 1, 127), (0, 0, 0)]


def test_uptime_from_buckets_is_uptime_from_rows(house: House):
    luck = random.Random(4)
    moments = [START + timedelta(minutes=3 * n) for n in range(2500)]
    statuses = ["healthy"] * 8 + ["warning", "critical", "unknown"]
    write(house.store, "results", [result(luck.choice("ab"), at, luck.choice(statuses)) for at in moments])
    house.roll_up()
    for since, until in ((START + timedelta(hours=7, minutes=3), NOW), (START, START + DAY.width), (NOW, NOW)):
        with connect(house.store, house.published, now=NOW) as connection:
            assert rollups.uptime(connection, None, since, until) == queries.uptime(connection, None, since, until)
            assert rollups.uptime(connection, "a", since, until) == queries.uptime(connection, "a", since, until)
            assert rollups.uptime(connection, "a", since, until, "nope") == []


def test_the_published_views_can_be_asked_in_sql(house: House):
    measured = points()
    house.write(measured)
    write(house.store, "results", [result("a", START)])
    house.roll_up()
    from monitoring_pipeline.store.history import open_published

    with open_published(house.published) as warehouse:
        rows = warehouse.execute("SELECT start, avg, p95 FROM hourly WHERE source = 'a' ORDER BY start").fetchall()
        found = warehouse.execute("SELECT source, healthy FROM daily_results").fetchall()
    wanted = [row for row in expected(HOUR, measured["a"]) if row["start"] < HOUR.floor(NOW)]
    assert [(start.replace(tzinfo=START.tzinfo), avg, p95) for start, avg, p95 in rows] == [
        (row["start"], row["avg"], row["p95"]) for row in wanted
    ]
    assert found == [("a", 1)]


def test_much_is_built_in_slices(house: House, monkeypatch: pytest.MonkeyPatch):
    from monitoring_pipeline.store.rollups import building

    measured = points(until=START + timedelta(days=2, hours=9))
    house.write(measured)
    monkeypatch.setattr(building, "_MOST_POINTS", 70)
    house.roll_up(START + timedelta(days=2, hours=9))
    assert_all(house, measured)


@pytest.mark.parametrize("dies_at", [1, 4, 9, 20])
def test_who_died_anywhere_left_nothing_half_done(house: House, monkeypatch: pytest.MonkeyPatch, dies_at: int):
    from monitoring_pipeline.store.rollups import building

    measured = points(until=START + timedelta(days=2, hours=9))
    house.write(measured)
    write(house.store, "results", [result("a", START + timedelta(hours=3 * n)) for n in range(19)])
    now = START + timedelta(days=2, hours=9)
    load_hot(house.store, house.warehouse, now)
    insert, calls = building._insert, 0

    def dies(*arguments: object) -> int:
        nonlocal calls
        calls += 1
        if calls == dies_at:
            raise KeyboardInterrupt
        return insert(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(building, "_insert", dies)
        rollups.roll_up(house.warehouse, now)
    house.roll_up(now)
    stored = house.stored()
    rollups.rebuild(house.warehouse, START, now, now, KEPT)
    assert house.stored() == stored
    assert_same(house.series(HOUR, "a", now), expected(HOUR, measured["a"]))
