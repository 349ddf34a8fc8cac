"""Who may change something: there is no login yet, so only this machine, or whoever has a signed link.

A page on the internet can make a browser post to us. Browsers say where a request comes from: what comes
from another page than ours is refused. Requests without such a header come from programs on this machine
(the Guard has checked by which name they call us).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from monitoring_pipeline.api.guard import is_loopback
from monitoring_pipeline.app import Monitoring

__all__ = ["demand", "demand_report", "may_act"]

_FOREIGN = "this request was made by another page than ours, so nothing was changed"
_OPEN = (
    "this API can be reached from other machines and has no login yet, so it changes nothing for whoever asks; "
    "use the link in the message, or busta on the server"
)
_NOT_ADMITTED = "this is not the token of this installation; `busta collectors token` on the server prints it"
_UNNAMED = "show the token that `busta collectors token` on the server prints, as `Authorization: Bearer TOKEN`"


def may_act(monitoring: Monitoring, request: Request) -> str:
    """Why a request may change nothing; empty when it may."""
    if not is_loopback(monitoring.config.api.host):
        return _OPEN
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        # Browsers set it themselves; no page can. `none` is somebody who typed the address.
        return "" if site in ("same-origin", "none") else _FOREIGN
    origin = request.headers.get("origin")
    return "" if origin is None or _is_ours(origin, request, monitoring) else _FOREIGN


def _is_ours(origin: str, request: Request, monitoring: Monitoring) -> bool:
    public = monitoring.config.api.public_url
    try:
        given = urlsplit(origin)
        known = {request.headers.get("host", "").lower(), urlsplit(public).netloc.lower() if public else ""}
    except ValueError:
        return False
    return bool(given.netloc) and given.netloc.lower() in known


def demand(monitoring: Monitoring, request: Request) -> None:
    """Raises 403 for a request that may change nothing."""
    refusal = may_act(monitoring, request)
    if refusal:
        raise HTTPException(403, refusal)


def demand_report(monitoring: Monitoring, request: Request) -> None:
    """Raises 401 or 403 for whoever may not report: anybody may who shows the token, or who may act here."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer" or not monitoring.collection.admits(token.strip()):
            raise HTTPException(401, _NOT_ADMITTED, headers={"WWW-Authenticate": "Bearer"})
        return
    refusal = may_act(monitoring, request)
    if refusal:
        raise HTTPException(403, refusal if refusal == _FOREIGN else _UNNAMED)
