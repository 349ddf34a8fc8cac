"""From the states of checks to the health of sources, components and the whole system.

A source is as bad as its worst enabled check, except that a check that is not `critical` makes it at
most a warning. Its score is the mean of its checks' points (healthy 100, warning 50, critical 0), in
which a critical check counts three times; unknown checks do not count, and a source of which nothing
is known has no score. Components and the system combine sources in the same two ways: the worst, and
the mean weighted by criticality.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_pipeline.records import CheckState, Criticality, Status, worst

__all__ = ["CheckHealth", "Health", "combined", "of_source", "overdue_since"]

_OVERDUE = timedelta(seconds=90)
_POINTS = {Status.HEALTHY: 100.0, Status.WARNING: 50.0, Status.CRITICAL: 0.0}
_CRITICAL_CHECK_WEIGHT = 3


@dataclass(frozen=True, slots=True)
class CheckHealth:
    """What one check contributes to its source."""

    name: str
    status: Status
    critical: bool = True
    message: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """A status, a score from 0 to 100 (None: nothing is known), and the reason in words."""

    status: Status
    score: float | None
    reason: str = ""


def overdue_since(state: CheckState, now: datetime) -> datetime | None:
    """From when on a check should have had a result, if it is overdue: its last result says nothing any more."""
    if state.next_slot is None or state.last_finished is None:
        return None
    # A check run by hand leaves the next slot as it is, and yet nobody has to wait for a result.
    due = max(state.next_slot, state.last_finished)
    return due if now - due > max(_OVERDUE, timedelta(seconds=2 * (state.interval_s or 0))) else None


def _capped(check: CheckHealth) -> Status:
    return Status.WARNING if check.status is Status.CRITICAL and not check.critical else check.status


def of_source(checks: Sequence[CheckHealth]) -> Health:
    """The health of one source; unknown when it has no enabled check."""
    if not checks:
        return Health(Status.UNKNOWN, None, "no enabled check")
    status = worst(_capped(check) for check in checks)
    pairs = [(_POINTS[c.status], _CRITICAL_CHECK_WEIGHT if c.critical else 1) for c in checks if c.status in _POINTS]
    return Health(status, _mean(pairs), _reason(status, checks))


def _reason(status: Status, checks: Iterable[CheckHealth]) -> str:
    if status is Status.HEALTHY:
        return ""
    causes = [f"{c.name}: {c.message or c.status.value}" for c in checks if _capped(c) is status]
    more = f" (and {len(causes) - 3} more)" if len(causes) > 3 else ""
    return "; ".join(causes[:3]) + more


def combined(members: Sequence[tuple[str, Health, Criticality]], aggregation: str = "worst") -> Health:
    """The health of a component or of the system, from (name, health, criticality) of its members.

    `worst`: as bad as the worst member, except that a critical member of low criticality counts as a
    warning. `weighted`: the score alone decides: below 50 critical, below 90 warning.
    """
    if not members:
        return Health(Status.UNKNOWN, None, "no source")
    score = _mean([(h.score, c.weight) for _, h, c in members if h.score is not None])
    if aggregation == "weighted":
        return Health(_status_of(score), score, _members(members, _status_of(score)))
    statuses = [
        Status.WARNING if h.status is Status.CRITICAL and c is Criticality.LOW else h.status for _, h, c in members
    ]
    status = worst(statuses)
    return Health(status, score, _members(members, status))


def _status_of(score: float | None) -> Status:
    if score is None:
        return Status.UNKNOWN
    return Status.CRITICAL if score < 50 else Status.WARNING if score < 90 else Status.HEALTHY


def _members(members: Sequence[tuple[str, Health, Criticality]], status: Status) -> str:
    if status is Status.HEALTHY:
        return ""
    bad = [name for name, health, _ in sorted(members, key=lambda m: -m[1].status.rank) if health.status.rank > 0]
    more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
    return ", ".join(bad[:5]) + more


def _mean(pairs: Sequence[tuple[float, int]]) -> float | None:
    total = sum(weight for _, weight in pairs)
    return round(sum(points * weight for points, weight in pairs) / total, 1) if total else None
