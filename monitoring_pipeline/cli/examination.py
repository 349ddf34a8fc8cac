"""The contract of `busta doctor`: an examination looks at one thing and yields findings.

Each file of `examinations/` holds one group of them; they read and never repair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitoring_pipeline.config import Config

__all__ = ["Examination", "Finding", "Patient", "Verdict", "ok", "problem", "warning"]


class Verdict(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about something, and what to do about it."""

    verdict: Verdict
    about: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """The installation: its configuration file, and the configuration when it can be read."""

    path: Path
    now: datetime
    config: Config | None = None

    @property
    def directory(self) -> Path:
        """Where it keeps its files."""
        return self.config.stores.directory if self.config else self.path.parent / ".busta"


Examination = Callable[[Patient], Iterator[Finding]]


def ok(about: str, message: str) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, about, message)


def warning(about: str, message: str, advice: str) -> Finding:
    """It works, but not as well as it could, or not for long."""
    return Finding(Verdict.WARNING, about, message, advice)


def problem(about: str, message: str, advice: str) -> Finding:
    """Something does not work."""
    return Finding(Verdict.PROBLEM, about, message, advice)
