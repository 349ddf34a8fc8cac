"""The page of one source: what its suites found with rows that fail, what is strange, and its promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, Response

from monitoring_pipeline.analysis.sla.standing import Standing
from monitoring_pipeline.api.painting import TONES, environment
from monitoring_pipeline.api.room import Room
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import Status
from monitoring_pipeline.reports import SourceView
from monitoring_pipeline.reports.facets import promise_facet
from monitoring_pipeline.reports.quality import SourceQuality

__all__ = ["routes"]

_STRANGE, _PICTURED = timedelta(days=2), timedelta(days=2)
_STRANGE_SHOWN, _SCORES_DRAWN = 20, 60


def routes(room: Room) -> APIRouter:
    """The pages of sources and their pictures; none of them is part of the API's description."""
    router = APIRouter(prefix="/sources/{source}", include_in_schema=False)
    template = environment(room.monitoring).get_template("source_page.html")

    @router.get("")
    async def page(source: str) -> Response:
        view = (await room.snapshots.get()).by_id.get(source)
        if view is None:
            raise HTTPException(404)
        facts = await asyncio.to_thread(_facts, room, view)
        return HTMLResponse(template.render(view=view, tones=TONES, **facts), headers={"Cache-Control": "no-store"})

    _add_pictures(router, room)
    return router


def _facts(room: Room, view: SourceView) -> dict[str, Any]:
    monitoring, source = room.monitoring, view.source.id
    now, scored = monitoring.clock(), monitoring.config.analysis.enabled
    strange = monitoring.scoring.strange(now - _STRANGE, source=source) if scored else []
    strange.sort(key=lambda each: (not each.is_open, -each.began.timestamp()))
    standings = _standings(room, source)
    return {
        "quality": _worst_first(monitoring.quality.of_source(source)), "scored": scored,
        "strange": strange[:_STRANGE_SHOWN], "more": max(0, len(strange) - _STRANGE_SHOWN),
        "drawn": next((each.metric for each in strange if each.metric), None),
        "promises": [promise_facet(each) for each in standings],
    }  # fmt: skip


def _worst_first(quality: SourceQuality) -> dict[str, Any]:
    """The suites with their findings, those that are not met first, then those that nobody could judge."""
    suites = [
        {"view": view, "findings": sorted(view.run.findings, key=lambda each: -Status(each["status"]).rank)
         if view.run is not None else []}
        for view in sorted(quality.suites, key=lambda view: -view.status.rank)
    ]  # fmt: skip
    return {"sum": quality, "suites": suites}


def _standings(room: Room, source: str) -> list[Standing]:
    sla = room.monitoring.sla
    mine = {promise.objective for promise in sla.room().promises if source in promise.sources}
    found = sla.standings(objectives=mine) if mine else []
    return [each for each in found if source in each.promise.sources]


def _add_pictures(router: APIRouter, room: Room) -> None:
    monitoring = room.monitoring

    @router.get("/strange.png")
    async def strange(source: str, metric: Annotated[str, Query(max_length=200)]) -> Response:
        _known(room, source)
        since = monitoring.clock() - _PICTURED
        return await _picture(lambda: monitoring.scoring.picture(source, metric, since))

    @router.get("/quality.png")
    async def scores(source: str, suite: Annotated[str, Query(max_length=200)]) -> Response:
        from monitoring_pipeline.alerting.delivery.plot import series_png

        _known(room, source)

        def draw() -> bytes | None:
            found = monitoring.quality.scores(source, suite, _SCORES_DRAWN)
            values = [(at, score) for at, _, score in found if score is not None]
            return series_png(f"quality by {suite}", values, most=100)

        return await _picture(draw)

    @router.get("/budgets.png")
    async def budgets(source: str) -> Response:
        from monitoring_pipeline.alerting.delivery.plot import drawing
        from monitoring_pipeline.reports.sla_plot import standings_png

        _known(room, source)

        def draw() -> bytes | None:
            found = _standings(room, source)
            with drawing:
                return standings_png(found) if found else None

        return await _picture(draw)


def _known(room: Room, source: str) -> None:
    known = [each.id for each in room.monitoring.config.sources]
    if source not in known:
        raise NotFound("source", source[:200], known)


async def _picture(draw: Callable[[], bytes | None]) -> Response:
    found = await asyncio.to_thread(draw)
    if found is None:
        raise HTTPException(404)
    return Response(found, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})
