"""Silences, maintenance, people on call, channels and notifications as JSON."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import Connection

from monitoring_pipeline.alerting import actions
from monitoring_pipeline.alerting.actions import Muted as Done
from monitoring_pipeline.api import bodies
from monitoring_pipeline.api.alert_answers import Channels, Muted, Mutes, Notifications, OnCall, Windows
from monitoring_pipeline.api.alerts import BY_API, act
from monitoring_pipeline.api.permission import demand
from monitoring_pipeline.api.room import Room, failures
from monitoring_pipeline.reports.documents import (
    channel_document,
    notification_document,
    on_call_document,
    silence_document,
    window_document,
)
from monitoring_pipeline.reports.duty import duty
from monitoring_pipeline.store import deliveries, silences
from monitoring_pipeline.store.outbox import NotificationState
from monitoring_pipeline.store.silences import Silence, SilenceKind

__all__ = ["routes"]

MuteId = Annotated[int, Path(description="Its number.", ge=1, le=2**62, examples=[3])]
Everything = Annotated[bool, Query(alias="all", description="Also those that are over.")]
By = Annotated[str, Query(max_length=200, description="Who does it; by default the API.")]


def routes(room: Room) -> APIRouter:
    """The routes about people: what they muted, who is on call, what was told to whom."""
    router = APIRouter(tags=["people"])
    _add_silences(router, room)
    _add_maintenance(router, room)
    _add_people(router, room)
    return router


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})


# -- silences and maintenance ------------------------------------------------------------------------


def _add_silences(router: APIRouter, room: Room) -> None:
    @router.get("/silences", response_model=Mutes, responses=failures(503))
    async def found(everything: Everything = False) -> Response:
        """Silences that mute or will mute, newest first."""
        now, each = await _muted(room, SilenceKind.SILENCE, everything)
        return _json(Mutes.model_validate({"at": now, "silences": [silence_document(one, now) for one in each]}))

    @router.post("/silences", response_model=Muted, status_code=201, responses=failures(403, 404, 409, 413, 422, 503),
                 openapi_extra=bodies.described(bodies.Muting))  # fmt: skip
    async def add(request: Request) -> Response:
        """Silences alerts: they go on, and nobody is told. All that is given must match; it needs an end."""
        demand(room.monitoring, request)
        given = await bodies.read(request, bodies.Muting)
        return await _begin(room, given, SilenceKind.SILENCE)

    @router.delete("/silences/{number}", response_model=Muted, responses=failures(403, 404, 409, 503))
    async def end(request: Request, number: MuteId, by: By = "") -> Response:
        """Ends a silence now. What still fires is told."""
        demand(room.monitoring, request)
        return await _end(room, number, by, SilenceKind.SILENCE)


def _add_maintenance(router: APIRouter, room: Room) -> None:
    @router.get("/maintenance", response_model=Windows, responses=failures(503))
    async def found(everything: Everything = False) -> Response:
        """Maintenance that was announced, and the next windows of the configuration."""
        now, each = await _muted(room, SilenceKind.MAINTENANCE, everything)
        here = await asyncio.to_thread(duty, room.monitoring.store, room.monitoring.config.alerting, now)
        windows = [window_document(one, now) for one in await asyncio.to_thread(here.coming)]
        announced = [silence_document(one, now) for one in each]
        return _json(Windows.model_validate({"at": now, "announced": announced, "windows": windows}))

    @router.post(
        "/maintenance", response_model=Muted, status_code=201, responses=failures(403, 404, 409, 413, 422, 503),
        openapi_extra=bodies.described(bodies.Maintenance),
    )  # fmt: skip
    async def start(request: Request) -> Response:
        """Announces maintenance: nobody is told of these sources, and the time does not count."""
        demand(room.monitoring, request)
        given = await bodies.read(request, bodies.Maintenance)
        return await _begin(room, given, SilenceKind.MAINTENANCE)

    @router.delete("/maintenance/{number}", response_model=Muted, responses=failures(403, 404, 409, 503))
    async def end(request: Request, number: MuteId, by: By = "") -> Response:
        """Ends maintenance that was announced. What still fires is told."""
        demand(room.monitoring, request)
        return await _end(room, number, by, SilenceKind.MAINTENANCE)


async def _muted(room: Room, kind: SilenceKind, everything: bool) -> tuple[datetime, list[Silence]]:
    now = room.monitoring.clock()

    def read() -> list[Silence]:
        with room.monitoring.store.read() as connection:
            return silences.find(connection, kind=kind, over_since=None if everything else now)

    return now, await asyncio.to_thread(read)


async def _begin(room: Room, given: bodies.Maintenance, kind: SilenceKind) -> Response:
    done = await act(room, partial(_mute, room, given, kind))
    return _answered(room, done, 201 if done.changed else 200)


def _mute(room: Room, given: bodies.Maintenance, kind: SilenceKind, connection: Connection, now: datetime) -> Done:
    config, ends = room.monitoring.config, given.end(now)
    if ends is None and kind is SilenceKind.SILENCE:
        raise actions.Refusal("a silence needs an end: give `ends`, or `for` such as 2h")
    actions.verify(given.matchers, config.sources, config.alerting)
    return actions.mute(
        connection, given.matchers, given.by or BY_API, now, reason=given.reason, kind=kind, starts=given.starts,
        ends=ends,
    )  # fmt: skip


async def _end(room: Room, number: int, by: str, kind: SilenceKind) -> Response:
    name = by.replace("\0", "").strip() or BY_API
    done = await act(room, lambda connection, now: actions.end_mute(connection, number, name, now, kind=kind))
    return _answered(room, done, 200)


def _answered(room: Room, done: Done, code: int) -> Response:
    silence = silence_document(done.silence, room.monitoring.clock())
    answer = _json(Muted.model_validate({"changed": done.changed, "text": done.text, "silence": silence}))
    answer.status_code = code
    return answer


# -- who and what ------------------------------------------------------------------------------------


def _add_people(router: APIRouter, room: Room) -> None:
    @router.get("/oncall", response_model=OnCall, responses=failures(503))
    async def oncall() -> Response:
        """Who is on call now, per rota."""
        return _json(OnCall.model_validate(await asyncio.to_thread(_on_call, room)))

    @router.get("/channels", response_model=Channels, responses=failures(503))
    async def channels() -> Response:
        """How the channels do: when each last proved to work, what failed, what waits."""
        views = await asyncio.to_thread(room.monitoring.channels)
        found = [channel_document(view) for view in views]
        return _json(Channels.model_validate({"at": room.monitoring.clock(), "channels": found}))

    @router.get("/notifications", response_model=Notifications, responses=failures(503))
    async def notifications(
        state: Annotated[list[NotificationState], Query(description="Only these states.")] = [],  # noqa: B006
        channel: Annotated[str | None, Query(max_length=200)] = None,
        alert: Annotated[int | None, Query(ge=1, le=2**62, description="Only what tells of this alert.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """What was told to whom, newest first."""

        def read() -> list[dict[str, Any]]:
            with room.monitoring.store.read() as connection:
                found = deliveries.find_notifications(
                    connection, states=[each.value for each in state], channel=channel, alert=alert, limit=limit
                )
            return [notification_document(each) for each in found]

        answer = {"at": room.monitoring.clock(), "notifications": await asyncio.to_thread(read)}
        return _json(Notifications.model_validate(answer))


def _on_call(room: Room) -> dict[str, Any]:
    now, plan = room.monitoring.clock(), room.monitoring.config.alerting
    found = duty(room.monitoring.store, plan, now).on_call()
    return {"at": now, "rotas": [on_call_document(name, shift, plan) for name, shift in found.items()]}
