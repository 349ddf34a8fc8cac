"""What the operational store remembers of its hot rows' way into the warehouse, kept in `meta`.

- `store_id`: whose ids they are. A warehouse that outlives its operational store must not take the
  new store's ids for ones it has seen.
- `published`: the watermarks of the published copy, and of the copy before it.
- `expired`: per table the highest id that was deleted. A reader whose copy ends before it has to
  take a newer copy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import meta

__all__ = ["Marks", "mark_expired", "mark_published", "read_marks", "store_id"]


@dataclass(frozen=True, slots=True)
class Marks:
    """`store_id` is None before the first load; ids are 0 where nothing happened yet."""

    store_id: str | None = None
    published: Mapping[str, int] = field(default_factory=dict)
    published_before: Mapping[str, int] = field(default_factory=dict)
    expired: Mapping[str, int] = field(default_factory=dict)


def read_marks(connection: Connection) -> Marks:
    """The marks as the connection's transaction sees them."""
    rows = connection.execute(
        select(meta.c.key, meta.c.value).where(meta.c.key.in_(("store_id", "published", "expired")))
    )
    found: dict[str, Any] = {key: json.loads(value) for key, value in rows}
    published = found.get("published", {})
    return Marks(
        found.get("store_id"), published.get("current", {}), published.get("before", {}), found.get("expired", {})
    )


def store_id(store: OperationalStore) -> str:
    """The id of this operational store, given at the first call."""
    with store.read() as connection:
        known = read_marks(connection).store_id
    if known:
        return known
    with store.write() as connection:
        known = read_marks(connection).store_id
        if known is None:
            known = uuid4().hex
            _put(connection, "store_id", known)
    return known


def mark_published(connection: Connection, watermarks: Mapping[str, int]) -> None:
    """Notes that a copy with these watermarks is in place. Call it after the copy is, never before."""
    before = read_marks(connection).published
    _put(connection, "published", {"current": dict(watermarks), "before": dict(before)})


def mark_expired(connection: Connection, table: str, last_id: int) -> None:
    """Notes, in the transaction that deletes them, that rows up to `last_id` are gone."""
    expired = read_marks(connection).expired
    _put(connection, "expired", {**expired, table: max(last_id, expired.get(table, 0))})


def _put(connection: Connection, key: str, value: Any) -> None:
    connection.execute(delete(meta).where(meta.c.key == key))
    connection.execute(insert(meta).values(key=key, value=json.dumps(value, sort_keys=True)))
