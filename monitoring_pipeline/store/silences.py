"""Silences and maintenance announced by people: what mutes alerts, from when, until when, and who said so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, func, insert, or_, select, update

from monitoring_pipeline.clock import from_us, from_us_or_none, to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.store.tables import silences

__all__ = ["Silence", "SilenceKind", "active", "add", "end", "find", "get", "next_change"]


_NEXT = select(
    *(
        func.min(case((column > bindparam("after"), column)))
        for column in (silences.c.created, silences.c.starts, silences.c.ends)
    )
)


class SilenceKind(StrEnum):
    """silence: mutes. maintenance: mutes, and the time does not count."""

    SILENCE = "silence"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Silence:
    """What mutes alerts. `matchers` are the fields of an alert matcher; without `ends` it lasts until ended."""

    id: int
    kind: SilenceKind
    matchers: Mapping[str, Any]
    author: str
    reason: str
    created: datetime
    starts: datetime
    ends: datetime | None = None
    ended_by: str = ""

    def is_active(self, now: datetime) -> bool:
        """Whether it mutes now."""
        return self.starts <= now and (self.ends is None or now < self.ends)


def add(
    connection: Connection,
    kind: SilenceKind,
    matchers: Mapping[str, Any],
    *,
    author: str,
    reason: str,
    now: datetime,
    starts: datetime | None = None,
    ends: datetime | None = None,
) -> Silence:
    """Adds one, from now on by default. Raises ValueError when it would end before it starts."""
    begin = starts or now
    if ends is not None and ends <= begin:
        raise ValueError(f"it would end at {ends:%Y-%m-%d %H:%M:%S} UTC, before it starts")
    row = {
        "kind": kind.value, "matchers": json.dumps(dict(matchers), ensure_ascii=False, sort_keys=True),
        "author": author, "reason": reason, "created": to_us(now), "starts": to_us(begin),
        "ends": None if ends is None else to_us(ends), "ended_by": "",
    }  # fmt: skip
    added = connection.execute(insert(silences).values(row)).inserted_primary_key
    assert added is not None  # noqa: S101 - one row was inserted
    return get(connection, added[0])


def end(connection: Connection, silence_id: int, by: str, now: datetime) -> bool:
    """Ends one now, also one that has not begun; False when it was over. Raises NotFound."""
    found = get(connection, silence_id)
    if found.ends is not None and found.ends <= now:
        return False
    connection.execute(update(silences).where(silences.c.id == silence_id).values(ends=to_us(now), ended_by=by))
    return True


def get(connection: Connection, silence_id: int) -> Silence:
    """One by its id. Raises NotFound."""
    found = _silences(connection, select(silences).where(silences.c.id == silence_id))
    if not found:
        newest = connection.execute(select(silences.c.id).order_by(silences.c.id.desc()).limit(20)).scalars()
        raise NotFound("silence", str(silence_id), [str(each) for each in newest])
    return found[0]


def find(
    connection: Connection, *, kind: SilenceKind | None = None, over_since: datetime | None = None, limit: int = 200
) -> list[Silence]:
    """All of them, the newest first; with `over_since` only those that were not over at that moment."""
    query = select(silences).order_by(silences.c.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(silences.c.kind == kind.value)
    if over_since is not None:
        query = query.where(or_(silences.c.ends.is_(None), silences.c.ends > to_us(over_since)))
    return _silences(connection, query)


def active(connection: Connection, now: datetime, kind: SilenceKind | None = None) -> list[Silence]:
    """Those that mute now, oldest first."""
    moment = to_us(now)
    query = (
        select(silences)
        .where(silences.c.starts <= moment, or_(silences.c.ends.is_(None), silences.c.ends > moment))
        .order_by(silences.c.id)
    )
    return _silences(connection, query if kind is None else query.where(silences.c.kind == kind.value))


def next_change(connection: Connection, since: datetime) -> datetime | None:
    """The first moment after `since` at which one was added, begins or ends."""
    moments = connection.execute(_NEXT, {"after": to_us(since)}).one()
    first = min((moment for moment in moments if moment is not None), default=None)
    return from_us_or_none(first)


def _silences(connection: Connection, query: Select[Any]) -> list[Silence]:
    return [
        Silence(
            row.id, SilenceKind(row.kind), json.loads(row.matchers), row.author, row.reason, from_us(row.created),
            from_us(row.starts), from_us_or_none(row.ends), row.ended_by,
        )
        for row in connection.execute(query)
    ]  # fmt: skip
