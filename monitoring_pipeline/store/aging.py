"""Deletes alerts, notifications and decisions that have been kept long enough.

In small transactions, so that checks never wait long to write theirs. What is open, or still to be sent, stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, or_, select

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store import channels, outbox
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import (
    alerts,
    audit,
    decisions,
    escalations,
    memberships,
    notification_alerts,
    overrides,
    silences,
    transitions,
)

__all__ = ["expire_alerts"]

_BATCH_ROWS = 2_000
_UNFIRED = timedelta(days=7)


def expire_alerts(store: OperationalStore, retention: timedelta, now: datetime) -> dict[str, int]:
    """Deletes what ended longer than `retention` ago, alerts that never fired after a week; rows per table."""
    cutoff, unfired = to_us(now - retention), to_us(now - min(_UNFIRED, retention))
    over = and_(
        alerts.c.open_key.is_(None),
        or_(alerts.c.resolved < cutoff, and_(alerts.c.fired.is_(None), alerts.c.resolved < unfired)),
    )
    return {
        "alerts": _expire(store, alerts, over, (transitions, decisions, memberships, notification_alerts), "alert_id"),
        "notifications": _expire_letters(store, now - retention),
        "escalations": _expire(
            store, escalations, and_(escalations.c.open_key.is_(None), escalations.c.changed < cutoff)
        ),
        "decisions": _expire(store, decisions, and_(decisions.c.alert_id.is_(None), decisions.c.at < cutoff)),
        "silences": _expire(store, silences, silences.c.ends < cutoff),
        "overrides": _expire(store, overrides, overrides.c.ends < cutoff),
        "audit": _expire(store, audit, audit.c.at < cutoff),
    }


def _expire_letters(store: OperationalStore, before: datetime) -> int:
    deleted, count = 0, _BATCH_ROWS
    while count == _BATCH_ROWS:
        with store.write() as connection:
            count = outbox.expire(connection, before, _BATCH_ROWS)
            channels.forget_references(connection, before)
        deleted += count
    return deleted


def _expire(
    store: OperationalStore, table: Table, old: ColumnElement[bool], belonging: Sequence[Table] = (), key: str = ""
) -> int:
    deleted = 0
    while True:
        with store.write() as connection:
            ids = list(connection.execute(select(table.c.id).where(old).limit(_BATCH_ROWS)).scalars())
            for each in belonging:
                _delete(connection, each, key, ids)
            _delete(connection, table, "id", ids)
        deleted += len(ids)
        if len(ids) < _BATCH_ROWS:
            return deleted


def _delete(connection: Connection, table: Table, column: str, ids: Sequence[int]) -> None:
    if ids:
        connection.execute(delete(table).where(table.c[column].in_(ids)))
