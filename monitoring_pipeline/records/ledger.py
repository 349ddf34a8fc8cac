"""The ledger of corrections: what people decided afterwards about a past period. Entries are only ever added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["LedgerEntry", "Reclassified"]


class Reclassified(StrEnum):
    """What a past period is to count as.

    up, down: the source was, whatever was measured. monitor_offline: nobody could know. maintenance: the source
    was away as agreed. upstream: it was bad for reasons that lie outside of it.
    """

    UP = "up"
    DOWN = "down"
    MAINTENANCE = "maintenance"
    MONITOR_OFFLINE = "monitor_offline"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry. `number` counts from 1 without a hole; `objective` is empty where all of them are meant.

    An entry that revokes another one names its number in `revokes` and repeats what that was about. `hash` is
    computed from the entry and `previous`, the hash of the entry before it, so none can be changed unseen.
    """

    number: int
    at: datetime
    author: str
    source: str
    start: datetime
    end: datetime
    as_: Reclassified
    reason: str
    objective: str = ""
    revokes: int | None = None
    previous: str = ""
    hash: str = ""
