"""Days, weeks and months on the wall clock of a time zone. A week begins on Monday; a day may have 23 or 25 hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

__all__ = ["Kind", "Period", "period_before", "period_of"]

Kind = Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True)
class Period:
    """One day, week or month: its first day and the first day after it, on the wall clock of `zone`."""

    kind: Kind
    first: date
    after: date
    zone: str = "UTC"

    @property
    def start(self) -> datetime:
        """Its beginning, in UTC."""
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """Its end, in UTC; that moment is not in it."""
        return _midnight(self.after, self.zone)

    @property
    def name(self) -> str:
        """What sorts and what nobody mistakes: `2026-11-29`, `2026-W48`, `2026-11`."""
        if self.kind == "week":
            year, week, _ = self.first.isocalendar()
            return f"{year}-W{week:02d}"
        return f"{self.first:%Y-%m}" if self.kind == "month" else f"{self.first:%Y-%m-%d}"

    @property
    def title(self) -> str:
        """What people say: `Sunday, 29 November 2026`, `23 to 29 November 2026 (week 48)`, `November 2026`."""
        if self.kind == "month":
            return f"{self.first:%B %Y}"
        if self.kind == "day":
            return f"{self.first:%A}, {self.first.day} {self.first:%B %Y}"
        last = self.after - timedelta(days=1)
        begin = f"{self.first.day}"
        if last.month != self.first.month:
            begin += f"{self.first: %B}" if last.year == self.first.year else f"{self.first: %B %Y}"
        return f"{begin} to {last.day} {last:%B %Y} (week {self.first.isocalendar().week})"

    def before(self) -> Period:
        """The period that ended where this one begins."""
        return period_of(self.kind, self.first - timedelta(days=1), self.zone)


def period_of(kind: Kind, day: date, zone: str = "UTC") -> Period:
    """The period of a kind that holds a day."""
    if kind == "day":
        return Period(kind, day, day + timedelta(days=1), zone)
    if kind == "week":
        monday = day - timedelta(days=day.weekday())
        return Period(kind, monday, monday + timedelta(days=7), zone)
    first = day.replace(day=1)
    return Period(kind, first, (first + timedelta(days=32)).replace(day=1), zone)


def period_before(kind: Kind, now: datetime, zone: str = "UTC") -> Period:
    """The last period of a kind that is over."""
    return period_of(kind, now.astimezone(ZoneInfo(zone)).date(), zone).before()


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
