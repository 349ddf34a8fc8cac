"""Every error this project raises on purpose.

    MonitoringError
    ├── ConfigError          the configuration is wrong; carries all its problems at once
    ├── ConditionError       a condition's text cannot be parsed; carries the column
    ├── StoreError           a store cannot be opened, migrated or written
    ├── NotFound             a name the user typed does not exist; carries the nearest ones
    ├── Refusal              what was asked makes no sense as things are
    ├── SourceFailure        a finding: the *source* is bad (refused, reset, timed out, denied us)
    └── CheckError           the *check* could not be carried out, which says nothing of the source
        ├── MissingExtra     the client library of a check kind is not installed
        └── NetworkDenied    the target lies in a network the configuration forbids

`SourceFailure` makes a result critical; every other exception of a probe makes it unknown.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "CheckError",
    "ConditionError",
    "ConfigError",
    "MissingExtra",
    "MonitoringError",
    "NetworkDenied",
    "NotFound",
    "Problem",
    "Refusal",
    "SourceFailure",
    "StoreError",
    "nearest",
]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name a typo most likely meant, or None when none is close."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


class MonitoringError(Exception):
    """Base of all errors raised on purpose; its text is meant for the user."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration, where it is (1-based) and what would be right."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(MonitoringError):
    """The configuration cannot be used. `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConditionError(MonitoringError):
    """A condition cannot be parsed. `column` is the 1-based place in its text."""

    def __init__(self, message: str, *, text: str, column: int) -> None:
        self.text = text
        self.column = column
        super().__init__(f"{message} at column {column} of {text!r}")


class StoreError(MonitoringError):
    """A store cannot be opened, migrated or written."""


class NotFound(MonitoringError):
    """A name the user typed does not exist."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        hint = nearest(name, known)
        super().__init__(f"there is no {what} {name!r}" + (f"; did you mean {hint!r}?" if hint else ""))


class Refusal(MonitoringError):
    """What was asked makes no sense as things are; the text says why and what would."""


class SourceFailure(MonitoringError):
    """The source is bad. `values` holds what was measured before it failed.

    `reached` tells that the source did answer, though wrongly: such a failure neither opens its
    circuit breaker nor can losing our own network explain it.
    """

    def __init__(self, message: str, *, values: Mapping[str, Any] | None = None, reached: bool = False) -> None:
        self.values = dict(values or {})
        self.reached = reached
        super().__init__(message)


class CheckError(MonitoringError):
    """The check could not be carried out; the source may be fine."""


class MissingExtra(CheckError):
    """The client library of a check kind is not installed."""

    def __init__(self, kind: str, extra: str) -> None:
        super().__init__(
            f"the check kind {kind!r} needs a client that is not installed: pip install 'monitoring-pipeline[{extra}]'"
        )


class NetworkDenied(CheckError):
    """The target lies in a network that `execution.networks` forbids."""
