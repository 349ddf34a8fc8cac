"""Health as JSON, for load balancers, scripts and other monitors."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response

from monitoring_pipeline import __version__
from monitoring_pipeline.api.answers import (
    ComponentsHealth,
    Live,
    Ready,
    SourceHealth,
    SystemHealth,
    Watching,
    source_health,
)
from monitoring_pipeline.api.room import STORE_ERRORS, Room, answer, failures, store_problem
from monitoring_pipeline.errors import NotFound

__all__ = ["routes"]

_JSON = "application/json"
_READY_S = 5.0


def routes(room: Room) -> APIRouter:
    """The routes of health and of the API's own state."""
    router = APIRouter()
    _add_health(router, room)
    _add_own_state(router, room)
    return router


def _add_health(router: APIRouter, room: Room) -> None:
    @router.get("/health", response_model=SystemHealth, responses=failures(503), tags=["health"])
    async def health(request: Request) -> Response:
        """How the whole system is.

        Answers 200 whatever the status is: the status is in the body. 503 means that we cannot know,
        because the operational store cannot be read.
        """
        return answer(request, await room.snapshots.face("health"), _JSON)

    @router.get("/health/components", response_model=ComponentsHealth, responses=failures(503), tags=["health"])
    async def components(request: Request) -> Response:
        """Every component with its sources."""
        return answer(request, await room.snapshots.face("components"), _JSON)

    @router.get("/health/sources/{source}", response_model=SourceHealth, responses=failures(404, 503), tags=["health"])
    async def source(source: str = Path(description="The source's id.", examples=["orders-api"])) -> Response:
        """One source with its checks."""
        snapshot = await room.snapshots.get()
        view = snapshot.by_id.get(source)
        if view is None:
            raise NotFound("source", source[:200], snapshot.by_id)
        return Response(source_health(view).model_dump_json(), media_type=_JSON)


def _add_own_state(router: APIRouter, room: Room) -> None:
    @router.get("/health/monitoring", response_model=Watching, responses=failures(503), tags=["ourselves"])
    async def watching() -> Response:
        """Whether monitoring itself runs: 200 while somebody executes checks, 503 when nobody does.

        Let something outside of this machine ask it: who watches cannot report its own death.
        """
        watch = (await room.snapshots.get()).overview.watch
        body = Watching(watching=watch.alive, heartbeat=watch.heartbeat)
        return JSONResponse(body.model_dump(mode="json"), 200 if watch.alive else 503)

    @router.get("/live", response_model=Live, tags=["ourselves"])
    async def live() -> Live:
        """The process answers; nothing else is looked at."""
        return Live(alive=True, version=__version__)

    @router.get("/ready", response_model=Ready, responses={503: {"model": Ready}}, tags=["ourselves"])
    async def ready() -> Response:
        """Whether requests can be served here: the store is reachable and has our schema, else 503.

        It does not ask whether anybody executes checks: taking away the status page and the push
        URLs would make that worse. That is `/health/monitoring`.
        """
        reasons = await _reasons(room)
        return JSONResponse(Ready(ready=not reasons, reasons=reasons).model_dump(), 503 if reasons else 200)


async def _reasons(room: Room) -> list[str]:
    monitoring = room.monitoring
    try:
        await asyncio.wait_for(asyncio.to_thread(monitoring.store.migrate, monitoring.clock()), _READY_S)
    except TimeoutError:
        return [f"the operational store did not answer within {_READY_S:.0f} s"]
    except STORE_ERRORS as error:
        return [store_problem(monitoring, error)]
    return []
