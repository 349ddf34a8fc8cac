"""Messages to send in tests: one alert as people know it, and changes to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.records import AlertState, Severity
from tests.alerting.delivery.channels.receiver import NOW

__all__ = ["STRANGE", "alert", "many", "message", "over"]

STRANGE = "q \"<b>&'\\ \u00fc\u2028\n\t\x00\U0001f600 %s {{x}} /../ ?#"
"""What breaks whatever does not escape."""


def alert(number: int = 7, **changes: Any) -> AlertFacts:
    """A critical alert that fires for two minutes."""
    known: dict[str, Any] = {
        "id": number,
        "rule": "slow-answer",
        "source": "orders-api",
        "name": "Orders API",
        "check": "http",
        "component": "shop",
        "owner": "data-platform",
        "severity": Severity.CRITICAL,
        "state": AlertState.FIRING,
        "summary": "Orders API: response_time_ms (812) > 300",
        "text": "response_time_ms (812) > 300",
        "value": 812.0,
        "unit": "ms",
        "metric": "response_time_ms",
        "threshold": 300.0,
        "expected": "80 to 140 ms",
        "started": NOW - timedelta(minutes=2),
        "fired": NOW - timedelta(minutes=1),
        "affects": ("revenue", "stock"),
        "last_change": "version 2.4 at 11:50",
        "description": "Customers wait.",
        "runbook": "https://example.com/runbooks/orders",
        "labels": {"tier": "1"},
        "url": f"https://monitoring.example.com/alerts/{number}",
        "acknowledge_url": f"https://monitoring.example.com/alerts/{number}/acknowledge?token=t0k&x=1",
    }
    return AlertFacts(**{**known, **changes})


def over(number: int = 7, **changes: Any) -> AlertFacts:
    """The same alert, resolved."""
    return alert(number, **{"state": AlertState.RESOLVED, "resolved": NOW, **changes})


def many(count: int, **changes: Any) -> tuple[AlertFacts, ...]:
    """So many alerts about sources of their own."""
    return tuple(alert(n, source=f"source-{n}", name=f"Source {n}", **changes) for n in range(1, count + 1))


def message(kind: Kind = Kind.FIRING, *alerts: AlertFacts, **changes: Any) -> Message:
    """A message about these alerts; about one that fires (or is over) by default."""
    default = over() if kind is Kind.RESOLVED else alert()
    known: dict[str, Any] = {
        "key": "3f2c9a",
        "thread": "default/source=orders-api/1",
        "kind": kind,
        "reason": "first",
        "title": "Orders API: response_time_ms (812) > 300",
        "severity": Severity.CRITICAL,
        "at": NOW,
        "installation": "shop-eu",
        "alerts": alerts or (default,),
        "url": "https://monitoring.example.com/alerts/7",
    }
    return Message(**{**known, **changes})
