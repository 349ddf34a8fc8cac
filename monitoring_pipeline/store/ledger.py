"""The ledger of corrections as the store keeps it: rows are added, never changed, and each seals the ones before.

The hash of an entry is SHA-256 over the hash of the entry before it and the entry as canonical JSON, so whoever
changes, inserts or removes an entry breaks the chain from there on. Removing the *last* entries leaves a shorter
chain that is whole: what tells is the audit log, which holds every hash too, or an export that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.errors import NotFound, StoreError
from monitoring_pipeline.records import LedgerEntry, Reclassified
from monitoring_pipeline.store.alerts import note_audit
from monitoring_pipeline.store.tables import audit, ledger

__all__ = [
    "Break",
    "Unreadable",
    "append",
    "check_chain",
    "count",
    "document",
    "entries",
    "entry_hash",
    "get",
    "missing",
    "of_document",
]

_ACTION = "ledger"


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain is broken: the number of the first entry that cannot be trusted, and why."""

    number: int
    why: str


class Unreadable(StoreError):
    """An entry of the ledger holds what no entry can: somebody else wrote it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"entry {number} of the ledger cannot be read; `busta sla verify` says where it was changed")
        self.number = number


def append(
    connection: Connection,
    *,
    author: str,
    now: datetime,
    source: str,
    start: datetime,
    end: datetime,
    as_: Reclassified,
    reason: str,
    objective: str = "",
    revokes: int | None = None,
) -> LedgerEntry:
    """Adds an entry and a row to the audit log, in the caller's write transaction."""
    # Writers are serialised, so nobody else can take this number.
    last = connection.execute(select(ledger.c.number, ledger.c.hash).order_by(ledger.c.number.desc()).limit(1)).first()
    number, previous = (1, "") if last is None else (last.number + 1, last.hash)
    entry = LedgerEntry(number, now, author, source, start, end, as_, reason, objective, revokes, previous)
    entry = replace(entry, hash=entry_hash(entry))
    connection.execute(insert(ledger).values(_row(entry)))
    note_audit(connection, now, author, _ACTION, f"source:{source}", document(entry))
    return entry


def count(connection: Connection) -> int:
    """How many entries there are."""
    return connection.execute(select(func.count()).select_from(ledger)).scalar_one()


def entries(connection: Connection, sources: Iterable[str] | None = None) -> list[LedgerEntry]:
    """All entries, or those about some sources, in the order they were written. Raises Unreadable."""
    query = select(ledger).order_by(ledger.c.number)
    if sources is not None:
        query = query.where(ledger.c.source.in_(list(sources)))
    return [_entry(row) for row in connection.execute(query).mappings()]


def get(connection: Connection, number: int) -> LedgerEntry:
    """One entry. Raises NotFound, Unreadable."""
    row = connection.execute(select(ledger).where(ledger.c.number == number)).mappings().first()
    if row is None:
        known = connection.execute(select(func.max(ledger.c.number))).scalar() or 0
        raise NotFound("entry of the ledger", str(number), [str(each) for each in range(1, min(known, 50) + 1)])
    return _entry(row)


def check_chain(found: Sequence[LedgerEntry]) -> Break | None:
    """The first place where a chain that should begin with entry 1 is broken; None when it is whole."""
    previous = ""
    for number, entry in enumerate(found, 1):
        if entry.number != number:
            return Break(number, f"entry {number} is missing, the next one there is has number {entry.number}")
        if entry.previous != previous:
            return Break(number, "it does not follow the entry before it, which was changed or put in afterwards")
        if entry.hash != entry_hash(entry):
            return Break(number, "its content is not what its hash was computed from")
        previous = entry.hash
    return None


def missing(connection: Connection, found: Sequence[LedgerEntry]) -> Break | None:
    """The first entry that the audit log, as far as it is kept, knows otherwise: taken away, written anew or put in."""
    hashes = {entry.number: entry.hash for entry in found}
    known: set[int] = set()
    query = select(audit.c.detail).where(audit.c.action == _ACTION).order_by(audit.c.id)
    for text in connection.execute(query).scalars():
        try:
            kept = json.loads(text)
            number = int(kept["number"])
        except (ValueError, KeyError, TypeError):
            return Break(max(hashes, default=1), "the audit log about the ledger was changed: a row cannot be read")
        if number not in hashes:
            return Break(number, "the audit log knows it, and it is gone")
        if hashes[number] != kept.get("hash"):
            return Break(number, "the audit log knows another hash of it")
        known.add(number)
    strange = [number for number in hashes if known and number > min(known) and number not in known]
    return Break(min(strange), "the audit log does not know it") if strange else None


def entry_hash(entry: LedgerEntry) -> str:
    """What seals an entry: SHA-256 (hex) of the hash before it, a line feed, and the entry as canonical JSON."""
    content = {name: value for name, value in document(entry).items() if name not in ("previous", "hash")}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{entry.previous}\n{text}".encode()).hexdigest()


def document(entry: LedgerEntry) -> dict[str, Any]:
    """An entry as plain JSON; moments are ISO 8601 with microseconds, UTC. Exports and hashes are made of it."""
    return {
        "number": entry.number, "at": _text(entry.at), "author": entry.author, "source": entry.source,
        "start": _text(entry.start), "end": _text(entry.end), "as": entry.as_.value, "objective": entry.objective,
        "reason": entry.reason, "revokes": entry.revokes, "previous": entry.previous, "hash": entry.hash,
    }  # fmt: skip


def of_document(found: Mapping[str, Any]) -> LedgerEntry:
    """The entry that `document` wrote. Raises KeyError, ValueError or TypeError where it is none."""
    revokes = found["revokes"]
    return LedgerEntry(
        int(found["number"]), _moment(found["at"]), found["author"], found["source"], _moment(found["start"]),
        _moment(found["end"]), Reclassified(found["as"]), found["reason"], found["objective"],
        None if revokes in (None, "") else int(revokes), found["previous"], found["hash"],
    )  # fmt: skip


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _row(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "number": entry.number, "at": to_us(entry.at), "author": entry.author, "source": entry.source,
        "starts": to_us(entry.start), "ends": to_us(entry.end), "as": entry.as_.value, "objective": entry.objective,
        "reason": entry.reason, "revokes": entry.revokes, "previous": entry.previous, "hash": entry.hash,
    }  # fmt: skip


def _entry(row: RowMapping) -> LedgerEntry:
    try:
        return LedgerEntry(
            row["number"], from_us(row["at"]), row["author"], row["source"], from_us(row["starts"]),
            from_us(row["ends"]), Reclassified(row["as"]), row["reason"], row["objective"], row["revokes"],
            row["previous"], row["hash"],
        )  # fmt: skip
    except (ValueError, TypeError, OverflowError):
        raise Unreadable(row["number"]) from None
