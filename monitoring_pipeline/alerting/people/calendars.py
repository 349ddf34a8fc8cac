"""Reads iCalendar files: the events between two moments. A file is read again when it has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from monitoring_pipeline.alerting.people.wall import moment

__all__ = ["Span", "fault", "spans", "stamp"]

log = structlog.get_logger(__name__)

_DAY = timedelta(days=1)
_MOST_BYTES = 10_000_000
_MOST_FILES = 256


@dataclass(frozen=True, slots=True)
class Span:
    """One event: what its summary says, and its begin and end in UTC."""

    summary: str
    start: datetime
    end: datetime


def stamp(path: Path) -> tuple[int, int] | None:
    """What changes when the file does; None for one that is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def spans(path: Path, zone: str, since: datetime, until: datetime) -> list[Span]:
    """The events that touch [since, until), by begin. Of a file that cannot be read: none, and a line in the log."""
    query = _query(path)
    if query is None:
        return []
    try:
        return _between(query, zone, since, until)
    except Exception as error:
        _complain(path, stamp(path), f"{type(error).__name__}: {error}")
        return []


def fault(path: Path) -> str | None:
    """What is wrong with a calendar file, in a sentence; None when it can be read."""
    try:
        query = _parse(path)
        now = datetime.now(UTC)
        _between(query, "UTC", now, now + 366 * _DAY)
    except OSError as error:
        return f"the calendar file {path} cannot be read: {error.strerror or error}"
    except Exception as error:
        return f"the calendar file {path} is not an iCalendar file (RFC 5545): {error}"
    return None


_read: dict[Path, tuple[tuple[int, int] | None, Any]] = {}
_complained: dict[Path, tuple[int, int] | None] = {}


def _query(path: Path) -> Any:
    seen = stamp(path)
    if path not in _read or _read[path][0] != seen:
        if len(_read) >= _MOST_FILES:
            _read.clear()
        _read[path] = (seen, _parse_or_complain(path, seen))
    return _read[path][1]


def _parse_or_complain(path: Path, seen: tuple[int, int] | None) -> Any:
    try:
        return _parse(path)
    except Exception as error:
        _complain(path, seen, f"{type(error).__name__}: {error}")
        return None


def _complain(path: Path, seen: tuple[int, int] | None, problem: str) -> None:
    if path not in _complained or _complained[path] != seen:
        _complained[path] = seen
        log.error("calendar file ignored", path=str(path), problem=problem)


def _parse(path: Path) -> Any:
    import icalendar
    import recurring_ical_events  # type: ignore[import-untyped]

    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"it has {size} bytes, more than {_MOST_BYTES}")
    return recurring_ical_events.of(icalendar.Calendar.from_ical(path.read_bytes()))


def _between(query: Any, zone: str, since: datetime, until: datetime) -> list[Span]:
    # A day more on both sides: the library compares times without a zone in its own way.
    found = query.between(since - _DAY, until + _DAY)
    events = {span for event in found for span in _span(event, zone) if span.end > since and span.start < until}
    return sorted(events, key=lambda span: (span.start, span.end, span.summary))


def _span(event: Any, zone: str) -> Iterator[Span]:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    start, end = moment(event.start, zone), moment(event.end, zone)
    if end > start:
        yield Span(str(event.get("SUMMARY", "")).strip(), start, end)
