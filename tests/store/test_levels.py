"""Which level a question reads, and how buckets lie on the disk."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.clock import from_us
from monitoring_pipeline.store import rollups
from monitoring_pipeline.store.rollups import DAY, HOUR, MINUTE, WEEK, Level
from monitoring_pipeline.store.warehouse import open_warehouse
from tests.store.house import NOW, START, House


@pytest.mark.parametrize(
    ("days", "level"), [(1, MINUTE), (1.6, HOUR), (90, HOUR), (92, DAY), (2000, DAY), (9000, WEEK)]
)
def test_the_finest_level_with_few_enough_buckets_is_read(days: float, level: Level):
    assert rollups.level_for(timedelta(days=days)) == level


@pytest.mark.parametrize(
    ("level", "start", "end", "chunk"),
    [
        (MINUTE, "11:50", "11:55", None), (MINUTE, "11:55", "12:00", ("06:00", "12:00")),
        (MINUTE, "12:55", "13:02", ("12:00", "13:00")), (MINUTE, "12:00", "13:00", None),
        (MINUTE, "23:55", "24:00", ("00:00", "24:00")), (HOUR, "22:00", "23:00", None),
        (HOUR, "23:00", "24:00", ("00:00", "24:00")),
    ],
)  # fmt: skip
def test_a_stretch_completes_the_longest_chunk_that_began_before(
    level: Level, start: str, end: str, chunk: tuple[str, str] | None
):
    def at(clock: str) -> datetime:
        hours, minutes = clock.split(":")
        return START + 2 * DAY.width + timedelta(hours=int(hours), minutes=int(minutes))

    assert level.completed(at(start), at(end)) == (chunk and (at(chunk[0]), at(chunk[1])))


def test_an_hour_of_small_steps_lies_by_series(tmp_path: Path):
    house = House(tmp_path)
    moments = [START + timedelta(minutes=minute) for minute in range(61)]
    with closing(house.store):
        for first in range(0, 61, 5):
            step = moments[first : first + 5]
            house.write({source: [(at, 1.0) for at in step] for source in ("a", "b")})
            house.roll_up(step[-1] + timedelta(minutes=3))
    with open_warehouse(house.warehouse, NOW) as warehouse:
        laid = warehouse.execute("SELECT series, bucket FROM values_minute ORDER BY rowid").fetchall()
    assert laid[-2:] == [(1, moments[60].replace(tzinfo=None)), (2, moments[60].replace(tzinfo=None))]
    assert laid[:-2] == sorted(laid[:-2])
    assert len(laid) == 122


def test_weeks_begin_on_monday():
    assert WEEK.floor(START) == from_us(1773619200_000_000)
    assert WEEK.floor(START + DAY.width) == START + DAY.width
