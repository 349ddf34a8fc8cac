"""How good the data of sources are, and where existing frameworks report what they measured."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel

from monitoring_pipeline.api.bodies import described, read
from monitoring_pipeline.api.permission import demand_report
from monitoring_pipeline.api.quality_answers import QualityAnswer, Reported, RunAnswer, SourceAnswer
from monitoring_pipeline.api.room import Room, failures
from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.reports.quality import quality_document, run_document

__all__ = ["routes"]

_MOST_BYTES = 4_000_000
_BODY = described(Reported)

Source = Annotated[str, Path(description="The source's id.", examples=["orders-db"])]


def routes(room: Room) -> APIRouter:
    """The routes of quality."""
    router = APIRouter(prefix="/quality", tags=["quality"])
    quality, clock = room.monitoring.quality, room.monitoring.clock
    writer = ThreadPoolExecutor(1, thread_name_prefix="quality")

    @router.get("", response_model=QualityAnswer, responses=failures(503))
    async def sources() -> Response:
        """All sources that have suites, or whose quality was reported."""
        found = await asyncio.to_thread(quality.of_sources)
        documents = [quality_document(each) for each in found]
        return _json(QualityAnswer.model_validate({"at": clock(), "sources": documents}))

    @router.get("/{source}", response_model=SourceAnswer, responses=failures(404, 503))
    async def source(source: Source) -> Response:
        """One source with what every expectation found, and rows that fail."""
        return _json(SourceAnswer.model_validate(quality_document(await asyncio.to_thread(quality.of_source, source))))

    @router.post(
        "", response_model=RunAnswer, status_code=201, responses=failures(401, 403, 404, 413, 422, 503),
        openapi_extra=_BODY,
    )  # fmt: skip
    async def report(request: Request) -> Response:
        """Takes what an existing framework measured; 201 once it is on disk and rules have judged it.

        What is reported again by the same `key` counts once, and is answered as it was the first time.
        """
        demand_report(room.monitoring, request)
        told = await read(request, Reported, _MOST_BYTES)
        push = asyncio.get_running_loop().run_in_executor(
            writer, quality.push, told.source, told.measurement(), told.suite, told.key
        )
        try:
            run = await push
        except CheckError as error:
            raise HTTPException(422, str(error)) from None
        return _json(RunAnswer.model_validate(run_document(run)), 201)

    return router


def _json(answer: BaseModel, code: int = 200) -> Response:
    return Response(
        answer.model_dump_json(), code, media_type="application/json", headers={"Cache-Control": "no-store"}
    )
