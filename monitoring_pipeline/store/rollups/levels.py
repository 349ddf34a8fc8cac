"""The four levels: how wide their buckets are, what their tables are called, which one a question reads.

Buckets are of UTC, so each is as long as the next whatever clocks on walls do; weeks begin on Monday.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_pipeline.clock import EPOCH

__all__ = ["BUILT", "DAY", "HOUR", "LEVELS", "MINUTE", "WEEK", "Level", "cover", "level_for"]

_MONDAY = EPOCH + timedelta(days=4)
_POINTS = 2200
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Level:
    """One width of buckets. `name` is also what SQL's date_trunc calls it.

    Rows come in stretches of time. When one of `chunks`, from short to long, is over, its rows are laid by series on
    the disk: whoever asks for one series reads a few blocks of each chunk. In the longest they stay.
    """

    name: str
    width: timedelta
    chunks: tuple[timedelta, ...]

    @property
    def values(self) -> str:
        """The table of what was measured."""
        return f"values_{self.name}"

    @property
    def executions(self) -> str:
        """The table of what checks found."""
        return f"executions_{self.name}"

    def floor(self, moment: datetime) -> datetime:
        """The beginning of the bucket that holds a moment."""
        return moment - (moment - _MONDAY) % self.width

    def completed(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """The longest chunk that began before [start, end) and ends within it; None when there is none.

        What is in no longer chunk than the stretch itself lies by series already.
        """
        for width in reversed(self.chunks):
            last = end - (end - _MONDAY) % width
            if last - width < start < last:
                return last - width, last
        return None


_HOUR, _DAY, _WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)

MINUTE = Level("minute", timedelta(minutes=1), (_HOUR, 6 * _HOUR, _DAY))
HOUR = Level("hour", _HOUR, (_DAY, _WEEK, 4 * _WEEK))
DAY = Level("day", _DAY, (4 * _WEEK,))
WEEK = Level("week", _WEEK, (_WEEK,))
LEVELS = (MINUTE, HOUR, DAY, WEEK)
"""From fine to coarse."""

BUILT = (DAY, HOUR, MINUTE)
"""The levels that are built from rows, in that order: fences come from the days before. Weeks are merged days."""


def cover(
    since: datetime, until: datetime, built: Mapping[Level, datetime]
) -> Iterator[tuple[Level | None, datetime, datetime]]:
    """Cuts [since, until) into stretches of whole buckets, the coarsest that are built, in the order of time.

    `built` says per level up to when it is. What no bucket covers comes with None instead of a level.
    """
    for level in sorted(built, key=lambda known: known.width, reverse=True):
        start, end = level.floor(since + level.width - _TICK), min(level.floor(until), built[level])
        if start < end:
            yield from cover(since, start, built)
            yield level, start, end
            yield from cover(end, until, built)
            return
    if since < until:
        yield None, since, until


def level_for(span: timedelta, points: int = _POINTS) -> Level:
    """The finest level that has at most `points` buckets in `span`; weeks when none has.

    With the default that is minutes up to a day and a half, hours up to 91 days, days up to six years.
    """
    return next((level for level in LEVELS if span <= points * level.width), WEEK)
