"""Maintenance windows of the configuration: which one is open around a source, and what comes next.

The answer is asked for every open alert every few seconds, so what is known of a window is kept until it
changes. Windows that people open by command are silences of their own kind, not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

from monitoring_pipeline.alerting.people import calendars
from monitoring_pipeline.alerting.people.recurrence import begins
from monitoring_pipeline.alerting.people.wall import moment
from monitoring_pipeline.alerting.spec import MaintenanceSpec
from monitoring_pipeline.deadlines import last_due, next_due
from monitoring_pipeline.records import Source

__all__ = ["Window", "active", "between", "next_change", "problems", "upcoming"]

_FOREVER = datetime.max.replace(tzinfo=UTC)
# A calendar file is looked along for so long at a time.
_HORIZON = timedelta(days=35)
_FARTHEST = timedelta(days=800)
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which sources may be away."""

    name: str
    start: datetime
    end: datetime


def active(maintenance: Iterable[MaintenanceSpec], source: Source, now: datetime) -> Window | None:
    """The window that is open around a source, the one that ends last if there are several."""
    found = [window for spec in maintenance if (window := _known(spec, now).window) and spec.sources.admits(source)]
    return max(found, key=lambda window: window.end, default=None)


def next_change(maintenance: Iterable[MaintenanceSpec], now: datetime) -> datetime | None:
    """When the next window opens or closes, at the latest; None when none ever will."""
    nearest = min((_known(spec, now).until for spec in maintenance), default=_FOREVER)
    return None if nearest == _FOREVER else nearest


def upcoming(spec: MaintenanceSpec, now: datetime, limit: int = 10) -> list[Window]:
    """The window that is open and those that come, by begin, at most `limit` of the next two years."""
    found: list[Window] = []
    for window in _windows(spec, now, _FARTHEST):
        if len(found) >= limit or window.start > now + _FARTHEST:
            break
        if window.end > now:
            found.append(window)
    return found


def between(specs: Iterable[MaintenanceSpec], source: Source, start: datetime, end: datetime) -> list[Window]:
    """The windows around a source that touch [start, end), as the configuration has them today."""
    return [
        window
        for spec in specs
        if spec.sources.admits(source)
        for window in takewhile(lambda each: each.start < end, _windows(spec, start, end - start))
        if window.end > start
    ]


def problems(spec: MaintenanceSpec) -> list[str]:
    """What keeps a window from ever opening, in sentences: a calendar file that is missing or broken."""
    fault = None if spec.calendar is None else calendars.fault(spec.calendar)
    return [] if fault is None else [f"maintenance {spec.name}: {fault}"]


# -- what is kept ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Known:
    """What holds from `since` on and before `until`."""

    spec: MaintenanceSpec
    stamp: tuple[int, int] | None
    since: datetime
    until: datetime
    window: Window | None


_kept: dict[int, _Known] = {}


def _known(spec: MaintenanceSpec, now: datetime) -> _Known:
    stamp = None if spec.calendar is None else calendars.stamp(spec.calendar)
    known = _kept.get(id(spec))
    if known is None or known.spec is not spec or known.stamp != stamp or not known.since <= now < known.until:
        if len(_kept) >= _MOST:
            _kept.clear()
        known = _kept[id(spec)] = _look(spec, stamp, now)
    return known


def _look(spec: MaintenanceSpec, stamp: tuple[int, int] | None, now: datetime) -> _Known:
    horizon = _FOREVER if spec.calendar is None else now + _HORIZON
    opened: Window | None = None
    for window in _windows(spec, now, _HORIZON):
        if window.start > now:
            horizon = min(horizon, window.start)
            break
        if window.end > now and (opened is None or window.end >= opened.end):
            opened = window
    return _Known(spec, stamp, now, horizon if opened is None else min(horizon, opened.end), opened)


# -- the four ways to say it -------------------------------------------------------------------------


def _windows(spec: MaintenanceSpec, now: datetime, reach: timedelta) -> Iterator[Window]:
    """The windows by begin, from some that are over or open to those that come."""
    length = spec.duration or timedelta()
    if spec.calendar is not None:
        return _from_calendar(spec, spec.calendar, now, now + reach)
    if spec.cron is not None:
        starts = _by_cron(spec.cron, spec.timezone, now)
    elif spec.rrule is not None and spec.start is not None:
        starts = begins(spec.rrule, spec.start, spec.timezone, now - length)
    else:
        return _once(spec)
    return (Window(spec.name, start, start + length) for start in starts)


def _once(spec: MaintenanceSpec) -> Iterator[Window]:
    if spec.start is not None and spec.end is not None:
        yield Window(spec.name, moment(spec.start, spec.timezone), moment(spec.end, spec.timezone))


def _by_cron(expression: str, zone: str, now: datetime) -> Iterator[datetime]:
    """From the newest begin on: of windows of one length it is the one that ends last."""
    start = last_due(expression, zone, now) or next_due(expression, zone, now)
    while start is not None:
        yield start
        start = next_due(expression, zone, start)


def _from_calendar(spec: MaintenanceSpec, path: Path, since: datetime, until: datetime) -> Iterator[Window]:
    at = since
    while at < until:
        for span in calendars.spans(path, spec.timezone, at, min(at + _HORIZON, until)):
            if span.start >= at or at == since:  # an earlier one was told with the stretch in which it began
                yield Window(f"{spec.name}: {span.summary}" if span.summary else spec.name, span.start, span.end)
        at += _HORIZON
