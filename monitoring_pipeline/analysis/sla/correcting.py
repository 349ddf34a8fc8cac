"""Writing into the ledger: what a past period of a source is to count as, and taking that back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection

from monitoring_pipeline.analysis.objective import ObjectiveKind, Promise
from monitoring_pipeline.errors import NotFound, Refusal
from monitoring_pipeline.records import LedgerEntry, Reclassified
from monitoring_pipeline.store import ledger

__all__ = ["correct", "revoke"]

_OLDEST = timedelta(days=1200)


def correct(
    connection: Connection,
    promises: Collection[Promise],
    source: str,
    start: datetime,
    end: datetime,
    as_: Reclassified,
    *,
    author: str,
    reason: str,
    now: datetime,
    objective: str = "",
    frozen: Callable[[ObjectiveKind], datetime] | None = None,
) -> LedgerEntry:
    """Adds a correction, in the caller's transaction. Raises Refusal, and NotFound for an unknown objective.

    `frozen` tells before when days of a kind of objective stay as they are: what nobody would ever see is refused.
    """
    if not reason.strip():
        raise Refusal("a correction needs a reason: others will ask why")
    if end <= start:
        raise Refusal("the period ends before it begins")
    if end > now:
        raise Refusal("only the past can be corrected; `busta maintenance start` announces what is to come")
    if start < now - _OLDEST:
        raise Refusal(f"nothing is kept from more than {_OLDEST.days} days ago")
    _verify_objective(promises, source, objective)
    if frozen is not None:
        _verify_reach([p for p in promises if source in p.sources and objective in ("", p.objective)], start, frozen)
    return ledger.append(
        connection, author=author, now=now, source=source, start=start, end=end, as_=as_, reason=reason.strip(),
        objective=objective,
    )  # fmt: skip


def _verify_objective(promises: Collection[Promise], source: str, objective: str) -> None:
    if not objective:
        return
    if objective not in (known := {promise.objective for promise in promises}):
        raise NotFound("objective", objective, known)
    if not any(promise.objective == objective and source in promise.sources for promise in promises):
        raise Refusal(f"the objective {objective} is not about {source}")


def _verify_reach(about: Collection[Promise], start: datetime, frozen: Callable[[ObjectiveKind], datetime]) -> None:
    since = min((frozen(promise.spec.kind) for promise in about), default=None)
    if since is not None and start < since:
        raise Refusal(
            f"what was measured before {since:%Y-%m-%d %H:%M} UTC is not kept any more, so figures of that time stay "
            "as they are (`retention` says how long)"
        )


def revoke(connection: Connection, number: int, *, author: str, reason: str, now: datetime) -> LedgerEntry:
    """Takes an entry back, by a further one, in the caller's transaction. Raises NotFound, Refusal."""
    if not reason.strip():
        raise Refusal("revoking needs a reason: others will ask why")
    entry = ledger.get(connection, number)
    if entry.revokes is not None:
        raise Refusal(f"entry {number} revokes entry {entry.revokes}; correct the period anew instead")
    if any(other.revokes == number for other in ledger.entries(connection, [entry.source])):
        raise Refusal(f"entry {number} was revoked already")
    return ledger.append(
        connection, author=author, now=now, source=entry.source, start=entry.start, end=entry.end, as_=entry.as_,
        reason=reason.strip(), objective=entry.objective, revokes=number,
    )  # fmt: skip
