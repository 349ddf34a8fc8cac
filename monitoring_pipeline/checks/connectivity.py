"""Are *we* cut off? Then a source that cannot be reached is unknown, not critical.

We are cut off when no network interface but loopback is up, or when none of the configured targets
answers although one of them did before. A target list that never answered (a closed network) proves
nothing and is ignored; a probe of another machine that succeeded since disproves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable

from monitoring_pipeline.checks.spec import ConnectivitySpec

__all__ = ["Guard", "interface_is_up"]

_FRESH_S = 2.0
_REMEMBERED = 500


def interface_is_up() -> bool:
    """Whether a network interface other than loopback is up."""
    import psutil

    return any(stats.isup for name, stats in psutil.net_if_stats().items() if name != "lo")


class Guard:
    """Judges our own connectivity; `ever_reached` is remembered by the caller between runs."""

    def __init__(
        self, spec: ConnectivitySpec, *, ever_reached: bool, link: Callable[[], bool] = interface_is_up
    ) -> None:
        self.ever_reached = ever_reached
        self._spec = spec
        self._link = link
        self._successes: deque[tuple[float, Callable[[], bool]]] = deque(maxlen=_REMEMBERED)
        self._judged_at = float("-inf")
        self._reason: str | None = None
        self._lock = asyncio.Lock()

    def saw_success(self, is_local: Callable[[], bool]) -> None:
        """A probe succeeded just now. Whether it left this machine is only asked when it matters."""
        self._successes.append((time.monotonic(), is_local))

    def _reached_others(self, since: float) -> bool:
        return any(at >= since and not is_local() for at, is_local in self._successes)

    async def cut_off(self, since: float) -> str | None:
        """Why we are cut off, or None. `since` is when the failing probe began (monotonic seconds)."""
        if self._reached_others(since):
            return None
        async with self._lock:
            if time.monotonic() - self._judged_at > _FRESH_S:
                self._reason = await self._judge()
                self._judged_at = time.monotonic()
        return None if self._reached_others(since) else self._reason

    async def _judge(self) -> str | None:
        if not self._link():
            return "no network interface is up"
        if not self._spec.targets:
            return None
        if await self.reach_targets():
            return None
        if not self.ever_reached:
            return None
        return f"none of {', '.join(self._spec.targets)} answers"

    async def reach_targets(self) -> bool:
        """Whether one of the targets accepts a connection now."""
        answers = await asyncio.gather(*(self._reach(target) for target in self._spec.targets))
        self.ever_reached = self.ever_reached or any(answers)
        return any(answers)

    async def _reach(self, target: str) -> bool:
        host, _, port = target.rpartition(":")
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(self._spec.timeout.total_seconds()):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                return True
        return False
