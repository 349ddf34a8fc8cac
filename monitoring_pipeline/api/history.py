"""What was measured and found over long times, out of rollups; and reports, made when asked for, one at a time."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from monitoring_pipeline.api.room import Room, failures
from monitoring_pipeline.clock import parse_duration
from monitoring_pipeline.errors import NotFound, Refusal

__all__ = ["routes"]

_LONGEST = timedelta(days=3660)
_LevelName = Literal["minute", "hour", "day", "week"]
_Format = Literal["json", "html", "markdown", "csv"]
_MEDIA = {"json": "application/json", "html": "text/html", "markdown": "text/markdown", "csv": "text/csv"}
_ENDINGS = {"json": "json", "html": "html", "markdown": "md", "csv": "csv"}


class Bucket(BaseModel):
    """What was measured in a stretch of time."""

    start: datetime
    count: int
    avg: float
    min: float
    max: float
    earliest: float = Field(description="the first value")
    latest: float = Field(description="the last value")
    p50: float
    p95: float
    p99: float
    outliers: int | None = Field(description="values beyond the fences of the days before; null without such days")


class SeriesAnswer(BaseModel):
    """One metric of one check."""

    check: str
    metric: str
    buckets: list[Bucket] = Field(description="oldest first; those without values are left out")


class Executions(BaseModel):
    """What one check found in a stretch of time."""

    check: str
    start: datetime
    healthy: int
    warning: int
    critical: int
    unknown: int
    skipped: int = Field(description="of these, without a probe")
    missed: int = Field(description="slots that nobody executed")
    unknown_s: float = Field(description="seconds of which nothing is known")


class History(BaseModel):
    """A source's past in buckets of one width."""

    source: str
    level: _LevelName
    since: datetime
    until: datetime
    series: list[SeriesAnswer]
    executions: list[Executions]


def routes(room: Room) -> APIRouter:
    """The routes of history and reports."""
    router = APIRouter(tags=["history"])
    _add_history(router, room)
    _add_reports(router, room)
    return router


def _add_history(router: APIRouter, room: Room) -> None:
    @router.get("/history/{source}", response_model=History, responses=failures(404, 422, 503))
    async def history(
        source: Annotated[str, Path(description="The source's id.", examples=["orders-api"])],
        since: Annotated[str, Query(max_length=40, description="How far back, such as `24h` or `90d`.")] = "24h",
        metric: Annotated[str | None, Query(max_length=400, description="Only this metric.")] = None,
        check: Annotated[str | None, Query(max_length=400, description="Only this check.")] = None,
        level: Annotated[
            _LevelName | None, Query(description="How wide buckets are; by the span if not given.")
        ] = None,
    ) -> History:
        """What was measured and found, in minutes, hours, days or weeks."""
        known = {each.id for each in room.monitoring.config.sources}
        if source not in known:
            raise NotFound("source", source[:200], known)
        return await asyncio.to_thread(_read, room, source, _span(since), metric, check, level)


def _span(text: str) -> timedelta:
    try:
        span = parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, f"since: {error}") from None
    if not timedelta(0) < span <= _LONGEST:
        raise HTTPException(422, "since: it must be more than nothing and at most ten years")
    return span


def _read(
    room: Room, source: str, span: timedelta, metric: str | None, check: str | None, level: _LevelName | None
) -> History:
    from monitoring_pipeline.store import rollups

    until = room.monitoring.clock()
    since = until - span
    width = next((each for each in rollups.LEVELS if each.name == level), None) or rollups.level_for(span)
    tables = ("samples", "results", "gaps")
    begin, reads = width.floor(since), rollups.READS
    with room.monitoring.history(since=begin, source=source, tables=tables, columns=reads) as connection:
        rows = rollups.series(connection, source, metric, since, until, check=check, level=width)
        found = rollups.executions(connection, source, since, until, check=check, level=width)
    series: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        series.setdefault((row["check"], row["metric"]), []).append(row)
    listed = [{"check": key[0], "metric": key[1], "buckets": buckets} for key, buckets in series.items()]
    return History.model_validate(
        {"source": source, "level": width.name, "since": since, "until": until, "series": listed, "executions": found}
    )


def _add_reports(router: APIRouter, room: Room) -> None:
    turn = asyncio.Lock()

    @router.get("/reports", responses=failures(404, 422, 503), response_class=Response)
    async def reports(
        source: Annotated[str | None, Query(max_length=400, description="About this source.")] = None,
        component: Annotated[str | None, Query(max_length=400, description="About this component.")] = None,
        period: Annotated[Literal["day", "week", "month"], Query(description="What it covers.")] = "week",
        day: Annotated[
            date | None, Query(description="A day of the period; the last one that is over if none.")
        ] = None,
        format: Annotated[_Format, Query(description="How it is written.")] = "json",  # noqa: A002 - its name in the URL
    ) -> Response:
        """How a day, a week or a month went: of everything, a component or a source. HTML comes as a file."""
        if source is not None and component is not None:
            raise HTTPException(422, "source and component exclude each other")
        async with turn:
            try:
                text, name = await asyncio.to_thread(_report, room, source, component, period, day, format)
            except Refusal as error:
                raise HTTPException(422, f"day: {error}") from None
        headers = {"Content-Disposition": f'attachment; filename="{name}"'} if format != "json" else {}
        return Response(text, media_type=_MEDIA[format], headers=headers)


def _report(
    room: Room, source: str | None, component: str | None, period: Any, day: date | None, format_: _Format
) -> tuple[str, str]:
    from monitoring_pipeline.reports.periodic.letter import WRITERS

    reporting = room.monitoring.reporting
    made = reporting.make(reporting.period(period, day), source=source, component=component)
    return WRITERS[format_](made), f"{made.scope}-{made.period.name}.{_ENDINGS[format_]}"
