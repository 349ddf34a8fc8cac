"""Many ask, one reads."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from monitoring_pipeline.api.snapshots import Snapshots
from monitoring_pipeline.records import Status
from monitoring_pipeline.reports import Overview, Watch

EMPTY = Overview(datetime(2026, 11, 21, tzinfo=UTC), Status.UNKNOWN, None, "", (), (), Watch(False, None))


class Reading:
    """Counts its readings and lets them go on one by one when told to."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def __call__(self) -> Overview:
        self.count += 1
        assert self.go.wait(30)
        if self.error is not None:
            raise self.error
        return EMPTY


@pytest.fixture
async def taking():
    reading = Reading()
    snapshots = Snapshots(reading, {"a": lambda overview: b"A", "b": lambda overview: b"B"})
    yield reading, snapshots
    reading.go.set()
    await snapshots.close()


async def test_a_hundred_at_once_read_once(taking):
    reading, snapshots = taking
    reading.go.clear()
    asking = [asyncio.ensure_future(snapshots.get()) for _ in range(100)]
    await asyncio.sleep(0.1)
    reading.go.set()
    assert len({id(snapshot) for snapshot in await asyncio.gather(*asking)}) == 1
    assert reading.count == 1


async def test_a_face_asked_for_during_a_reading_comes_with_the_next(taking):
    reading, snapshots = taking
    reading.go.clear()
    first = asyncio.ensure_future(snapshots.face("a"))
    await asyncio.sleep(0.1)
    second = asyncio.ensure_future(snapshots.face("b"))
    await asyncio.sleep(0.1)
    reading.go.set()
    assert [(await first).body, (await second).body] == [b"A", b"B"]
    assert reading.count == 2


async def test_who_goes_away_does_not_stop_the_others(taking):
    reading, snapshots = taking
    reading.go.clear()
    impatient = asyncio.ensure_future(snapshots.get())
    patient = asyncio.ensure_future(snapshots.get())
    await asyncio.sleep(0.1)
    impatient.cancel()
    await asyncio.sleep(0)
    reading.go.set()
    assert (await patient).overview is EMPTY


async def test_it_stays_fresh_while_somebody_asked_lately(taking):
    reading, snapshots = taking
    first = await snapshots.get()
    while reading.count < 3:
        await asyncio.sleep(0.05)
    assert (await snapshots.get()).taken > first.taken


async def test_an_error_reaches_who_asks_and_passes(taking):
    reading, snapshots = taking
    reading.error = OSError("no disk")
    with pytest.raises(OSError, match="no disk"):
        await snapshots.get()
    reading.error = None
    assert (await snapshots.get()).overview is EMPTY


async def test_a_short_failure_is_bridged(taking):
    reading, snapshots = taking
    first = await snapshots.get()
    reading.error = OSError("no disk")
    assert await snapshots.get() is first
