"""What the operational store remembers of each collector: when it last reported, and how that went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from monitoring_pipeline.clock import from_us, from_us_or_none, to_us
from monitoring_pipeline.records import CollectionAttempt
from monitoring_pipeline.store.tables import collectors

__all__ = ["CollectorState", "collector_states", "forget_collectors", "note_attempts"]

_NAMES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class CollectorState:
    """`first` and `last` are when it reported, `failures` how many attempts failed since the last success."""

    name: str
    source: str
    first: datetime
    last: datetime
    last_success: datetime | None = None
    last_error: str = ""
    failures: int = 0

    def after(self, attempt: CollectionAttempt) -> CollectorState:
        """The state with one more attempt. One that comes late says nothing of how it does now."""
        successes = [moment for moment in (self.last_success, attempt.at if attempt.success else None) if moment]
        known = replace(self, first=min(self.first, attempt.at), last_success=max(successes, default=None))
        if attempt.at < self.last:
            return known
        if attempt.success:
            return replace(known, source=attempt.source, last=attempt.at, failures=0)
        return replace(
            known, source=attempt.source, last=attempt.at, failures=self.failures + 1, last_error=attempt.error
        )


def note_attempts(connection: Connection, attempts: Iterable[CollectionAttempt]) -> None:
    """Moves the states of the collectors on by attempts that are new."""
    ordered = sorted(attempts, key=lambda attempt: attempt.at)
    known = collector_states(connection, {attempt.collector for attempt in ordered})
    for attempt in ordered:
        blank = CollectorState(attempt.collector, attempt.source, attempt.at, attempt.at)
        known[attempt.collector] = known.get(attempt.collector, blank).after(attempt)
    if known:
        _delete(connection, list(known))
        connection.execute(insert(collectors), [_row(state) for state in known.values()])


def collector_states(connection: Connection, names: Iterable[str] | None = None) -> dict[str, CollectorState]:
    """The states by name, of these collectors or of all that ever reported."""
    if names is None:
        found = list(connection.execute(select(collectors)))
    else:
        wanted = sorted(names)
        found = []
        for start in range(0, len(wanted), _NAMES_AT_ONCE):
            some = collectors.c.name.in_(wanted[start : start + _NAMES_AT_ONCE])
            found += connection.execute(select(collectors).where(some))
    return {
        row.name: CollectorState(
            row.name, row.source, from_us(row.first), from_us(row.last), from_us_or_none(row.last_success),
            row.last_error, row.failures,
        )
        for row in found
    }  # fmt: skip


def forget_collectors(connection: Connection, before: datetime) -> int:
    """Deletes the states of collectors that have not reported since then; answers how many."""
    return int(connection.execute(delete(collectors).where(collectors.c.last < to_us(before))).rowcount)


def _delete(connection: Connection, names: Sequence[str]) -> None:
    for start in range(0, len(names), _NAMES_AT_ONCE):
        connection.execute(delete(collectors).where(collectors.c.name.in_(names[start : start + _NAMES_AT_ONCE])))


def _row(state: CollectorState) -> dict[str, object]:
    success = None if state.last_success is None else to_us(state.last_success)
    return {
        "name": state.name, "source": state.source, "first": to_us(state.first), "last": to_us(state.last),
        "last_success": success, "last_error": state.last_error, "failures": state.failures,
    }  # fmt: skip
