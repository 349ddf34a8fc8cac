"""What a report is before anybody decides how it looks: sections of figures, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from monitoring_pipeline.reports.periodic.period import Period

__all__ = ["Column", "Fact", "Mood", "Picture", "Report", "Scope", "Section", "Table", "Unit"]

Unit = Literal["text", "number", "percent", "ms", "seconds", "moment", "status", "signed"]
"""What a value is: text; a number; percent (0-100); milliseconds; seconds; an aware datetime; a status or a severity;
a difference in percentage points."""

Mood = Literal["", "good", "bad", "unknown"]
"""Whether a figure is as it should be."""

Scope = Literal["system", "component", "source"]
"""How much a report is about."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    unit: Unit = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; a value is None where nothing is known. `left_out` counts rows that are not shown."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure, and what it was in the period before (None when that is not known)."""

    name: str
    value: Any
    unit: Unit = "number"
    before: Any = None
    mood: Mood = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG. `about` is what somebody who does not see it reads."""

    name: str
    about: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Section:
    """The answer to one question. `absent` says why there is none."""

    title: str
    text: str = ""
    facts: Sequence[Fact] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A report about `subject` (the name of the installation, a component, a source) for a period.

    `is_complete` is False while the period goes on.
    """

    installation: str
    subject: str
    scope: Scope
    period: Period
    made: datetime
    sections: Mapping[str, Section]

    @property
    def title(self) -> str:
        """What it is about."""
        return f"{self.subject}: {self.period.title}"

    @property
    def is_complete(self) -> bool:
        """Whether its period was over when it was made."""
        return self.made >= self.period.end
