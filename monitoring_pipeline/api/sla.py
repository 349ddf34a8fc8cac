"""Promises, reliability and the ledger as JSON; corrections are added here as on the command line."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import Connection

from monitoring_pipeline.api import bodies
from monitoring_pipeline.api.alerts import BY_API, act
from monitoring_pipeline.api.permission import demand
from monitoring_pipeline.api.room import Room, failures
from monitoring_pipeline.api.sla_answers import Checked, Corrected, Entries, ReliabilityAnswer, Standings
from monitoring_pipeline.clock import parse_duration
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import LedgerEntry

__all__ = ["routes"]

Text = Annotated[str | None, Query(max_length=400)]
Number = Annotated[int, Path(description="Its number.", ge=1, le=2**62, examples=[1])]
_LONGEST = timedelta(days=1200)


def routes(room: Room) -> APIRouter:
    """The routes of promises."""
    router = APIRouter(prefix="/sla", tags=["promises"])
    _add_reading(router, room)
    _add_ledger(router, room)
    _add_correcting(router, room)
    return router


def _json(answer: BaseModel, code: int = 200) -> Response:
    return Response(
        answer.model_dump_json(by_alias=True), code, media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip


def _add_reading(router: APIRouter, room: Room) -> None:
    @router.get("", response_model=Standings, responses=failures(404, 422, 503))
    async def standings(
        objective: Text = None,
        source: Text = None,
        at: Annotated[datetime | None, Query(description="The period that holds this moment; now by default.")] = None,
    ) -> Response:
        """How promises stand, those with the least budget left first."""
        if at is not None and not 1970 <= at.year < 3000:
            raise HTTPException(422, "at: it must lie between 1970 and 3000")
        moment = at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
        return _json(Standings.model_validate(await asyncio.to_thread(_standings, room, objective, source, moment)))

    @router.get("/reliability", response_model=ReliabilityAnswer, responses=failures(422, 503))
    async def reliability(
        since: Annotated[str, Query(description="How far back, such as `30d`.")] = "30d",
    ) -> Response:
        """MTBF, MTTR, MTTD and MTTA of the system, its components and sources."""
        from monitoring_pipeline.reports.sla import reliability_document

        now, lasting = room.monitoring.clock(), _lasting(since)
        view = await asyncio.to_thread(room.monitoring.sla.reliability, now - lasting, now)
        return _json(ReliabilityAnswer.model_validate(reliability_document(view)))


def _standings(room: Room, objective: str | None, source: str | None, at: datetime | None) -> dict[str, Any]:
    from monitoring_pipeline.reports.sla import standing_document

    config = room.monitoring.config
    if objective is not None and objective not in config.objectives:
        raise NotFound("objective", objective, config.objectives)
    if source is not None and source not in (known := [each.id for each in config.sources]):
        raise NotFound("source", source, known)
    found = room.monitoring.sla.standings(
        at=at, objectives=None if objective is None else [objective], daily=False
    )  # fmt: skip
    if source is not None:
        found = [each for each in found if source in each.promise.sources]
    found.sort(key=lambda each: 1.0 if each.budget.left_share is None else each.budget.left_share)
    return {"at": room.monitoring.clock(), "standings": [standing_document(each) for each in found]}


def _lasting(text: str) -> timedelta:
    try:
        lasting = parse_duration(text)
    except ValueError as error:
        raise HTTPException(422, f"since: {error}") from None
    if not timedelta(0) < lasting <= _LONGEST:
        raise HTTPException(422, f"since: longer than nothing, and at most {_LONGEST.days}d")
    return lasting


def _add_ledger(router: APIRouter, room: Room) -> None:
    @router.get("/ledger", response_model=Entries, responses=failures(503))
    async def ledger(source: Text = None) -> Response:
        """The corrections with their hashes, in the order they were written."""
        from monitoring_pipeline.store.ledger import document

        found = await asyncio.to_thread(room.monitoring.sla.entries)
        mine = [document(entry) for entry in found if source in (None, entry.source)]
        return _json(Entries.model_validate({"entries": mine}))

    @router.get("/ledger/check", response_model=Checked, responses=failures(503))
    async def check() -> Response:
        """Whether nobody changed, put in or took away an entry."""
        count, broken = await asyncio.to_thread(room.monitoring.sla.verify)
        told = None if broken is None else {"number": broken.number, "why": broken.why}
        return _json(Checked.model_validate({"entries": count, "whole": broken is None, "broken": told}))


def _add_correcting(router: APIRouter, room: Room) -> None:
    @router.post(
        "/corrections", response_model=Corrected, status_code=201, responses=failures(403, 404, 409, 413, 422, 503),
        openapi_extra=bodies.described(bodies.Correction),
    )  # fmt: skip
    async def correct(request: Request) -> Response:
        """Says what a past period of a source is to count as. Nothing is overwritten: both figures are told."""
        demand(room.monitoring, request)
        given = await bodies.read(request, bodies.Correction)
        return _added(await act(room, partial(_correct, room, given)))

    @router.post(
        "/corrections/{number}/revoke", response_model=Corrected, status_code=201,
        responses=failures(403, 404, 409, 413, 422, 503), openapi_extra=bodies.described(bodies.Revocation),
    )  # fmt: skip
    async def revoke(request: Request, number: Number) -> Response:
        """Takes a correction back, by a further entry."""
        from monitoring_pipeline.analysis.sla.correcting import revoke as take_back

        demand(room.monitoring, request)
        given = await bodies.read(request, bodies.Revocation)

        def do(connection: Connection, now: datetime) -> LedgerEntry:
            return take_back(connection, number, author=given.by or BY_API, reason=given.reason, now=now)

        return _added(await act(room, do))


def _correct(room: Room, given: bodies.Correction, connection: Connection, now: datetime) -> LedgerEntry:
    return room.monitoring.sla.correct(
        connection, given.source, given.start, given.end, given.as_, author=given.by or BY_API, reason=given.reason,
        objective=given.objective,
    )  # fmt: skip


def _added(entry: LedgerEntry) -> Response:
    from monitoring_pipeline.store.ledger import document

    text = f"entry {entry.number} of the ledger"
    told = text if entry.revokes is None else f"{text} revokes entry {entry.revokes}"
    return _json(Corrected.model_validate({"text": told, "entry": document(entry)}), 201)
