"""Events in the operational store: appended here once each, moved to the warehouse later."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Event
from monitoring_pipeline.store.tables import events

__all__ = ["insert_events"]


def insert_events(connection: Connection, found: Sequence[Event]) -> int:
    """Appends events, except those that are there already by their key; answers how many were new."""
    rows = [
        {
            "key": event.identity, "source": event.source, "check_id": event.check, "kind": event.kind,
            "subject": event.subject, "at": to_us(event.at), "severity": event.severity.value, "text": event.text,
            "detail": json.dumps(dict(event.detail), ensure_ascii=False, default=str, separators=(",", ":")),
        }
        for event in found
    ]  # fmt: skip
    if not rows:
        return 0
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(events).on_conflict_do_nothing(index_elements=["key"]).returning(events.c.id)
    return sum(connection.execute(statement, row).first() is not None for row in rows)
