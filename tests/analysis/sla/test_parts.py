"""Kept days as columns: the same days hold as when each is looked at alone, whatever turned up since."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.analysis.objective import Promise
from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.course import Course, Part
from monitoring_pipeline.analysis.sla.days import Currency, currency, refresh
from monitoring_pipeline.analysis.sla.evidence import Pair, views_of
from monitoring_pipeline.analysis.sla.parts import Parts
from monitoring_pipeline.analysis.sla.periods import Period, day_of, period_at
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.analysis.sla.standing import standings
from monitoring_pipeline.store import sla_days as stored
from monitoring_pipeline.store.sla_days import DayRow
from monitoring_pipeline.store.spec import RetentionSpec
from monitoring_pipeline.store.warehouse import open_warehouse
from tests.analysis.sla.promising import START, Past, at, past

NOW = 24 * 20
OBJECTIVES = {
    "up": {"source": "*", "target": "99%"},
    "both": {"source": "*", "per": "all", "target": "99%", "window": "12d"},
}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Past]:
    with past(f"sqlite:///{tmp_path}/hot.db", tmp_path, OBJECTIVES, "a", "b") as found:
        yield found


@pytest.mark.parametrize("seed", range(6))
def test_as_many_days_hold_as_one_by_one(here: Past, seed: int) -> None:
    dice = random.Random(seed)
    for source in ("a", "b"):
        for _ in range(3):
            begin = dice.uniform(0, NOW - 30)
            here.gap(source, begin, begin + dice.uniform(0, 30), 10)
            here.correct(source, begin - 3, begin + dice.uniform(0, 40), "up", now=at(NOW))
    here.publish(NOW)
    room = replace(here.room, retention=RetentionSpec(changes=timedelta(days=dice.choice([12, 400]))))
    stored.write_days(room.warehouse, list(_drawn(room, dice)), at(NOW))
    here.publish(NOW)
    periods = {each.key: period_at(each.spec.window, "UTC", at(NOW)) for each in room.promises}
    around = room.surroundings(at(NOW))
    with room.history(at(NOW), views_of(room.promises)) as connection:
        judge = currency(room, connection, around, room.promises, (START, at(NOW)), at(NOW))
        rows = stored.read_days(connection, START, at(NOW))
        parts = Parts(room, connection, around, room.promises, periods, at(NOW), at(NOW))
        found = parts._days(room.promises, judge)
        expected = {each.key: _one_by_one(rows, each, periods[each.key], judge) for each in room.promises}
        assert {key: list(course) for key, course in found.items()} == expected
        assert 0 < sum(map(len, expected.values())) < len(rows)
        for key, course in parts._summed(judge):
            (whole,) = course
            assert (whole.start, whole.end) == (expected[key][0].start, expected[key][-1].end)
            assert whole.pair == course.pair == found[key].pair


def _drawn(room: Room, dice: random.Random) -> Iterator[DayRow]:
    """Most days of every promise, some with other terms, of another zone, or before things turned up."""
    for promise in room.promises:
        calm = dice.random() < 0.3
        zones = ["UTC"] if calm else ["UTC", "UTC", "UTC", "Asia/Tokyo"]
        for number in range(19):
            day = day_of(dice.choice(zones), (START + timedelta(days=number)).date())
            sums = [dice.randint(0, 9) for _ in range(4)]
            measured = sums if dice.random() < 0.5 else [dice.randint(0, 9) for _ in range(4)]
            if calm or dice.random() < 0.9:
                yield DayRow(
                    *promise.key, day.day, day.start, day.end, "us", *sums, *measured,
                    promise.fingerprint if calm or dice.random() < 0.9 else "others",
                    9 if calm else dice.randint(0, 6), 9 if calm else dice.randint(0, 6), at(NOW),
                )  # fmt: skip


def _one_by_one(rows: list[DayRow], promise: Promise, period: Period, judge: Currency) -> list[Part]:
    found: list[Part] = []
    for row in rows:
        mine = (row.objective, row.scope, row.subject) == promise.key
        reached = found[-1].end if found else period.start
        if mine and reached <= row.start and row.end <= period.end and judge.holds(row, promise):
            pair = Pair(Account(*row[11:15]), Account(*row[7:11]))
            found.append(Part(row.start, row.end, pair))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_kept_days_say_what_history_says_after_anything_turned_up(here: Past, seed: int) -> None:
    dice = random.Random(seed)
    for source in ("a", "b"):
        moments = sorted(dice.uniform(-5, NOW) for _ in range(40))
        here.status(source, *((moment, dice.choice(["healthy", "critical", "warning"])) for moment in moments))
    here.publish(NOW)
    refresh(here.room, at(NOW))
    for source in dice.sample(["a", "b"], dice.randint(1, 2)):
        begin = dice.uniform(0, NOW - 30)
        here.gap(source, begin, begin + dice.uniform(0, 30), 10)
        here.correct(source, begin + 9, begin + dice.uniform(10, 40), dice.choice(["up", "down"]), now=at(NOW))
    here.publish(NOW)
    kept, summed = here.standings(NOW), here.standings(NOW, daily=False)
    with open_warehouse(here.room.warehouse, at(NOW)) as warehouse:
        warehouse.execute("DELETE FROM sla_days")
    here.publish(NOW)
    live = standings(here.room, at(NOW))
    assert [list(each.parts) for each in kept] == [list(each.parts) for each in live]
    assert [each.pair for each in summed] == [each.pair for each in live]
    assert [each.exhausted_at for each in summed] == [each.exhausted_at for each in live]


def _part(begin: float, end: float, good: int = 1, measured: int = 1) -> Part:
    return Part(at(begin), at(end), Pair(Account(good=measured, bad=2), Account(good=good, excluded=3)))


def test_a_course_is_a_sequence_of_parts() -> None:
    parts = [_part(0, 1), _part(1, 2, good=5), _part(4, 5, measured=7)]
    course = Course.of(parts)
    assert list(course) == parts == [course[place] for place in range(len(course))]
    assert list(course[1:]) == parts[1:]
    assert course[-1] == parts[-1]
    assert course.pair == Pair(Account(good=9, bad=6), Account(good=7, excluded=9))
    assert Course.of([]).pair == Pair()


def test_a_course_knows_its_holes_and_takes_what_fills_them() -> None:
    course = Course.of([_part(1, 2), _part(2, 3), _part(5, 6)])
    assert course.holes(at(0), at(8)) == [(at(0), at(1)), (at(3), at(5)), (at(6), at(8))]
    assert Course.of([]).holes(at(0), at(8)) == [(at(0), at(8))]
    assert Course.of([]).holes(at(8), at(0)) == []
    filled = course + Course.of([_part(0, 1), _part(3, 5), _part(6, 8)])
    assert filled.holes(at(0), at(8)) == []
    assert [part.start for part in filled] == [at(0), at(1), at(2), at(3), at(5), at(6)]
    assert len(course + Course.of([])) == len(Course.of([]) + course) == 3
