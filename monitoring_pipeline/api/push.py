"""Push URLs: jobs report in, and get 200 only once their heartbeat is on disk."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import PlainTextResponse
from starlette.requests import ClientDisconnect

from monitoring_pipeline.api.limits import RateLimit
from monitoring_pipeline.api.room import STORE_ERRORS, Room, failures, store_problem

__all__ = ["MESSAGE_BYTES", "routes"]

log = structlog.get_logger(__name__)
MESSAGE_BYTES = 10_000
_DRAIN_BYTES = 1_000_000
_BODY_S = 10.0
_STORE_S = 10.0
_PER_MINUTE, _BURST = 60, 10

Token = Annotated[str, Path(description="The secret in the URL; `busta sources show` prints it.")]
DurationMs = Annotated[
    float | None, Query(ge=0, le=1e12, description="How long the job ran; by default since its start.")
]
Ending = Annotated[str, Path(description="`start`, `fail`, or the job's exit code (0 is success).", examples=["start"])]


@dataclass(frozen=True, slots=True)
class _Signal:
    name: str
    exit_code: int | None = None


class _Tokens:
    """Finds the check of a token without telling by time how much of a wrong one was right."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        # Looked up by hash: what leaks of comparing hashes says nothing of the token.
        self._keys = {_hash(token): (key, token) for key, token in tokens.items()}

    def key_of(self, token: str) -> str | None:
        key, real = self._keys.get(_hash(token), (None, ""))
        return key if hmac.compare_digest(real.encode(), token.encode()) else None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class _Desk:
    """Takes heartbeats: knows tokens, counts them, and writes in few threads so that others stay quick."""

    def __init__(self, room: Room) -> None:
        self._monitoring = room.monitoring
        self._tokens = _Tokens(room.monitoring.push_tokens)
        self._limit = RateLimit(_PER_MINUTE, _BURST)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="push")

    async def take(self, request: Request, token: str, signal: _Signal | None, duration_ms: float | None) -> str:
        """Records one signal. Raises HTTPException: 404, 400, 429 or 503."""
        key = self._tokens.key_of(token)
        if key is None:
            raise HTTPException(404, "Not Found")
        if signal is None:
            raise HTTPException(400, "expected start, fail or an exit code from 0 to 255 after the token")
        wait_s = self._limit.wait_s(key)
        if wait_s > 0:
            seconds = str(math.ceil(wait_s))
            raise HTTPException(429, f"more than {_PER_MINUTE} a minute", headers={"Retry-After": seconds})
        message = await _message(request)
        await self._write(key, signal, duration_ms, message)
        return f"OK {signal.name}\n"

    async def _write(self, key: str, signal: _Signal, duration_ms: float | None, message: str) -> None:
        beat = partial(
            self._monitoring.beat, key, signal.name, duration_ms=duration_ms, exit_code=signal.exit_code,
            message=message,
        )  # fmt: skip
        write = asyncio.get_running_loop().run_in_executor(self._threads, beat)
        try:
            await asyncio.wait_for(asyncio.shield(write), _STORE_S)
        except TimeoutError:
            # It may still be written later: a heartbeat twice is better than none.
            write.add_done_callback(lambda done: done.exception())
            raise _try_again("the operational store is busy") from None
        except STORE_ERRORS as error:
            problem = store_problem(self._monitoring, error)
            log.warning("a heartbeat was not recorded", check=key, problem=problem)
            raise _try_again("the operational store cannot be used") from error


def _try_again(reason: str) -> HTTPException:
    return HTTPException(503, f"not recorded, try again: {reason}", headers={"Retry-After": "5"})


def _signal(text: str) -> _Signal | None:
    if text in ("start", "fail"):
        return _Signal(text)
    if re.fullmatch(r"[0-9]{1,3}", text) is None or int(text) > 255:
        return None
    return _Signal("success" if int(text) == 0 else "fail", int(text))


async def _message(request: Request) -> str:
    """The body's first 10,000 bytes as text. That the job reported counts more than what it had to say:
    what is too long or too slow is cut off.
    """
    kept = bytearray()

    async def read() -> None:
        total = 0
        async for chunk in request.stream():
            kept.extend(chunk[: MESSAGE_BYTES - len(kept)])
            total += len(chunk)
            if total > _DRAIN_BYTES:
                return

    with contextlib.suppress(TimeoutError, ClientDisconnect):
        await asyncio.wait_for(read(), _BODY_S)
    # PostgreSQL keeps no NUL in a text.
    return kept.decode(errors="replace").replace("\0", "").strip()


def routes(room: Room) -> APIRouter:
    """The push URLs, for GET, HEAD and POST alike: whatever a job has at hand will do."""
    router = APIRouter(prefix="/push", tags=["heartbeats"], responses=failures(404, 429, 503))
    desk = _Desk(room)

    @router.get("/{token}", response_class=PlainTextResponse)
    @router.post("/{token}", response_class=PlainTextResponse)
    async def success(request: Request, token: Token, duration_ms: DurationMs = None) -> str:
        """The job succeeded. The first 1,000 characters of the body are kept as its message."""
        return await desk.take(request, token, _Signal("success"), duration_ms)

    @router.get("/{token}/{ending}", response_class=PlainTextResponse, responses=failures(400))
    @router.post("/{token}/{ending}", response_class=PlainTextResponse, responses=failures(400))
    async def ending(request: Request, token: Token, ending: Ending, duration_ms: DurationMs = None) -> str:
        """The job started, failed, or ended with an exit code."""
        return await desk.take(request, token, _signal(ending), duration_ms)

    return router
