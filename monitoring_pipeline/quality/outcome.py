"""What an examination of a table found: plain values that travel between processes and into the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.records import Severity, Status, worst

__all__ = ["COVER", "ColumnProfile", "Examination", "Finding", "Profile", "SchemaChange"]

COVER = "***"
"""What stands for a value of a masked column."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether one expectation is met.

    `met` is None when that could not be found out; `text` then says why. `share` is how much of what was
    looked at meets it, 0 to 1, None when unknown. `checked` and `failed` count values or rows, where the
    expectation is about such. `rows` are examples of rows that fail, masked.
    """

    name: str
    type: str
    text: str
    met: bool | None
    dimension: Dimension = Dimension.VALIDITY
    severity: Severity = Severity.CRITICAL
    weight: float = 1.0
    share: float | None = None
    columns: tuple[str, ...] = ()
    checked: int | None = None
    failed: int | None = None
    rows: tuple[Mapping[str, Any], ...] = ()

    @property
    def status(self) -> Status:
        """Healthy when met, else as bad as its severity; unmet information is shown but alarms nobody."""
        if self.met is None:
            return Status.UNKNOWN
        if self.met or self.severity is Severity.INFO:
            return Status.HEALTHY
        return Status.WARNING if self.severity is Severity.WARNING else Status.CRITICAL


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column: how many values are missing and distinct, and its range."""

    name: str
    type: str
    nulls: int
    distinct: int
    minimum: Any = None
    maximum: Any = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A table at one moment. `newest` is the latest moment in its freshness column (UTC)."""

    rows: int
    columns: tuple[ColumnProfile, ...] = ()
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One column that was added, removed or has another type than at the last run."""

    kind: str
    column: str
    before: str = ""
    after: str = ""

    @property
    def text(self) -> str:
        if self.kind == "retyped":
            return f"column {self.column} is {self.after} now, it was {self.before}"
        return f"column {self.column} ({self.after or self.before}) was {self.kind}"


@dataclass(frozen=True, slots=True)
class Examination:
    """All that one look at a table found.

    `rows` is the exact number of rows, None when nobody could count them; `examined` is how many values
    were judged on, fewer where the table is sampled. `schema` maps all columns to their types, as the
    source calls them. `scores` and `metrics` are what a validator reported by itself. `problem` says why
    nothing at all could be found out. `seconds` tells where the time
    went: `open` (to where rows can be counted), `profile`, `start` (importing what judges), `fetch` (rows into frames),
    `judge` and `total`; `cpu` is that of all threads.
    """

    findings: tuple[Finding, ...] = ()
    rows: int | None = None
    examined: int | None = None
    schema: Mapping[str, str] = field(default_factory=dict)
    profile: Profile | None = None
    scores: Mapping[Dimension, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """As bad as the worst finding; unknown where there is none."""
        if self.problem:
            return worst([Status.UNKNOWN, *(finding.status for finding in self.findings)])
        known = [finding.status for finding in self.findings]
        return worst(known) if known or not (self.scores or self.profile) else Status.HEALTHY

    def document(self) -> dict[str, Any]:
        """As JSON knows it, for the store and for people's programs."""
        return asdict(self)
