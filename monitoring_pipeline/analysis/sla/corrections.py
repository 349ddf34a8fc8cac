"""What people decided afterwards about a past period, and what that makes of its time.

An entry of the ledger corrects a period of one source or revokes an earlier entry; nothing is ever changed.
Where corrections overlap the one that was written last counts, and a revoked one counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitoring_pipeline.analysis.sla.spans import Span, Verdict, latest_wins
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import LedgerEntry, Reclassified

__all__ = ["Terms", "in_force", "patches"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed not to count."""

    maintenance: bool = False
    upstream: bool = False


def in_force(entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """The corrections that hold, in the order they were written."""
    written = list(entries)
    revoked = {entry.revokes for entry in written}
    return [entry for entry in written if entry.revokes is None and entry.number not in revoked]


def patches(entries: Sequence[LedgerEntry], objective: str, terms: Terms) -> list[Span]:
    """What corrections of one source make of its time, for one objective; spans in order that do not overlap.

    A reason that was not agreed as one leaves the time as it was measured, and what earlier entries said of it.
    """
    found = []
    for entry in in_force(entries):
        verdict = _verdict(entry.as_, terms)
        if verdict is not None and entry.objective in ("", objective):
            found.append(Span(to_us(entry.start), to_us(entry.end), verdict))
    return latest_wins(found)


def _verdict(as_: Reclassified, terms: Terms) -> Verdict | None:
    if as_ is Reclassified.UP:
        return Verdict.GOOD
    if as_ is Reclassified.DOWN:
        return Verdict.BAD
    if as_ is Reclassified.MONITOR_OFFLINE:
        return Verdict.UNKNOWN
    agreed = terms.maintenance if as_ is Reclassified.MAINTENANCE else terms.upstream
    return Verdict.EXCLUDED if agreed else None
