"""What was strange, and what is normal, as JSON."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from monitoring_pipeline.api.room import Room, failures
from monitoring_pipeline.clock import parse_duration
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import Severity
from monitoring_pipeline.reports.anomalies import strange_document

__all__ = ["routes"]

_LONGEST = timedelta(days=400)


class Anomaly(BaseModel):
    """Something that was strange: an alarm with its end, a flat line, a new level, or a gap."""

    source: str
    check: str
    metric: str
    kind: str = Field(description="anomaly, flatline, level_shift or gap")
    began: datetime
    ended: datetime | None = Field(description="null while it goes on, and for what has no length")
    open: bool = Field(description="whether it goes on")
    severity: Severity
    text: str = Field(description="what was measured, and what would have been normal")
    value: float | None = Field(description="the strangest value")
    score: float | None = Field(description="its score: 2 is a warning, 3 critical")
    expected_low: float | None = Field(description="the lowest that was normal when it began")
    expected_high: float | None = Field(description="the highest")
    unit: str
    tags: dict[str, str]
    confirmed: bool | None = Field(None, description="of a level_shift: whether it was one, seen with hindsight")
    isolation: float | None = Field(
        None, description="what the isolation forest said afterwards: 1 is one in a hundred"
    )
    combined: float | None = Field(None, description="the geometric mean of that and the score")


class Anomalies(BaseModel):
    """What was strange since a moment, newest first."""

    since: datetime
    at: datetime
    anomalies: list[Anomaly]


class SlotAnswer(BaseModel):
    """An hour of the week on the wall of `analysis.timezone`."""

    weekday: int = Field(description="Monday is 0")
    hour: int
    low: float | None
    expected: float | None
    high: float | None


class BaselineAnswer(BaseModel):
    """What is normal for one series."""

    source: str
    check: str
    metric: str
    tags: dict[str, str]
    unit: str
    learning: bool = Field(description="too little is known yet; nothing is alarmed")
    paused: bool = Field(description="the source is in trouble; what it measures is not learnt")
    slots: list[SlotAnswer]


class Baselines(BaseModel):
    """What is normal for a source."""

    source: str
    at: datetime
    baselines: list[BaselineAnswer]


def routes(room: Room) -> APIRouter:
    """The routes of scores."""
    router = APIRouter(tags=["anomalies"])
    monitoring = room.monitoring

    @router.get("/anomalies", response_model=Anomalies, responses=failures(422, 503))
    async def anomalies(
        source: Annotated[str | None, Query(description="Only of this source.")] = None,
        metric: Annotated[str | None, Query(description="Only of this metric.")] = None,
        since: Annotated[str, Query(description="How far back: 30m, 24h, 7d.")] = "24h",
    ) -> Anomalies:
        """What was strange, of one source or of all, newest first."""
        now, span = monitoring.clock(), _span(since)
        found = await asyncio.to_thread(monitoring.scoring.strange, now - span, source=source, metric=metric)
        return Anomalies(
            since=now - span, at=now, anomalies=[Anomaly.model_validate(strange_document(each)) for each in found]
        )

    @router.get("/baselines/{source}", response_model=Baselines, responses=failures(404, 503))
    async def baselines(
        source: Annotated[str, Path(description="The source's id.", examples=["orders-api"])],
        metric: Annotated[str | None, Query(description="Only of this metric.")] = None,
    ) -> Baselines:
        """What is normal for a source, by hour of the week."""
        from monitoring_pipeline.reports.baselines import baseline_document

        known = [each.id for each in monitoring.config.sources]
        if source not in known:
            raise NotFound("source", source[:200], known)
        found = await asyncio.to_thread(monitoring.scoring.baselines, source, metric)
        answers = [BaselineAnswer.model_validate(baseline_document(each)) for each in found]
        return Baselines(source=source, at=monitoring.clock(), baselines=answers)

    return router


def _span(text: str) -> timedelta:
    try:
        span = parse_duration(text)
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    if not timedelta(0) < span <= _LONGEST:
        raise HTTPException(422, "since must be more than nothing and at most 400 days")
    return span
