"""One picture of everything, taken in the background and shared by all who ask.

Reading 10,000 check states takes a third of a second, far longer than an answer may. So while anybody
asks, a keeper takes a fresh picture about once a second in a thread of its own, with each
representation people asked for (a face) drawn once; answering hands out bytes. While nobody asks it
does so four times a minute, so that the next one who comes waits for little to be drawn anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import structlog

from monitoring_pipeline.reports import Overview, SourceView

__all__ = ["Face", "Painter", "Snapshot", "Snapshots"]

log = structlog.get_logger(__name__)
Painter = Callable[[Overview], bytes]

_EVERY_S = 1.0
_FRESH_S = 5.0
_ASKED_S = 60.0
_SHARE = 4.0  # pause at least this many times as long as a picture takes: a fifth of one core at most
_IDLE_EVERY_S = 15.0
_IDLE_SHARE = 200.0
_GZIP_FROM = 2_000


@dataclass(frozen=True, slots=True)
class Face:
    """One representation: its bytes, the same compressed (when that pays), and the ETag of its content."""

    body: bytes
    packed: bytes | None
    etag: str

    @classmethod
    def of(cls, body: bytes) -> Face:
        """The face of these bytes. The ETag is a weak one: it holds for both forms."""
        packed = gzip.compress(body, 1) if len(body) >= _GZIP_FROM else None
        return cls(body, packed, f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment, with the faces that were asked for; `taken` is monotonic seconds."""

    overview: Overview
    by_id: Mapping[str, SourceView]
    faces: Mapping[str, Face]
    taken: float


class Snapshots:
    """Takes pictures while somebody asks. Belongs to one event loop; `close` ends it."""

    def __init__(self, read: Callable[[], Overview], painters: Mapping[str, Painter]) -> None:
        self._read = read
        self._painters = dict(painters)
        self._asked: dict[str, float] = {}
        self._last_asked = self._last_whole = float("-inf")
        self._wake = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._flight: asyncio.Task[Snapshot] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._cost_s = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="snapshot")

    async def get(self) -> Snapshot:
        """The present, at most five seconds old. Raises what reading raised."""
        self._notice()
        if self._snapshot is not None and self._is_fresh(self._snapshot):
            return self._snapshot
        return await self._take()

    async def face(self, name: str) -> Face:
        """One representation of the present. Raises what reading or drawing raised."""
        self._asked[name] = time.monotonic()
        snapshot = await self.get()
        # A picture under way when we asked may lack the face; the one after it has it.
        while name not in snapshot.faces:
            snapshot = await self._take()
        return snapshot.faces[name]

    def warm(self, *names: str) -> None:
        """Begins to take pictures with these faces, so that the first who asks need not wait."""
        self._asked.update(dict.fromkeys(names, time.monotonic()))
        self._notice()

    async def close(self) -> None:
        """Stops taking pictures."""
        tasks = [task for task in (self._keeper, self._flight) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _is_fresh(self, snapshot: Snapshot) -> bool:
        return time.monotonic() - snapshot.taken < max(_FRESH_S, 2 * (1 + _SHARE) * self._cost_s)

    async def _take(self) -> Snapshot:
        """Takes a picture, or waits for the one that is being taken."""
        if self._flight is None or self._flight.done():
            self._flight = asyncio.ensure_future(self._fly())
        # Shielded: one who goes away while waiting must not cancel it for the others.
        return await asyncio.shield(self._flight)

    async def _fly(self) -> Snapshot:
        began = time.monotonic()
        whole = began - self._last_whole >= self._idle_s()
        wanted = [name for name, asked in self._asked.items() if whole or began - asked < _ASKED_S]
        if whole:
            self._last_whole = began
        picture = partial(self._picture, wanted, began)
        self._snapshot = await asyncio.get_running_loop().run_in_executor(self._thread, picture)
        self._cost_s = time.monotonic() - began
        return self._snapshot

    def _picture(self, wanted: list[str], began: float) -> Snapshot:
        overview = self._read()
        faces = {name: Face.of(self._painters[name](overview)) for name in wanted}
        return Snapshot(overview, {view.source.id: view for view in overview.sources}, faces, began)

    def _idle_s(self) -> float:
        return max(_IDLE_EVERY_S, _IDLE_SHARE * self._cost_s)

    def _notice(self) -> None:
        """Somebody asks: the keeper has to be quick from now on."""
        if self._keeper is None:
            self._keeper = asyncio.ensure_future(self._keep_fresh())
        elif time.monotonic() - self._last_asked >= _ASKED_S:
            self._wake.set()
        self._last_asked = time.monotonic()

    async def _keep_fresh(self) -> None:
        failing = False
        while True:
            try:
                await self._take()
            except Exception as error:
                # Whoever asks next gets the error itself; the log needs it once.
                if not failing:
                    log.warning("cannot read how everything is", error=str(error))
                failing = True
            else:
                failing = False
            asked = time.monotonic() - self._last_asked < _ASKED_S
            pause_s = max(_EVERY_S, _SHARE * self._cost_s) if asked else self._idle_s()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause_s)
