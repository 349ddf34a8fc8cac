"""Collectors report their attempts here, and how they do is read here.

Requests that come while a transaction runs share the next one: a thousand collectors that report each second cost
a few commits, and each gets its 200 only once its attempts are on disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import structlog
from fastapi import APIRouter, HTTPException, Path, Query, Request

from monitoring_pipeline.api.bodies import described, read_bytes
from monitoring_pipeline.api.collected import Attempt, Batch, Taken, attempts_of
from monitoring_pipeline.api.collector_answers import CollectorAnswer, CollectorDetailAnswer, Collectors
from monitoring_pipeline.api.permission import demand_report
from monitoring_pipeline.api.room import STORE_ERRORS, Room, failures, store_problem
from monitoring_pipeline.collection.health import CollectorHealth
from monitoring_pipeline.records import CollectionAttempt
from monitoring_pipeline.reports.collectors import collector_document, detail_document

__all__ = ["routes"]

log = structlog.get_logger(__name__)
_MOST_BYTES = 4_000_000
_MOST_WAITING = 20_000
_AT_ONCE = 5_000
_FRESH_S, _SHARE = 2.0, 9.0
_BODY = described(Attempt)

Collector = Annotated[str, Path(description="The collector's name.", examples=["orders-loader"])]


class _Desk:
    """Takes attempts to the store, those of many requests together, in a thread of its own."""

    def __init__(self, room: Room) -> None:
        self._monitoring = room.monitoring
        self._waiting: list[tuple[Batch, asyncio.Future[int]]] = []
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="collections")

    async def take(self, batch: Batch) -> int:
        """How many of the attempts were new. Raises 503 when they could not be kept."""
        if sum(len(each.attempts) for each, _ in self._waiting) > _MOST_WAITING:
            raise _try_again("more was reported than can be written")
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batches = self._next()
            attempts = [attempt for batch, _ in batches for attempt in batch.attempts]
            try:
                write = asyncio.get_running_loop().run_in_executor(self._thread, self._record, attempts)
                new = {attempt.key for attempt in await write}
            except Exception as error:
                self._tell(error, [future for _, future in batches])
                continue
            for batch, future in batches:
                fresh = new & {attempt.key for attempt in batch.attempts}
                new -= fresh
                if not future.done():  # whoever reported may have gone away
                    future.set_result(len(fresh))

    def _record(self, attempts: list[CollectionAttempt]) -> list[CollectionAttempt]:
        return self._monitoring.collection.record(attempts)

    def _next(self) -> list[tuple[Batch, asyncio.Future[int]]]:
        size, count = 0, 0
        for batch, _ in self._waiting:
            size += len(batch.attempts)
            if count and size > _AT_ONCE:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def _tell(self, error: Exception, futures: list[asyncio.Future[int]]) -> None:
        problem = store_problem(self._monitoring, error)
        log.warning("collection attempts were not recorded", problem=problem)
        told = _try_again("the operational store cannot be used") if isinstance(error, STORE_ERRORS) else error
        for future in futures:
            if not future.done():
                future.set_exception(told)


class _Views:
    """How the collectors do, asked of the store now and then and shared by all who ask."""

    def __init__(self, room: Room) -> None:
        self._read: Callable[[], list[CollectorHealth]] = lambda: room.monitoring.collection.health()
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._views: list[CollectorHealth] = []

    async def get(self) -> list[CollectorHealth]:
        async with self._lock:
            began = time.monotonic()
            if began >= self._until:
                self._views = await asyncio.to_thread(self._read)
                ended = time.monotonic()
                self._until = ended + max(_FRESH_S, _SHARE * (ended - began))
            return self._views


def _try_again(reason: str) -> HTTPException:
    return HTTPException(503, f"not recorded, try again: {reason}", headers={"Retry-After": "5"})


def routes(room: Room) -> APIRouter:
    """The routes of collectors."""
    router = APIRouter(tags=["collectors"])
    _add_reporting(router, room)
    _add_reading(router, room)
    return router


def _add_reporting(router: APIRouter, room: Room) -> None:
    desk = _Desk(room)
    collecting = room.monitoring.collection

    @router.post("/collections", response_model=Taken, responses=failures(401, 403, 413, 422, 503), openapi_extra=_BODY)
    async def report(request: Request) -> Taken:
        """Takes one attempt, or a list of at most 1,000.

        200 says that all but the rejected ones are on disk. Attempts are told apart by their `key`: what is reported
        again is kept once.
        """
        demand_report(room.monitoring, request)
        batch = attempts_of(await read_bytes(request, _MOST_BYTES), collecting.source_of, room.monitoring.clock())
        new = await desk.take(batch) if batch.attempts else 0
        return Taken(accepted=new, duplicates=len(batch.attempts) - new, rejected=batch.rejected)


def _add_reading(router: APIRouter, room: Room) -> None:
    views = _Views(room)

    @router.get("/collectors", response_model=Collectors, responses=failures(503))
    async def collectors() -> Collectors:
        """How all collectors do that are declared or ever reported, the worst first."""
        found = await views.get()
        return Collectors(at=room.monitoring.clock(), collectors=[_answer(view) for view in found])

    @router.get("/collectors/{collector}", response_model=CollectorDetailAnswer, responses=failures(404, 503))
    async def collector(
        collector: Collector, limit: Annotated[int, Query(ge=0, le=1_000, description="How many attempts.")] = 20
    ) -> CollectorDetailAnswer:
        """One collector with its newest attempts."""
        detail = await asyncio.to_thread(room.monitoring.collection.detail, collector, limit=limit)
        return CollectorDetailAnswer.model_validate(detail_document(detail))


def _answer(view: CollectorHealth) -> CollectorAnswer:
    return CollectorAnswer.model_validate(collector_document(view))
