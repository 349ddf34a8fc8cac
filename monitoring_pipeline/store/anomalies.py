"""What was strange, as the log of events has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from monitoring_pipeline.records import Severity
from monitoring_pipeline.store.warehouse import aware

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["CONFIRMED", "KINDS", "WITHDRAWN", "StrangeRow", "strange_rows"]

CONFIRMED, WITHDRAWN = "level_shift_confirmed", "level_shift_withdrawn"
"""What became of a `level_shift`, once that was to be seen."""
KINDS = ("anomaly", "anomaly_worse", "anomaly_end", "flatline", "level_shift", CONFIRMED, WITHDRAWN, "gap")
"""The kinds of events that scoring writes about measurements."""


class StrangeRow(NamedTuple):
    """One event."""

    source: str
    check: str
    kind: str
    subject: str
    at: datetime
    severity: Severity
    text: str
    detail: Mapping[str, Any]


def strange_rows(history: DuckDBPyConnection) -> list[StrangeRow]:
    """All of them in the view `events`, in the order in which they were recorded."""
    listed = ", ".join(f"'{kind}'" for kind in KINDS)
    rows = history.execute(
        'SELECT source, check_id, kind, subject, "at", severity, text, detail FROM events '  # noqa: S608 - our own names
        f"WHERE kind IN ({listed}) ORDER BY id"
    ).fetchall()
    return [
        StrangeRow(source, check, kind, subject, aware(at), Severity(severity), text, json.loads(detail))
        for source, check, kind, subject, at, severity, text, detail in rows
    ]
