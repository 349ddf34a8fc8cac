"""Sources that are in trouble, as the operational store has it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from monitoring_pipeline.records import AlertMode, AlertState, Severity, Status
from monitoring_pipeline.store.tables import alerts, sources

__all__ = ["critical_sources", "serious_alerts"]

_ACTIVE = [state.value for state in AlertState if state.is_active]
_SERIOUS = [severity.value for severity in Severity if severity.rank >= Severity.ERROR.rank]


def critical_sources(connection: Connection) -> list[str]:
    """The ids of sources whose status is critical."""
    return list(connection.execute(select(sources.c.id).where(sources.c.status == Status.CRITICAL.value)).scalars())


def serious_alerts(connection: Connection) -> list[tuple[str, str]]:
    """Source and rule of every open alert that is an error or worse. Those in shadow are of no consequence."""
    query = select(alerts.c.source, alerts.c.rule).where(
        alerts.c.open_key.is_not(None),
        alerts.c.state.in_(_ACTIVE),
        alerts.c.severity.in_(_SERIOUS),
        alerts.c.mode != AlertMode.SHADOW.value,
    )
    return [(row.source, row.rule) for row in connection.execute(query)]
