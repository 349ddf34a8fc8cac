"""What every request passes and every answer carries: the Host check, HEAD, errors, security headers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "allowed_hosts", "is_loopback"]

log = structlog.get_logger(__name__)

_POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def allowed_hosts(host: str, public_url: str | None) -> frozenset[str] | None:
    """The names a request may call us by; None when any will do.

    On loopback a page on the internet could reach us by a name of its own that it lets point to
    127.0.0.1. Whoever configured another address is reached by names we cannot know.
    """
    if not is_loopback(host):
        return None
    public = urlsplit(public_url).hostname if public_url else None
    return frozenset({"localhost", "127.0.0.1", "::1", host.strip("[]").lower(), *([public] if public else [])})


class Guard:
    """Middleware. `hosts` are the allowed names, None for any."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, head=scope["method"] == "HEAD")
        host = _host(scope)
        if self._hosts is not None and host not in self._hosts:
            detail = f"this server does not answer to the name {host[:100]!r}; set api.public_url if it should"
            await JSONResponse({"detail": detail}, 421)(scope, receive, answer.send)
            return
        inner = {**scope, "method": "GET"} if answer.head else scope
        try:
            await self._app(inner, receive, answer.send)
        except Exception:
            # The route's pattern and never the path: push URLs are secrets.
            route = getattr(inner.get("route"), "path", None)
            log.exception("a request failed", method=scope["method"], route=route)
            if not answer.started:
                await JSONResponse({"detail": "internal error, see the server's log"}, 500)(scope, receive, answer.send)


class _Answer:
    """Adds the headers, and leaves the body out when only the head was asked for."""

    def __init__(self, send: Send, *, head: bool) -> None:
        self._send = send
        self.head = head
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = [*message.get("headers", []), *_HEADERS]
        elif self.head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


def _host(scope: Scope) -> str:
    value = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    try:
        return (urlsplit(f"//{value}").hostname or "").rstrip(".")
    except ValueError:
        return value
