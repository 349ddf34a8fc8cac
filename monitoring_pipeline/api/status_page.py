"""The status page, the fragment it updates itself with, its static files, and the API's reference."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from monitoring_pipeline.api.assets import ASSETS
from monitoring_pipeline.api.painting import StatusPage
from monitoring_pipeline.api.room import STORE_ERRORS, Room, answer, store_problem

__all__ = ["routes"]

_HTML = "text/html; charset=utf-8"
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def routes(room: Room, page: StatusPage, openapi: Callable[[], dict[str, Any]]) -> APIRouter:
    """The routes that browsers use; none of them is part of the API's description."""
    router = APIRouter(include_in_schema=False)
    _add_status(router, room, page)
    _add_files(router)

    @router.get("/docs")
    async def reference() -> Response:
        return HTMLResponse(page.reference(openapi()))

    return router


def _add_status(router: APIRouter, room: Room, page: StatusPage) -> None:

    @router.get("/")
    async def status(request: Request) -> Response:
        try:
            fragment = await room.snapshots.face("fragment")
        except STORE_ERRORS as error:
            return HTMLResponse(page.broken(store_problem(room.monitoring, error)), 503)
        body = await asyncio.to_thread(page.page, fragment.body)
        head = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = await asyncio.to_thread(gzip.compress, body, 1)
            head["Content-Encoding"] = "gzip"
        return Response(body, media_type=_HTML, headers=head)

    @router.get("/status/fragment")
    async def fragment(request: Request) -> Response:
        return answer(request, await room.snapshots.face("fragment"), _HTML)

    @router.get("/status/sources/{source}")
    async def inside(source: str) -> Response:
        view = (await room.snapshots.get()).by_id.get(source)
        if view is None:
            raise HTTPException(404)
        return HTMLResponse(page.inside(view))


def _add_files(router: APIRouter) -> None:
    @router.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        asset = ASSETS.get(name)
        if asset is None:
            raise HTTPException(404)
        return answer(request, asset.face, asset.media_type, _FOR_EVER)

    @router.get("/favicon.ico")
    async def icon(request: Request) -> Response:
        asset = ASSETS["icon-unknown.svg"]
        return answer(request, asset.face, asset.media_type)
