"""Exit codes: one scheme for every command, printed by `busta --help`.

Up to 2 they tell how the sources are, from 64 on what was wrong with the call (as in sysexits.h).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitoring_pipeline.records import Status

__all__ = [
    "BAD_CONFIG",
    "CANNOT_CREATE",
    "CRITICAL",
    "EXPLAINED",
    "INTERRUPTED",
    "OK",
    "UNAVAILABLE",
    "UNEXPECTED",
    "USAGE",
    "WARNING",
    "of_statuses",
]

OK, WARNING, CRITICAL = 0, 1, 2
USAGE, UNAVAILABLE, UNEXPECTED, CANNOT_CREATE, BAD_CONFIG = 64, 69, 70, 73, 78
INTERRUPTED = 130

EXPLAINED = {
    OK: "done; with `sources`: everything shown is healthy",
    WARNING: "something shown is a warning or unknown (doctor: a warning)",
    CRITICAL: "something shown is critical (doctor: a problem)",
    USAGE: "the command line is wrong: an unknown option, source, component or tag",
    UNAVAILABLE: "something needed is not available: a store, a port, Dagster",
    UNEXPECTED: "a fault of busta itself; BUSTA_TRACEBACK=1 shows where",
    CANNOT_CREATE: "`init` would overwrite files; --force lets it",
    BAD_CONFIG: "the configuration is missing or wrong",
    INTERRUPTED: "stopped by Ctrl-C",
}
"""What each code means, in order."""


def of_statuses(statuses: Iterable[Status]) -> int:
    """0 when all are healthy, 1 when one is a warning or unknown, 2 when one is critical."""
    rank = max((status.rank for status in statuses), default=0)
    return (OK, WARNING, WARNING, CRITICAL)[rank]
