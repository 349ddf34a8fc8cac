"""Keeps at hand what takes too long to be read while a page is drawn: quality, what is strange, promises.

Whoever draws takes what was read last and waits for nothing. Reading happens in a thread of its own, only while
somebody draws, and takes a fiftieth of a core at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.reports.facets import Board, board

__all__ = ["Kept", "read_board"]

log = structlog.get_logger(__name__)
_EVERY_S, _SHARE = 10.0, 50.0
_HOLDS = 30
"""For how many times its pause a board is shown that cannot be read anew."""


def read_board(monitoring: Monitoring) -> Board:
    """What is known of all sources beyond their checks. Takes from a tenth of a second to some seconds."""
    config, now = monitoring.config, monitoring.clock()
    strange = monitoring.scoring.strange(now) if config.analysis.enabled else ()
    standings = monitoring.sla.standings(daily=False) if config.objectives else ()
    return board(config.sources, monitoring.quality.of_sources(), strange, standings, now)


class Kept:
    """What `read` answered last. Used by one thread at a time; `close` ends it."""

    def __init__(self, read: Callable[[], Board], every_s: float = _EVERY_S) -> None:
        self._read = read
        self._every_s = every_s
        self._board: Board | None = None
        self._flight: Future[None] | None = None
        self._cost_s = 0.0
        self._next = self._taken = float("-inf")
        self._failing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="facets")

    def current(self) -> Board | None:
        """The newest there is; None before the first one and when none could be read for long."""
        now, pause_s = time.monotonic(), max(self._every_s, _SHARE * self._cost_s)
        if now >= self._next and (self._flight is None or self._flight.done()):
            self._next = now + pause_s
            self._flight = self._thread.submit(self._take)
        return self._board if now - self._taken <= _HOLDS * pause_s else None

    def close(self) -> None:
        """Reads no more; what is under way ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> None:
        began, cpu = time.monotonic(), time.thread_time()
        try:
            self._board = self._read()
            self._taken, self._failing = time.monotonic(), False
        except Exception as error:
            # Once: whoever looks at the page sees that nothing could be read.
            if not self._failing:
                log.warning("cannot read quality, anomalies and promises", error=f"{type(error).__name__}: {error}")
            self._failing = True
        self._cost_s = max(time.thread_time() - cpu, (time.monotonic() - began) / 2)
