"""Alerts as JSON and as pages, and what people do about them there.

A link in a message acknowledges by its signature. Opening it changes nothing, because scanners open every
link they see: the page has a button, and the button posts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, TypeVar

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection

from monitoring_pipeline.alerting import actions
from monitoring_pipeline.alerting.actions import Done, Refusal
from monitoring_pipeline.api import bodies
from monitoring_pipeline.api.alert_answers import Alerts, DetailAnswer, DoneAnswer
from monitoring_pipeline.api.alert_page import AlertPage
from monitoring_pipeline.api.permission import demand, may_act
from monitoring_pipeline.api.room import Room, failures
from monitoring_pipeline.clock import parse_duration
from monitoring_pipeline.records import AlertMode, AlertState, Severity
from monitoring_pipeline.reports.alerts import ACTIVE, AlertFilter, views_of
from monitoring_pipeline.reports.documents import alert_document, detail_document, step_document

__all__ = ["BY_API", "act", "routes"]

T = TypeVar("T")
BY_API = "the API"
_BY_LINK = "the link in a message"

AlertId = Annotated[int, Path(description="The alert's number.", ge=1, le=2**62, examples=[12])]
Token = Annotated[str, Query(description="The signature of a link in a message.")]
States = Annotated[list[AlertState], Query(description="Only these states; what fires by default.")]
Severities = Annotated[list[Severity], Query(description="Only these severities.")]
Text = Annotated[str | None, Query(max_length=400)]


def routes(room: Room) -> APIRouter:
    """The routes of alerts."""
    router = APIRouter(prefix="/alerts", tags=["alerts"])
    page = AlertPage(room.monitoring)
    _add_reading(router, room, page)
    _add_acknowledging(router, room, page)
    _add_acting(router, room)
    return router


# -- reading -----------------------------------------------------------------------------------------


def _add_reading(router: APIRouter, room: Room, page: AlertPage) -> None:
    @router.get("", response_model=Alerts, responses=failures(503))
    async def alerts(
        state: States = [],  # noqa: B006 - FastAPI copies it
        severity: Severities = [],  # noqa: B006
        component: Text = None,
        source: Text = None,
        rule: Text = None,
        team: Annotated[str | None, Query(max_length=400, description="The owner of the source.")] = None,
        tag: Text = None,
        mode: Annotated[AlertMode, Query(description="`shadow`: alerts of rules that are only tried.")] = (
            AlertMode.ACTIVE
        ),
        since: Annotated[str | None, Query(description="Open at some time since then, such as `24h`.")] = None,
        everything: Annotated[bool, Query(alias="all", description="All states, the newest first.")] = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """Alerts, those that fire by default, the worst first."""
        now = room.monitoring.clock()
        states = () if everything else tuple(state) or ACTIVE
        wanted = AlertFilter(
            states=states, severities=tuple(severity), component=component, source=source, rule=rule, team=team,
            tag=tag, modes=(mode,), since=_since(since, now),
        )  # fmt: skip
        views = await asyncio.to_thread(room.monitoring.alerts, wanted, limit)
        found = Alerts.model_validate({"at": now, "alerts": [alert_document(view) for view in views]})
        return _json(found)

    @router.get("/{alert}", response_model=DetailAnswer, responses=failures(404, 503))
    async def one(request: Request, alert: AlertId) -> Response:
        """One alert with everything that happened to it; a page for browsers."""
        if _wants_page(request):
            barred = may_act(room.monitoring, request)
            return HTMLResponse(await asyncio.to_thread(page.alert, alert, may_act=not barred))
        detail, steps = await asyncio.to_thread(_one, room, alert)
        return _json(DetailAnswer.model_validate(detail | {"steps": steps}))


def _one(room: Room, alert: int) -> tuple[dict[str, object], list[dict[str, object]]]:
    detail = detail_document(room.monitoring.alert(alert))
    return detail, [step_document(each) for each in room.monitoring.explain_alert(alert)]


def _since(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    try:
        return now - min(parse_duration(text), timedelta(days=36_500))
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, f"since: {error}") from None


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _json(answer: Alerts | DetailAnswer | DoneAnswer) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})


# -- acting ------------------------------------------------------------------------------------------


async def act(room: Room, do: Callable[[Connection, datetime], T]) -> T:
    """Does something in one transaction. Raises 409 with the sentence for what makes no sense."""

    def inside() -> T:
        with room.monitoring.store.write() as connection:
            return do(connection, room.monitoring.clock())

    try:
        return await asyncio.to_thread(inside)
    except Refusal as error:
        raise HTTPException(409, str(error)) from None


def _add_acknowledging(router: APIRouter, room: Room, page: AlertPage) -> None:
    links = room.monitoring.links

    @router.get("/{alert}/acknowledge", include_in_schema=False)
    async def ask(alert: AlertId, token: Token = "") -> Response:
        """The page that a link in a message leads to. It changes nothing."""
        if not links.verify(alert, token):
            return HTMLResponse(page.refused(), 403, headers=_SECRET)
        return HTMLResponse(await asyncio.to_thread(page.alert, alert, token=token), headers=_SECRET)

    @router.post(
        "/{alert}/acknowledge", response_model=DoneAnswer, responses=failures(403, 404, 409, 413, 422, 503),
        openapi_extra=bodies.described(bodies.Acknowledgement),
    )  # fmt: skip
    async def acknowledge(request: Request, alert: AlertId, token: Token = "") -> Response:
        """Somebody works on it: no reminder and no escalation goes out until it ends.

        Without `for` and `until` it lasts as long as `alerting.acknowledge_timeout` says, else until the
        alert ends. The signature of a link in a message allows it from anywhere.
        """
        given = await bodies.read(request, bodies.Acknowledgement)
        signed = links.verify(alert, given.token or token)
        if not signed:
            demand(room.monitoring, request)
        by = given.by or (_BY_LINK if signed else BY_API)
        done = await act(room, partial(_acknowledge, room, alert, by, given))
        if _wants_page(request):
            # Relative, as all our addresses: a proxy may show us beneath a path of its own.
            return RedirectResponse(f"../{alert}", 303, headers=_SECRET)
        return await _done(room, done)


_SECRET = {"Cache-Control": "no-store"}


def _acknowledge(
    room: Room, alert: int, by: str, given: bodies.Acknowledgement, connection: Connection, now: datetime
) -> Done:
    lasting = given.lasting or room.monitoring.config.alerting.spec.acknowledge_timeout
    until = given.until or (None if lasting is None else now + lasting)
    return actions.acknowledge(connection, alert, by, now, until=until, text=given.note)


def _add_acting(router: APIRouter, room: Room) -> None:
    doing = {"response_model": DoneAnswer, "responses": failures(403, 404, 409, 413, 422, 503),
             "openapi_extra": bodies.described(bodies.Remark)}  # fmt: skip

    async def remark(request: Request, do: Callable[[Connection, datetime, bodies.Remark, str], Done]) -> Response:
        demand(room.monitoring, request)
        given = await bodies.read(request, bodies.Remark)
        done = await act(room, lambda connection, now: do(connection, now, given, given.by or BY_API))
        if _wants_page(request):
            return RedirectResponse(f"../{done.alert.id}", 303)
        return await _done(room, done)

    @router.post("/{alert}/unacknowledge", **doing)  # type: ignore[arg-type]
    async def unacknowledge(request: Request, alert: AlertId) -> Response:
        """Nobody works on it any more: it fires again."""
        return await remark(
            request, lambda c, now, given, by: actions.unacknowledge(c, alert, by, now, text=given.note)
        )

    @router.post("/{alert}/resolve", **doing)  # type: ignore[arg-type]
    async def resolve(request: Request, alert: AlertId) -> Response:
        """It is over. While its rule still holds it comes back as a new alert."""
        return await remark(request, lambda c, now, given, by: actions.resolve(c, alert, by, now, text=given.note))

    @router.post("/{alert}/note", **doing)  # type: ignore[arg-type]
    async def note(request: Request, alert: AlertId) -> Response:
        """Keeps a note with it, also after its end."""
        return await remark(request, lambda c, now, given, by: actions.note(c, alert, by, now, given.note))


async def _done(room: Room, done: Done) -> Response:
    def document() -> dict[str, object]:
        with room.monitoring.store.read() as connection:
            (view,) = views_of(connection, [done.alert], room.monitoring.config.sources, room.monitoring.clock())
        return alert_document(view)

    answer = {"changed": done.changed, "text": done.text, "alert": await asyncio.to_thread(document)}
    return _json(DoneAnswer.model_validate(answer))
