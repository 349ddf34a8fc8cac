"""What history says about the coming days: trends, risks, capacity, patterns, performance, forecasts.

What is computed for all sources is read from the published warehouse. A forecast is made when asked for, one at a
time: it costs a fraction of a second of CPU.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query

from monitoring_pipeline.api.outlook_answers import Forecasts, Patterns, Performances, Risks, Trends
from monitoring_pipeline.api.room import Room, failures
from monitoring_pipeline.clock import parse_duration
from monitoring_pipeline.errors import NotFound

__all__ = ["routes"]

OnlySource = Annotated[str | None, Query(max_length=400, description="Only this source.")]
_LONGEST = timedelta(days=30)


def routes(room: Room) -> APIRouter:
    """The routes of the outlook."""
    router = APIRouter(prefix="/outlook", tags=["outlook"])
    _add_kept(router, room)
    _add_forecast(router, room)
    return router


def _add_kept(router: APIRouter, room: Room) -> None:
    async def read(table: str, source: str | None) -> tuple[Any, list[dict[str, Any]]]:
        return await asyncio.to_thread(room.monitoring.outlook.read, table, source)

    @router.get("/trends", response_model=Trends, responses=failures(503))
    async def trends(source: OnlySource = None) -> Trends:
        """Where metrics are heading, as of the last daily run."""
        at, rows = await read("trends", source)
        rows.sort(key=lambda row: (row["direction"] not in ("upward", "downward"), -row["strength"]))
        return Trends.model_validate({"at": at, "trends": rows})

    @router.get("/risks", response_model=Risks, responses=failures(503))
    async def risks(source: OnlySource = None) -> Risks:
        """How likely sources are to fail within an hour and a day, as of the last hourly run."""
        at, rows = await read("risks", None)
        _, limits = await read("capacity", source)
        system: Mapping[str, Any] = next((row for row in rows if not row["source"]), {})
        found = sorted((row for row in rows if row["source"] and source in (None, row["source"])), key=_greatest)
        return Risks.model_validate(
            {"at": at, "system": system.get("risk"), "top": system.get("reasons", []), "risks": found,
             "capacity": [await asyncio.to_thread(_told, row) for row in limits]}
        )  # fmt: skip

    @router.get("/patterns", response_model=Patterns, responses=failures(503))
    async def patterns(source: OnlySource = None) -> Patterns:
        """Patterns in failures, as of the last daily run."""
        at, rows = await read("patterns", source)
        return Patterns.model_validate({"at": at, "patterns": rows})

    @router.get("/performance", response_model=Performances, responses=failures(503))
    async def performance() -> Performances:
        """The last day of each component against its baseline, as of the last daily run."""
        at, rows = await read("performance", None)
        return Performances.model_validate({"at": at, "performance": rows})


def _greatest(row: Mapping[str, Any]) -> tuple[bool, float]:
    return row["risk"] is None, -(row["risk"] or 0.0)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    from monitoring_pipeline.analysis.outlook_rows import reach_of
    from monitoring_pipeline.analysis.sentences import reach_in_words

    return {**row, "text": reach_in_words(reach_of(row))}


def _add_forecast(router: APIRouter, room: Room) -> None:
    turn = asyncio.Lock()

    @router.get("/forecast/{source}", response_model=Forecasts, responses=failures(404, 422, 503))
    async def forecast(
        source: Annotated[str, Path(description="The source's id.", examples=["orders-api"])],
        metric: Annotated[str | None, Query(max_length=400, description="Only this metric.")] = None,
        ahead: Annotated[str, Query(max_length=40, description="How far to look, such as `24h`; at most 30d.")] = "24h",
    ) -> Forecasts:
        """What the metrics of a source will be, with 90 % intervals, from the last four weeks."""
        known = {each.id for each in room.monitoring.config.sources}
        if source not in known:
            raise NotFound("source", source[:200], known)
        span = _span(ahead)
        async with turn:
            found = await asyncio.to_thread(room.monitoring.outlook.forecast_document, source, metric, span)
        return Forecasts.model_validate(found)


def _span(text: str) -> timedelta:
    try:
        span = parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, f"ahead: {error}") from None
    if not timedelta(0) < span <= _LONGEST:
        raise HTTPException(422, "ahead: it must be more than nothing and at most 30d")
    return span
