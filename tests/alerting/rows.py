"""Alerts as rows, for tests of what reads and handles them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Alert, AlertState
from monitoring_pipeline.store import alerts
from monitoring_pipeline.store.operational import OperationalStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

_PLAIN: dict[str, Any] = {
    "rule": "api-down", "source": "orders-api", "check_id": "", "component": "web", "severity": "critical",
    "state": "firing", "mode": "active", "started": NOW, "fired": NOW, "acknowledged": None, "acknowledged_by": "",
    "acknowledged_until": None, "resolved": None, "resolution": "", "summary": "Orders API is down",
    "text": "status is critical", "value": 3.0, "count": 1, "flapping": False, "suppressed_by": "", "labels": "{}",
    "annotations": "{}", "clear_since": None, "unknown_since": None, "shift_since": None, "shift_to": None,
    "due": None,
}  # fmt: skip
_MOMENTS = ("started", "fired", "acknowledged", "acknowledged_until", "resolved", "due")


def add_alert(store: OperationalStore, **values: Any) -> Alert:
    """An alert in the store, firing unless told otherwise, with the transition that brought it there."""
    row = {**_PLAIN, **values}
    if row["state"] == "pending":
        row["fired"] = None
    row.setdefault("fingerprint", f"{row['rule']}/{row['source']}")
    row["open_key"] = row["fingerprint"]
    for name in _MOMENTS:
        row[name] = None if row[name] is None else to_us(row[name])
    with store.write() as connection:
        alerts.insert_alerts(connection, [row])
        if row["state"] == "resolved":
            alerts.set_state(connection, row["id"], open_key=None)
        begun = {
            "alert_id": row["id"], "at": row["fired"] or row["started"], "before": None, "after": row["state"],
            "severity": row["severity"], "reason": "fired", "text": row["text"], "by": "", "handled": None,
        }  # fmt: skip
        alerts.append_transitions(connection, [begun])
        return alerts.get_alert(connection, row["id"])


def state_of(store: OperationalStore, alert_id: int) -> AlertState:
    """How an alert stands."""
    with store.read() as connection:
        return alerts.get_alert(connection, alert_id).state
