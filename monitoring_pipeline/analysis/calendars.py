"""The clock on the wall and the days people do not work: what a season follows.

A day's rhythm follows local time, so it moves by an hour against UTC where summer time begins or ends. A holiday
is like a Sunday, whatever day of the week it is. All functions take arrays of UTC moments in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from monitoring_pipeline.clock import from_us, to_us

__all__ = ["DAY_US", "HOUR_US", "SUNDAY", "THURSDAY", "Calendar", "Moments", "distinct"]

Moments = NDArray[np.int64]
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
THURSDAY, SUNDAY = 3, 6
# Clocks are changed at full or half hours, in some places at a quarter past.
_STEP_US = HOUR_US // 4
_FIRST_WEEKDAY = THURSDAY  # that was 1970-01-01


@dataclass(frozen=True)
class Calendar:
    """A time zone, and its holidays as days since 1970 on the wall."""

    zone: str = "UTC"
    holidays: frozenset[int] = field(default_factory=frozenset)

    @classmethod
    def of(cls, zone: str, holidays: Iterable[date] = ()) -> Calendar:
        """From dates. Raises ZoneInfoNotFoundError for a zone that does not exist."""
        ZoneInfo(zone)
        return cls(zone, frozenset((day - date(1970, 1, 1)).days for day in holidays))

    def local(self, times: Moments) -> Moments:
        """The same moments as the wall shows them, in microseconds since 1970 on the wall."""
        if self.zone == "UTC" or not len(times):
            return times
        steps = times // _STEP_US
        if steps.min() == steps.max():
            return np.asarray(times + _offset_us(self.zone, int(steps[0])))
        known, places = distinct(steps)
        offsets = np.array([_offset_us(self.zone, step) for step in known.tolist()], dtype=np.int64)
        return np.asarray(times + offsets[places])

    def weekdays(self, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """The day of the week that each local day behaves like, Monday being 0: a holiday is a Sunday."""
        found = (days + _FIRST_WEEKDAY) % 7
        if self.holidays:
            found = np.where(np.isin(days, np.fromiter(self.holidays, np.int64)), SUNDAY, found)
        return np.asarray(found)

    def is_working(self, days: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether people work on each local day."""
        return np.asarray(self.weekdays(days) < SUNDAY - 1)

    def closes_month(self, days: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each local day is the last of its month on which people work: when books are closed."""
        return np.array([day == _last_working(self, day) for day in days.tolist()], dtype=bool)

    def slots(self, times: Moments, slots_a_day: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Per moment the slot of its local day, from 0 to `slots_a_day` - 1, and the weekday it behaves like."""
        local = self.local(times)
        days = local // DAY_US
        return (local - days * DAY_US) * slots_a_day // DAY_US, self.weekdays(days)


def distinct(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers that occur, ascending, and of each the place among them. Where they lie close together these are all
    between the lowest and the highest: that needs no sorting."""
    if not len(numbers):
        return numbers, numbers
    lowest, highest = int(numbers.min()), int(numbers.max())
    if highest - lowest > 64 + len(numbers) // 16:
        return np.unique(numbers, return_inverse=True)
    return np.arange(lowest, highest + 1), numbers - lowest


@lru_cache(maxsize=400_000)
def _offset_us(zone: str, step: int) -> int:
    """How far the wall is ahead of UTC in a quarter of an hour."""
    offset = from_us(step * _STEP_US).astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return round(offset / timedelta(microseconds=1))


@lru_cache(maxsize=4096)
def _last_working(calendar: Calendar, day: int) -> int:
    """The last working day of the month that a local day lies in."""
    there = from_us(day * DAY_US)
    following = (there.replace(day=1) + timedelta(days=32)).replace(day=1, tzinfo=UTC)
    last = to_us(following) // DAY_US - 1
    while not calendar.is_working(np.array([last]))[0] and last > day - 31:
        last -= 1
    return last
