"""The wall clock of a time zone: from what it shows to the moment that is meant."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["DAYS", "DayTime", "Moment", "moment", "on_wall", "shown"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of the week, as `date.weekday` counts them."""

_SECOND = timedelta(seconds=1)


def on_wall(zone: str, local: datetime) -> datetime:
    """The UTC moment at which the clocks of a zone show a naive time.

    As with cron, a time that the clocks skip in spring is the moment at which they jump, and a time that
    they show twice in autumn is the first of the two.
    """
    clocks = ZoneInfo(zone)
    found = local.replace(tzinfo=clocks, fold=0).astimezone(UTC)
    if found.astimezone(clocks).replace(tzinfo=None) == local:
        return found
    return _jump(clocks, local.replace(tzinfo=clocks, fold=1).astimezone(UTC), found)


def _jump(clocks: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second at which the clocks have the offset they have at `after`."""
    offset = after.astimezone(clocks).utcoffset()
    before, after = before.replace(microsecond=0), after.replace(microsecond=0)
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(clocks).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def shown(zone: str, at: datetime) -> datetime:
    """What the clocks of a zone show, as a naive time."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def moment(value: date | datetime, zone: str) -> datetime:
    """The UTC moment of a time. One without a time zone is on the wall of `zone`, a day means its begin."""
    if not isinstance(value, datetime):
        return on_wall(zone, datetime.combine(value, time()))
    return on_wall(zone, value) if value.tzinfo is None else value.astimezone(UTC)


# -- fields of the YAML ------------------------------------------------------------------------------


def _as_time(value: Any) -> Any:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or ":" not in value:
        raise ValueError("a time of day is written like 22:00")
    return "00:00" if value.strip() in ("24:00", "24:00:00") else value.strip()


def _without_zone(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("a time of day is written without an offset, like 22:00; its time zone goes into `timezone`")
    return value


def _as_moment(value: Any) -> Any:
    if isinstance(value, date | datetime) or (isinstance(value, str) and "-" in value.strip()[1:]):
        return value
    raise ValueError("a moment is written like 2026-05-04T22:00, or with an offset like 2026-05-04T22:00:00+02:00")


DayTime = Annotated[
    time,
    BeforeValidator(_as_time),
    AfterValidator(_without_zone),
    PlainSerializer(lambda value: value.isoformat("auto" if value.second else "minutes"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}(:\d{2})?$", "examples": ["22:00"]}),
]
"""A time of day on the wall clock as a field of the YAML: 22:00. 24:00 is midnight."""
Moment = Annotated[
    datetime,
    BeforeValidator(_as_moment),
    WithJsonSchema({"type": "string", "examples": ["2026-05-04T22:00", "2026-05-04T22:00:00+02:00"]}),
]
"""A moment as a field of the YAML, ISO 8601; without an offset it is on the wall of the time zone beside it."""
