"""What else happens where results are recorded: the contract of whoever judges them.

Rules, alerts and notifications live in a room above this one, and still their rows must commit together
with the result that caused them. So serving takes a judge and calls it inside its own transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

__all__ = ["Judge"]


class Judge(Protocol):
    """Called in the thread that writes, except for `work` and `nudge`."""

    def load(self, sources: Collection[str] | None = None) -> None:
        """Reads what it needs to know beforehand; of some sources, or of all."""

    def is_due(self, connection: Connection, now: datetime) -> bool:
        """Whether it has something to do though nothing was recorded; cheap."""

    def judge(
        self, connection: Connection, touched: Collection[tuple[str, str]], changed: Collection[str], now: datetime
    ) -> bool:
        """Draws the conclusions, in the transaction that recorded. Answers whether somebody has to be told.

        Raises only what the store raises.

        `touched` are the checks (source, id) that have new results, `changed` the sources whose status moved.
        """

    def nudge(self) -> None:
        """Said after the commit, when somebody has to be told."""

    async def work(self, stop: asyncio.Event) -> None:
        """Tells people, beside the serving, until `stop`; then finishes what is under way."""

    def close(self) -> None:
        """Gives back what `load` took."""
