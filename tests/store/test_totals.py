"""Totals over any time say what its points say, whichever stored buckets answer what of it."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.store import queries, rollups
from monitoring_pipeline.store.history import connect
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.rollups import DAY, HOUR, MINUTE, WEEK, Level
from monitoring_pipeline.store.rollups.stored import Chosen
from tests.store.house import START, House, Points
from tests.store.rows import gap, result, write

NOW = START + timedelta(days=24, hours=13, minutes=7, seconds=30)
"""A Wednesday; three whole weeks and two begun ones lie before it."""
_LOADED = NOW - timedelta(minutes=40)


@pytest.fixture(scope="module")
def measured() -> Points:
    """A series that goes on all the time, one that ended, one that began late, one that is hot only."""
    luck = random.Random(7)
    found: Points = {name: [] for name in ("always", "ended", "late", "new")}
    at = START + timedelta(hours=5)
    while at < NOW:
        value = round(luck.gauss(100, 10) if luck.random() > 0.02 else luck.gauss(0, 1e4), 3)
        found["always"].append((at, value))
        if at < START + timedelta(days=12, hours=3):
            found["ended"].append((at + timedelta(seconds=1), -value))
        if at > START + timedelta(days=17, hours=22):
            found["late"].append((at + timedelta(seconds=2), value / 3))
        at += timedelta(minutes=41) * luck.random() * 2
    found["new"] = [(NOW - timedelta(minutes=minute), float(minute)) for minute in (9, 5, 1)]
    return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, measured: Points) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    luck = random.Random(8)
    statuses = ["healthy"] * 8 + ["warning", "critical", "unknown"]
    moments = [START + timedelta(minutes=17 * number) for number in range(24 * 84)]
    house.write({name: [point for point in points if point[0] < _LOADED] for name, points in measured.items()})
    write(house.store, "results", [result(luck.choice("ab"), at, luck.choice(statuses)) for at in moments])
    write(house.store, "gaps", [gap("a", START + timedelta(days=9), START + timedelta(days=9, hours=30), 70)])
    house.roll_up(_LOADED)
    house.write({name: [point for point in points if point[0] >= _LOADED] for name, points in measured.items()})
    yield house
    house.store.close()


def spans(seed: int) -> tuple[datetime, datetime]:
    """Any time, with edges on weeks, days, hours, or nothing."""
    luck = random.Random(seed)
    edges = sorted(START + timedelta(days=25) * luck.random() for _ in range(2))
    level = luck.choice([None, HOUR, DAY, WEEK])
    since, until = edges if level is None else (level.floor(edge) for edge in edges)
    return since, NOW if luck.random() < 0.3 else until + timedelta(hours=1)


def expected(measured: Points, since: datetime, until: datetime) -> dict[str, dict[str, object]]:
    found = {}
    for name, points in measured.items():
        inside = [(at, value) for at, value in sorted(points) if since <= at < until]
        if inside:
            numbers = [value for _, value in inside]
            found[name] = {
                "count": len(inside), "avg": pytest.approx(statistics.fmean(numbers)), "min": min(numbers),
                "max": max(numbers), "earliest": numbers[0], "latest": numbers[-1],
            }  # fmt: skip
    return found


@pytest.mark.parametrize("seed", range(25))
def test_totals_of_all_series_say_what_their_points_say(house: House, measured: Points, seed: int) -> None:
    since, until = spans(seed)
    wanted = expected(measured, since, until)
    with connect(house.store, house.published, now=NOW) as connection:
        bare = rollups.totals(connection, None, None, since, until, quantiles=False)
        full = rollups.totals(connection, None, None, since, until)
        some = rollups.totals(connection, ["always", "new"], "rows", since, until, quantiles=False)
        none = rollups.totals(connection, ["nobody"], None, since, until, quantiles=False)
    for rows in (bare, full):
        assert {row["source"]: {name: row[name] for name in wanted[row["source"]]} for row in rows} == wanted
    assert some == [row for row in bare if row["source"] in ("always", "new")]
    assert none == []


@pytest.mark.parametrize("seed", range(12))
def test_weeks_say_what_their_days_say(house: House, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    since, until = spans(seed)

    def ask() -> list[list[dict[str, object]]]:
        with connect(house.store, house.published, now=NOW) as connection:
            return [
                rollups.totals(connection, None, None, since, until),
                rollups.totals(connection, None, None, since, until, quantiles=False),
                rollups.uptime(connection, None, since, until),
                rollups.found(connection, None, MINUTE.floor(since), MINUTE.floor(until)),
            ]

    from_weeks, built = ask(), Chosen.built
    monkeypatch.setattr(
        Chosen, "built", lambda self, log, levels: built(self, log, [level for level in levels if level != WEEK])
    )
    for rows, wanted in zip(from_weeks, ask(), strict=True):
        # Sums of floats may differ in their last digit.
        assert rows == [
            {name: pytest.approx(value) if name in ("avg", "unknown_s") else value for name, value in row.items()}
            for row in wanted
        ]


def test_outliers_of_totals_are_those_of_days(house: House) -> None:
    with connect(house.store, house.published, now=NOW) as connection:
        days = rollups.series(connection, "always", "rows", START, NOW, level=DAY)
        (total,) = rollups.totals(connection, "always", "rows", START, NOW, quantiles=False)
    assert total["outliers"] == sum(int(row["outliers"] or 0) for row in days) > 5


@pytest.mark.parametrize("level", [MINUTE, HOUR, DAY, WEEK])
def test_as_much_was_measured_as_there_are_points(house: House, measured: Points, level: Level) -> None:
    since = level.floor(START + timedelta(days=1, hours=7))
    inside = [at for points in measured.values() for at, _ in points if since <= at < NOW]
    with connect(house.store, house.published, now=NOW) as connection:
        found = rollups.volume(connection, since, NOW, level=level)
    assert dict(found) == Counter(level.floor(at) for at in inside)


@pytest.mark.parametrize("seed", range(8))
def test_uptime_over_weeks_is_that_of_the_rows(house: House, seed: int) -> None:
    since, until = spans(seed)
    with connect(house.store, house.published, now=NOW) as connection:
        assert rollups.uptime(connection, None, since, until) == queries.uptime(connection, None, since, until)


def test_hours_are_right_while_days_are_built_further_than_they_are(tmp_path: Path) -> None:
    house = House(tmp_path)
    moments = [START + timedelta(minutes=29 * number) for number in range(150)]
    write(house.store, "results", [result("a", at) for at in moments])
    load_hot(house.store, house.warehouse, moments[-1])
    for _ in range(3):  # a build that has no time makes one stretch: days come first
        rollups.roll_up(house.warehouse, moments[-1], timedelta(0))
        publish(house.store, house.warehouse, house.published, moments[-1])
        with connect(house.store, house.published, now=NOW) as connection:
            rows = rollups.executions(connection, "a", START, moments[-1] + MINUTE.width, level=HOUR)
        assert {row["start"]: row["healthy"] for row in rows if row["healthy"]} == Counter(map(HOUR.floor, moments))
    house.store.close()
