"""Recurrence rules (RFC 5545) on the wall clock of a time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring_pipeline.alerting.people.wall import moment, on_wall, shown

__all__ = ["begins", "check_rule"]

_UNITS = {"HOURLY": timedelta(hours=1), "DAILY": timedelta(days=1), "WEEKLY": timedelta(days=7)}
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")


def check_rule(rule: str, start: datetime, zone: str) -> None:
    """Raises ValueError with what is wrong with a rule, or when it never happens."""
    try:
        first = next(iter(_parsed(rule, shown(zone, moment(start, zone)), zone)), None)
    except Exception as error:
        raise ValueError(
            f"rrule: {rule!r} is not a recurrence rule ({error}); one such as FREQ=MONTHLY;BYDAY=1SU is wanted"
        ) from None
    if first is None:
        raise ValueError(f"rrule: {rule!r} never happens")


def begins(rule: str, start: datetime, zone: str, since: datetime) -> Iterator[datetime]:
    """When a rule happens, from `since` on, in UTC. `start` is its first candidate; naive: on the wall."""
    first, wanted = shown(zone, moment(start, zone)), shown(zone, since)
    for local in _parsed(rule, _nearer(_parts(rule), first, wanted), zone):
        at = on_wall(zone, local)
        if at >= since:
            yield at


def _parts(rule: str) -> dict[str, str]:
    text = rule.strip().upper().removeprefix("RRULE:")
    if "\n" in text or "DTSTART" in text:
        raise ValueError("it is one RRULE without DTSTART, which is what `start` is for")
    return {name: value for name, _, value in (part.partition("=") for part in text.split(";") if part)}


def _parsed(rule: str, start: datetime, zone: str) -> Any:
    from dateutil.rrule import rrulestr

    parts = _parts(rule)
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValueError(f"FREQ is one of {', '.join(_FREQUENCIES)}")
    if int(parts.get("INTERVAL", "1")) < 1:
        raise ValueError("INTERVAL is at least 1")
    if "UNTIL" in parts:
        parts["UNTIL"] = _until(parts["UNTIL"], zone)
    return rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=start)


def _until(text: str, zone: str) -> str:
    """The end on the wall: RFC 5545 wants it in UTC, and the library in the same clock as the begin."""
    found = _UNTIL.fullmatch(text)
    if found is None:
        raise ValueError("UNTIL is written like 20261231T220000Z")
    day, at, utc = found.groups()
    if not utc:
        return f"{day}T{at or '235959'}"
    end = datetime.strptime(f"{day}{at}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return shown(zone, end).strftime("%Y%m%dT%H%M%S")


def _nearer(parts: dict[str, str], start: datetime, wanted: datetime) -> datetime:
    """A later start of the same rule, so that years of hours need not be gone through."""
    unit = _UNITS.get(parts["FREQ"])
    if unit is None or "COUNT" in parts:
        return start
    stride = unit * int(parts.get("INTERVAL", "1"))
    return start + max(0, (wanted - start) // stride - 2) * stride
