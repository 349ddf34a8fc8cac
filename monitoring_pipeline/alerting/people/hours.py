"""Times of day on the wall clock: whether hours are kept now, and how long somebody is not to be disturbed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache

from monitoring_pipeline.alerting.people.wall import DAYS, on_wall, shown
from monitoring_pipeline.alerting.spec import Hours, QuietHours
from monitoring_pipeline.records import Severity

__all__ = ["quiet", "within"]

# Quiet hours without an end are looked along for so long; whoever is quiet for longer is asked again then.
_LONGEST = timedelta(days=8)


def within(hours: Sequence[Hours], default_zone: str, now: datetime) -> bool:
    """Whether `now` lies in one of the hours; without any hours it always does."""
    return not hours or any(start <= now < end for each in hours for start, end in _around(each, default_zone, now))


def quiet(hours: Sequence[QuietHours], zone: str, severity: Severity, now: datetime) -> datetime | None:
    """Until when something of this severity is not told, None when it is told at once.

    Hours that touch or overlap count as one.
    """
    silent = [each for each in hours if severity.rank < each.above.rank]
    until = now
    while until < now + _LONGEST:
        ends = [end for each in silent for start, end in _around(each, zone, until) if start <= until < end]
        if not ends:
            break
        until = max(ends)
    return until if until > now else None


def _around(hours: Hours, default_zone: str, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The stretches of these hours that may contain `now`."""
    zone = hours.timezone or default_zone
    today = shown(zone, now).date()
    for back in (-1, 0, 1):  # clocks that run back at midnight show the day before once more
        day = today - timedelta(days=back)
        if not hours.days or DAYS[day.weekday()] in hours.days:
            yield _stretch(hours.start, hours.end, zone, datetime.combine(day, time()))


@lru_cache(maxsize=4096)
def _stretch(start: time, end: time, zone: str, day: datetime) -> tuple[datetime, datetime]:
    last = day if end > start else day + timedelta(days=1)
    return (
        on_wall(zone, datetime.combine(day, start)),
        on_wall(zone, datetime.combine(last, end)),
    )
