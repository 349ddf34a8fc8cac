"""The `freshness` kind: how old is the newest row, file or heartbeat, and should there be a newer one?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.clock import Duration, format_duration, from_us
from monitoring_pipeline.deadlines import Cron, Zone, last_due
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.reach.database import DatabaseUrl, ask, bring_in
from monitoring_pipeline.reach.files import scan
from monitoring_pipeline.reach.threads import in_thread
from monitoring_pipeline.records import CheckType

__all__ = ["FreshnessCheck"]

_NAME = r'(?:[A-Za-z_][\w$]*|"[^"\x00]+"|`[^`\x00]+`)'
_MAX_FILES = 100_000
_MAX_BEATS = 200
_AHEAD = timedelta(minutes=1)
# Numbers count seconds, milliseconds, microseconds or nanoseconds since 1970: told apart by size.
_UNITS = ((10**11, 1), (10**14, 1_000), (10**17, 1_000_000), (10**20, 1_000_000_000))


class FreshnessCheck(Check):
    """Finds the newest moment of a table's column, of files, or of a heartbeat, and whether it is too old.

    With `max_age`, the newest moment may be so old. With `deadline`, a cron expression in
    `deadline_timezone`, something new must have come by each of its moments, `grace` later at most.
    New is what came after the deadline before (and its grace), or, with `window`, no earlier than
    so long before the deadline: a load that came hours late does not count for the next day then.

    Values: `age_s`, `newest` (ISO, UTC), `late`, `on_time`, `overdue_s` (0 when on time), with a
    database also `response_time_ms`. Being late is critical unless conditions say otherwise. No row
    and no file at all is critical; a heartbeat that never came is unknown. Moments without a time
    zone are read in `column_timezone`; numbers count from 1970.
    """

    kind: Literal["freshness"]
    type: CheckType = Field(CheckType.DATA_QUALITY, description="What the check is about.")
    url: DatabaseUrl | None = Field(None, description="The database, as in a `sql` check.")
    table: str | None = Field(None, pattern=rf"^{_NAME}(\.{_NAME}){{0,2}}$", description="The table to look into.")
    column: str | None = Field(None, pattern=rf"^{_NAME}$", description="The column that holds the moments.")
    query: str | None = Field(None, min_length=1, description="A query for the newest moment, instead of a table.")
    column_timezone: Zone = Field("UTC", description="Time zone of moments that bear none.")
    path: str | None = Field(None, min_length=1, description="A file, a folder or a glob: the newest file counts.")
    heartbeat: str | None = Field(
        None, pattern=r"^[\w.-]+/[\w.-]+$", description="A heartbeat check, `source/check`: its newest success counts."
    )
    max_age: Duration | None = Field(None, description="How old the newest moment may be.")
    deadline: Cron | None = Field(None, description="When something new must have come, as a cron expression.")
    deadline_timezone: Zone = Field("UTC", description="The time zone in which `deadline` is read.")
    grace: Duration = Field(timedelta(0), description="How much later than the deadline is still in time.")
    window: Duration | None = Field(None, description="How long before a deadline something counts as new.")

    metrics: ClassVar[Mapping[str, str]] = {"age_s": "s", "overdue_s": "s", "response_time_ms": "ms"}
    default_conditions: ClassVar[tuple[str, ...]] = ("overdue_s == 0",)

    @model_validator(mode="after")
    def _looks_at_one_thing(self) -> FreshnessCheck:
        if [self.url, self.path, self.heartbeat].count(None) != 2:
            raise ValueError("give exactly one of url (with table and column, or query), path, heartbeat")
        by_table = self.table is not None and self.column is not None
        if self.url is not None and by_table == (self.query is not None):
            raise ValueError("with url give either table and column, or query")
        if self.url is None and (self.table or self.column or self.query):
            raise ValueError("table, column and query belong to url")
        if self.max_age is None and self.deadline is None:
            raise ValueError("give max_age, or deadline with its grace, or both")
        return self

    def references(self) -> tuple[str, ...]:
        """Keys that the configuration must know."""
        return (self.heartbeat,) if self.heartbeat is not None else ()

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        if self.url is not None:
            bring_in(self.url)

    async def probe(self, context: ProbeContext) -> Probe:
        """See the class."""
        found = await self._newest(context)
        age = context.now - found.newest
        late_by, due = self._late_by(found.newest, context.now)
        values: dict[str, Any] = {
            "age_s": age.total_seconds(),
            "newest": found.newest.isoformat(),
            "late": late_by > timedelta(0),
            "on_time": late_by <= timedelta(0),
            "overdue_s": late_by.total_seconds(),
            **found.values,
        }
        details = {"newest": found.newest.isoformat(), "of": found.what}
        if due is not None:
            details["deadline"] = due.isoformat()
        ahead = f"the newest moment of {found.what} lies {format_duration(-age)} in the future" if age < -_AHEAD else ""
        return Probe(values, details=details, warnings=(ahead,) if ahead else ())

    def _late_by(self, newest: datetime, now: datetime) -> tuple[timedelta, datetime | None]:
        """How long something newer has been missing, and the deadline that counts."""
        late = [timedelta(0)]
        if self.max_age is not None:
            late.append(now - newest - self.max_age)
        due = self._due(now)
        if due is not None and newest < self._counts_from(due):
            late.append(now - due)
        return max(late), due

    def _due(self, now: datetime) -> datetime | None:
        """The newest deadline whose grace has run out."""
        if self.deadline is None:
            return None
        return last_due(self.deadline, self.deadline_timezone, now - self.grace)

    def _counts_from(self, due: datetime) -> datetime:
        """From when on something is new enough for the deadline `due`."""
        if self.window is not None:
            return due - self.window
        before = last_due(self.deadline or "", self.deadline_timezone, due - timedelta(microseconds=1))
        if before is None:
            return due
        # What came within the grace of the deadline before was still meant for that one.
        return before + self.grace if before + self.grace < due else before

    async def _newest(self, context: ProbeContext) -> _Found:
        if self.path is not None:
            return await self._newest_file(self.path)
        if self.heartbeat is not None:
            return await in_thread(self._newest_beat, self.heartbeat, context)
        return await self._newest_row(context)

    async def _newest_file(self, path: str) -> _Found:
        found = await in_thread(scan, path, _MAX_FILES)
        if not found.files:
            raise SourceFailure(f"no files: nothing is found at {path}", reached=True)
        newest = max(found.files, key=lambda file: file.mtime)
        return _Found(from_us(int(newest.mtime * 1_000_000)), newest.path, {"count": len(found.files)})

    def _newest_beat(self, key: str, context: ProbeContext) -> _Found:
        beats = context.facts.beats(key, _MAX_BEATS)
        success = next((beat for beat in beats if beat["signal"] == "success"), None)
        if success is None:
            raise CheckError(f"no success of the heartbeat {key} has arrived yet")
        return _Found(success["at"], f"heartbeat {key}", {})

    async def _newest_row(self, context: ProbeContext) -> _Found:
        assert self.url is not None  # noqa: S101 - the validator allows nothing else
        # Names match a strict pattern, and the transaction cannot write.
        query = self.query or f"SELECT max({self.column}) FROM {self.table}"  # noqa: S608
        answer = await ask(self.url, query, context=context, max_rows=1)
        what = f"{self.table}.{self.column}" if self.table else "the query"
        spent = {"connect_ms": answer.connect_ms, "query_ms": answer.query_ms}
        spent["response_time_ms"] = answer.connect_ms + answer.query_ms
        if answer.first is None or answer.first[0] is None:
            raise SourceFailure(f"no rows: {what} holds no moment", values={"connected": True, **spent}, reached=True)
        return _Found(_moment(answer.first[0], ZoneInfo(self.column_timezone), what), what, spent)


@dataclass(frozen=True, slots=True)
class _Found:
    newest: datetime
    what: str
    values: Mapping[str, Any]


def _moment(value: Any, zone: ZoneInfo, what: str) -> datetime:
    """An aware UTC datetime from what a driver gave. Raises CheckError when it is no moment."""
    if isinstance(value, str):
        value = _parsed(value, what)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), zone).astimezone(UTC)
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = Decimal(str(value))
        unit = next((unit for limit, unit in _UNITS if number.is_finite() and abs(number) < limit), None)
        if unit is not None:
            return from_us(int(number * 1_000_000 / unit))
    raise CheckError(f"{what} holds {str(value)[:50]!r}, which is no moment in time")


def _parsed(text: str, what: str) -> datetime | Decimal:
    if re.fullmatch(r"-?\d+(\.\d+)?", text.strip()) and len(text) > 8:
        return Decimal(text)
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise CheckError(f"{what} holds {text[:50]!r}, which is no moment in time") from None
