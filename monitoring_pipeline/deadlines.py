"""Looks along a cron expression in its own time zone: when was something due last, when is it next?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

__all__ = ["Cron", "Zone", "check_cron", "check_zone", "last_due", "next_due"]

# Around a change of the clocks, local time runs back or jumps by no more than this.
_SHIFT = timedelta(hours=3)


def check_cron(expression: str) -> str:
    """The expression itself. Raises ValueError with what is allowed."""
    from cronsim import CronSim, CronSimError

    try:
        CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"not a cron expression ({error}); five fields are wanted, such as: 30 6 * * *") from None
    return expression


def check_zone(name: str) -> str:
    """The name of the time zone itself. Raises ValueError for an unknown one."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; a name such as Europe/Berlin is wanted") from None
    return name


Cron = Annotated[str, AfterValidator(check_cron)]
"""A cron expression as a field of the YAML."""
Zone = Annotated[str, AfterValidator(check_zone)]
"""The name of a time zone as a field of the YAML."""


@lru_cache(maxsize=4096)
def last_due(expression: str, zone: str, moment: datetime) -> datetime | None:
    """The newest moment of the expression at or before `moment`, both aware UTC; None when there is none.

    As with cron itself, a time that the clocks skip in spring is due when they have jumped, and one
    that they show twice in autumn is due the first time, once.
    """
    for due in _backwards(expression, zone, moment):
        if due <= moment:
            return due
    return None


@lru_cache(maxsize=4096)
def next_due(expression: str, zone: str, moment: datetime) -> datetime | None:
    """The first moment of the expression after `moment`, both aware UTC; None when there is none."""
    from cronsim import CronSim

    # In the doubled hour cronsim starts with the hour's first showing, which has passed.
    for local in CronSim(expression, moment.astimezone(ZoneInfo(zone))):
        due: datetime = local.astimezone(UTC)
        if due > moment:
            return due
    return None


def _backwards(expression: str, zone: str, moment: datetime) -> Iterator[datetime]:
    from cronsim import CronSim

    local = ZoneInfo(zone)
    # cronsim compares times on the wall, and in the doubled hour those are smaller than an hour ago.
    changing = _offset(moment - _SHIFT, local) != _offset(moment + _SHIFT, local)
    start = moment.replace(microsecond=0) + timedelta(seconds=1) + (_SHIFT if changing else timedelta())
    for due in CronSim(expression, start.astimezone(local), reverse=True):
        yield due.astimezone(UTC)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
