"""Something that happened to a source and is worth a line of its own: what was found, not what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from monitoring_pipeline.records.alert import Severity

__all__ = ["Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` (`anomaly`, `schema_drift` ...) of `subject` (a metric, a column ...) of `source`, at `at` (UTC).

    `text` says it in a sentence; `detail` has the numbers. `key` is its identity: an event that is found again
    after a crash is the same one. By default it is made of source, check, kind, subject and moment.
    """

    source: str
    kind: str
    subject: str
    at: datetime
    text: str
    severity: Severity = Severity.INFO
    check: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""

    @property
    def identity(self) -> str:
        """The key it is stored by."""
        parts = (self.source, self.check, self.kind, self.subject, self.at.isoformat())
        return self.key or sha256("\0".join(parts).encode()).hexdigest()[:32]
