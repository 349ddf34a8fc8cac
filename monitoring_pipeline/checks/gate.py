"""How many probes run at once, and the budget that lowers it when we ourselves use too much.

Each second the budget compares our CPU and memory with what the configuration grants; above it the
gate narrows by a third, below it opens again by a fifth. Probes then wait, which shows as lateness.
"""

from __future__ import annotations

import asyncio
from collections import deque

from monitoring_pipeline.checks.spec import ExecutionSpec

__all__ = ["Gate", "keep_budget"]

_NARROWEST = 8


class Gate:
    """A semaphore whose limit can move while tasks wait; first come, first served."""

    def __init__(self, limit: int) -> None:
        self.widest = limit
        self._limit = limit
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many may be inside at once now."""
        return self._limit

    def resize(self, limit: int) -> None:
        """Moves the limit within its bounds and lets in whoever fits now."""
        self._limit = max(min(_NARROWEST, self.widest), min(limit, self.widest))
        self._admit()

    async def __aenter__(self) -> None:
        if self._active < self._limit and not self._waiting:
            self._active += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            raise

    async def __aexit__(self, *error: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._active -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._active < self._limit:
            place = self._waiting.popleft()
            if not place.done():
                self._active += 1
                place.set_result(None)


async def keep_budget(gate: Gate, spec: ExecutionSpec) -> None:
    """Moves the gate once a second, for ever."""
    import psutil

    process = psutil.Process()
    process.cpu_percent()
    while True:
        await asyncio.sleep(1)
        over = process.cpu_percent() > spec.cpu_percent or process.memory_info().rss > spec.memory_mb * 1_000_000
        gate.resize(gate.limit * 2 // 3 if over else gate.limit * 6 // 5 + 1)
