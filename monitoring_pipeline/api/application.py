"""Builds the FastAPI application around one Monitoring."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from monitoring_pipeline import __version__
from monitoring_pipeline.api import (
    alerts,
    anomalies,
    collections,
    duty,
    health,
    history,
    outlook,
    push,
    quality,
    sla,
    source_page,
    status_page,
)
from monitoring_pipeline.api.answers import components_health, system_health
from monitoring_pipeline.api.guard import Guard, allowed_hosts
from monitoring_pipeline.api.keeping import Kept, read_board
from monitoring_pipeline.api.painting import StatusPage
from monitoring_pipeline.api.room import STORE_ERRORS, Room, store_problem
from monitoring_pipeline.api.snapshots import Snapshots
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.errors import NotFound

__all__ = ["create_app"]

log = structlog.get_logger(__name__)

_TAGS = [
    {"name": "health", "description": "How everything is. Read models, at most a few seconds old."},
    {"name": "alerts", "description": "What fires, and what people do about it."},
    {"name": "people", "description": "What is muted, who is on call, what was told to whom."},
    {"name": "promises", "description": "What was promised, how it stands, and what people corrected."},
    {"name": "ourselves", "description": "Whether this process and monitoring itself work."},
    {"name": "collectors", "description": "Collectors report their attempts here; how each of them does."},
    {"name": "history", "description": "What was measured and found, in buckets of time, and in reports."},
    {"name": "outlook", "description": "Trends, forecasts, capacity, patterns in failures, risks and performance."},
    {"name": "anomalies", "description": "What was strange, and what is normal."},
    {"name": "quality", "description": "How good the data of sources are; frameworks report theirs here."},
    {"name": "heartbeats", "description": "Jobs report in here; their silence is the alarm."},
]
_ABOUT = "Health of data sources, heartbeats of jobs, and the state of monitoring itself."


def create_app(monitoring: Monitoring) -> FastAPI:
    """The application; closes `monitoring` when it ends. Raises StoreError without the secret of URLs."""
    kept = Kept(partial(read_board, monitoring))
    page = StatusPage(monitoring, kept)
    snapshots = Snapshots(
        monitoring.overview,
        {
            "health": lambda overview: system_health(overview, monitoring.config.name).model_dump_json().encode(),
            "components": lambda overview: components_health(overview).model_dump_json().encode(),
            "fragment": page.fragment,
        },
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        snapshots.warm("health", "fragment")
        yield
        await snapshots.close()
        kept.close()
        monitoring.close()

    app = FastAPI(
        title=f"{monitoring.config.name} monitoring".strip(), version=__version__, description=_ABOUT,
        openapi_tags=_TAGS, lifespan=lifespan, docs_url=None, redoc_url=None,
    )  # fmt: skip
    _explain_failures(app, monitoring)
    room = Room(monitoring, snapshots)
    app.include_router(health.routes(room))
    app.include_router(push.routes(room))
    app.include_router(collections.routes(room))
    app.include_router(history.routes(room))
    app.include_router(outlook.routes(room))
    app.include_router(alerts.routes(room))
    app.include_router(duty.routes(room))
    app.include_router(sla.routes(room))
    app.include_router(quality.routes(room))
    app.include_router(anomalies.routes(room))
    app.include_router(source_page.routes(room))
    app.include_router(status_page.routes(room, page, app.openapi))
    app.add_middleware(Guard, hosts=allowed_hosts(monitoring.config.api.host, monitoring.config.api.public_url))
    return app


def _explain_failures(app: FastAPI, monitoring: Monitoring) -> None:
    async def not_found(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404)

    async def misasked(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
        told = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return JSONResponse({"detail": told}, 422)

    async def store_failed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": store_problem(monitoring, error)}, 503, headers={"Retry-After": "5"})

    app.add_exception_handler(NotFound, not_found)
    app.add_exception_handler(RequestValidationError, misasked)
    for kind in STORE_ERRORS:
        app.add_exception_handler(kind, store_failed)
