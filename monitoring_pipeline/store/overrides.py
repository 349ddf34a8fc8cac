"""Who stands in for whom by command, in the table `overrides`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.store.tables import overrides

__all__ = ["Override", "add_override", "end_override", "list_overrides"]


@dataclass(frozen=True, slots=True)
class Override:
    """`person` is on call for `rota` from `start` to `end`, whoever's turn it is."""

    rota: str
    person: str
    start: datetime
    end: datetime
    author: str = ""
    reason: str = ""
    created: datetime | None = None
    id: int = 0


def add_override(connection: Connection, override: Override, now: datetime) -> int:
    """Keeps an override; its id. Raises ValueError when it ends before it begins."""
    if override.end <= override.start:
        raise ValueError("an override ends after it begins")
    values = {
        "rota": override.rota, "person": override.person, "starts": to_us(override.start), "ends": to_us(override.end),
        "author": override.author, "reason": override.reason, "created": to_us(now),
    }  # fmt: skip
    return int(connection.execute(insert(overrides).values(values).returning(overrides.c.id)).scalar_one())


def end_override(connection: Connection, override_id: int, now: datetime) -> bool:
    """Ends an override now; one that has not begun never will. False when it was over. Raises NotFound."""
    row = connection.execute(select(overrides).where(overrides.c.id == override_id)).one_or_none()
    if row is None:
        known = connection.execute(select(overrides.c.id).order_by(overrides.c.id.desc()).limit(20)).scalars()
        raise NotFound("override", str(override_id), [str(each) for each in known])
    end = max(to_us(now), row.starts)
    if row.ends <= end:
        return False
    connection.execute(update(overrides).where(overrides.c.id == override_id).values(ends=end))
    return True


def list_overrides(
    connection: Connection,
    *,
    rota: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Override]:
    """Overrides that are in force at some time from `since` on and before `until`, oldest first.

    Those that were ended before they began are left out.
    """
    query = select(overrides).where(overrides.c.ends > overrides.c.starts).order_by(overrides.c.id)
    if rota is not None:
        query = query.where(overrides.c.rota == rota)
    if since is not None:
        query = query.where(overrides.c.ends > to_us(since))
    if until is not None:
        query = query.where(overrides.c.starts < to_us(until))
    return [_override(row) for row in connection.execute(query)]


def _override(row: Any) -> Override:
    return Override(
        row.rota, row.person, from_us(row.starts), from_us(row.ends), row.author, row.reason, from_us(row.created),
        row.id,
    )  # fmt: skip
