"""The four levels: how wide their buckets are, what their tables are called, which one a question reads.

Buckets are of UTC, so each is as long as the next whatever clocks on walls do; weeks begin on Monday.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_pipeline.clock import EPOCH

__all__ = ["BUILT", "DAY", "HOUR", "LEVELS", "MINUTE", "WEEK", "Level", "level_for"]

_MONDAY = EPOCH + timedelta(days=4)
_POINTS = 2200


@dataclass(frozen=True, slots=True)
class Level:
    """One width of buckets. `name` is also what SQL's date_trunc calls it."""

    name: str
    width: timedelta

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


MINUTE = Level("minute", timedelta(minutes=1))
HOUR = Level("hour", timedelta(hours=1))
DAY = Level("day", timedelta(days=1))
WEEK = Level("week", timedelta(weeks=1))
LEVELS = (MINUTE, HOUR, DAY, WEEK)
"""From fine to coarse."""

BUILT = (DAY, HOUR, MINUTE)
"""The levels that are built from rows, in that order: fences come from the days before. Weeks are merged days."""


def level_for(span: timedelta, points: int = _POINTS) -> Level:
    """The finest level that has at most `points` buckets in `span`; weeks when none has.

    With the default that is minutes up to a day and a half, hours up to 91 days, days up to six years.
    """
    return next((level for level in LEVELS if span <= points * level.width), WEEK)
