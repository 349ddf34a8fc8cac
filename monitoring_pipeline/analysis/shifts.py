"""New levels looked at again once it shows whether they stayed: each is confirmed or withdrawn, once.

A level is called while values come. Some hours later the values of before and after are there without their season,
and change points tell (`detection.confirm_shift`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from monitoring_pipeline.analysis.calendars import DAY_US, HOUR_US, THURSDAY, Calendar, Moments
from monitoring_pipeline.analysis.detection import Levels, confirm_shift
from monitoring_pipeline.analysis.seasons import find_season
from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey
from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.records import Event
from monitoring_pipeline.store import scores
from monitoring_pipeline.store.anomalies import CONFIRMED, WITHDRAWN, StrangeRow, strange_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["look_back", "without_season"]

_RECENT, _LATER = timedelta(days=2), timedelta(hours=6)
_FEWEST_SINCE = 24
_WEEK_H = 24 * 7
_About: TypeAlias = tuple[str, str, str]


def look_back(history: DuckDBPyConnection, calendar: Calendar, now: datetime) -> list[Event]:
    """What became of the levels that were called in the last two days, of those that have six hours and 24 values
    since, and no verdict yet. Needs the views `samples`, from four weeks ago on, and `events`."""
    rows = strange_rows(history)
    judged = {(_about(row), row.detail["began"]) for row in rows if row.kind in (CONFIRMED, WITHDRAWN)}
    called: dict[_About, list[StrangeRow]] = defaultdict(list)
    for row in rows:
        recent = row.kind == "level_shift" and now - _RECENT <= row.at <= now - _LATER
        if recent and (_about(row), row.at.isoformat()) not in judged:
            called[_about(row)].append(row)
    return list(_verdicts(history, calendar, called, now)) if called else []


def _verdicts(
    history: DuckDBPyConnection, calendar: Calendar, called: Mapping[_About, Sequence[StrangeRow]], now: datetime
) -> Iterator[Event]:
    wanted = [known for known in scores.series_in(history) if _named(known) in called]
    for points in scores.points_of(history, wanted, now):
        for place in np.unique(points.series).tolist():
            own = np.flatnonzero(points.series == place)
            order = own[np.argsort(points.time[own], kind="stable")]
            for row in called[_named(wanted[place])]:
                levels = _levels(points.time[order], points.value[order], to_us(row.at), calendar)
                if levels is not None:
                    yield _verdict(row, levels, wanted[place].unit, now)


def _levels(times: Moments, values: Floats, at: int, calendar: Calendar) -> Levels | None:
    since = int(np.searchsorted(times, at))
    if not since or len(times) - since < _FEWEST_SINCE:
        return None
    return confirm_shift(without_season(times, values, since, calendar), since)


def _verdict(called: StrangeRow, levels: Levels, unit: str, now: datetime) -> Event:
    metric, shown = called.subject.partition(" {")[0], f" {unit}" if unit else ""
    before, after = f"{levels.before:.4g}{shown}", f"{levels.after:.4g}{shown}"
    if levels.confirmed:
        kind, text = CONFIRMED, f"{metric} has stayed at its new level, {after} after {before}"
    else:
        kind, text = WITHDRAWN, f"{metric} has no new level, seen with hindsight: {after} after {before}"
    detail = {"began": called.at.isoformat(), "before": levels.before, "after": levels.after, "unit": unit}
    # One verdict of each, whichever came first.
    once = Event(called.source, "level_shift_verdict", called.subject, called.at, "", check=called.check).identity
    return Event(called.source, kind, called.subject, now, text, check=called.check, detail=detail, key=once)


def without_season(times: Moments, values: Floats, until: int, calendar: Calendar) -> Floats:
    """Values without what the hour of the week adds, as far as those before the place `until` show it.

    `times` ascend, in microseconds. Less than three days show nothing.
    """
    first = int(times[0]) // HOUR_US
    hours = times[:until] // HOUR_US - first
    hourly = np.full(int(hours[-1]) + 1, np.nan)
    bounds = np.flatnonzero(np.diff(hours, prepend=-1, append=np.inf))
    for begin, end in pairwise(bounds.tolist()):
        hourly[hours[begin]] = np.median(values[begin:end])
    grid = Grid((SeriesKey("", ""),), from_us(first * HOUR_US), timedelta(hours=1), hourly[None, :], calendar)
    # What an hour has holds in its middle.
    local = calendar.local(times)
    day = local // DAY_US
    hour = (calendar.weekdays(day) - THURSDAY) % 7 * 24 + (local - day * DAY_US) / HOUR_US - 0.5
    return np.asarray(values - np.interp(hour, np.arange(_WEEK_H), find_season(grid).profile[0], period=_WEEK_H))


def _about(row: StrangeRow) -> _About:
    return row.source, row.check, row.subject


def _named(known: scores.Known) -> _About:
    """What events about a series are about."""
    return known.source, known.check, (known.metric + (f" {known.tags}" if known.tags != "{}" else ""))[:400]
