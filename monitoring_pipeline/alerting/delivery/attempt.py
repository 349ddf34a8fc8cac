"""One attempt to hand a claimed notification to its channel, and the judgement of what came of it.

Whatever a channel does, it stops only itself: every exception becomes an outcome, a send that does not end is
cancelled and, when it ignores that, left behind.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import aiohttp

from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent, SeriesOf, Undelivered
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.clock import Clock, format_duration
from monitoring_pipeline.errors import NetworkDenied
from monitoring_pipeline.store.outbox import NotificationState
from monitoring_pipeline.store.sending import Attempt, Claimed, Outcome

__all__ = ["GIVE_UP_AFTER", "Desk", "attempt", "backoff", "hand_over"]

GIVE_UP_AFTER = timedelta(days=1)
"""However patient a provider asks us to be, a message older than this is a dead letter."""
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 300.0
_LONGEST_RETRY_AFTER_S = 3600.0
_JITTER = 0.2
_GRACE_S = 0.5
_DETAIL = 500
_TOO_MANY_REQUESTS = 429
_abandoned: set[asyncio.Task[Sent]] = set()


@dataclass(frozen=True, slots=True)
class Desk:
    """What all attempts share. `redact` takes secrets out of a text."""

    clock: Clock
    http: aiohttp.ClientSession
    redact: Callable[[str], str] = str
    series: SeriesOf | None = None

    def context(self, recipient: str = "", reference: dict[str, object] | None = None) -> SendContext:
        """What a channel is given for one message."""
        return SendContext(self.clock(), self.http, recipient, reference, self.series)

    def shown(self, text: str) -> str:
        """A text as it may be kept: without secrets, not too long."""
        text = self.redact(text)
        return text if len(text) <= _DETAIL else text[: _DETAIL - 3] + "..."


async def attempt(claimed: Claimed, channel: Channel, desk: Desk) -> Outcome:
    """Tries once; raises nothing."""
    at, began = desk.clock(), time.monotonic()
    try:
        message = Message.model_validate_json(claimed.message)
        reference = dict(claimed.reference) if claimed.reference is not None else None
        sent = await hand_over(channel, message, desk.context(claimed.recipient, reference))
    except Exception as error:
        outcome = _failed(error, claimed, channel, desk, at)
    else:
        outcome = Outcome(
            claimed, NotificationState.SENT, at, Attempt.SENT, code=sent.code, detail=desk.shown(sent.detail),
            reference=sent.reference,
        )  # fmt: skip
    return replace(
        outcome,
        duration_ms=(time.monotonic() - began) * 1000,
        ends_thread=claimed.kind == Kind.RESOLVED,
        is_test=claimed.kind == Kind.TEST,
    )


async def hand_over(channel: Channel, message: Message, context: SendContext) -> Sent:
    """Sends within the channel's time. Raises what it raises, and TimeoutError."""
    sending = asyncio.ensure_future(_guarded(channel, message, context))
    try:
        await asyncio.wait({sending}, timeout=channel.timeout.total_seconds())
    except asyncio.CancelledError:
        sending.cancel()
        raise
    if not sending.done():
        sending.cancel()
        await asyncio.wait({sending}, timeout=_GRACE_S)
    if not sending.done():  # it ignores being cancelled: nobody waits for it any longer
        _abandoned.add(sending)
        sending.add_done_callback(_forget)
    if not sending.done() or sending.cancelled():
        raise TimeoutError
    return sending.result()


def _forget(sending: asyncio.Task[Sent]) -> None:
    _abandoned.discard(sending)
    if not sending.cancelled():
        sending.exception()  # looked at, so that nobody complains that it was not


async def _guarded(channel: Channel, message: Message, context: SendContext) -> Sent:
    try:
        sent = await channel.send(message, context)
    except SystemExit as error:  # it would end the whole event loop
        raise RuntimeError(f"the channel raised SystemExit: {error}") from error
    return sent if isinstance(sent, Sent) else Sent()


def backoff(attempts: int) -> timedelta:
    """The wait after so many attempts: 1 s, 2 s, 4 s ... five minutes, a fifth more or less."""
    seconds = min(_FIRST_WAIT_S * 2 ** min(attempts - 1, 20), _LONGEST_WAIT_S)
    return timedelta(seconds=seconds * random.uniform(1 - _JITTER, 1 + _JITTER))


def _failed(error: Exception, claimed: Claimed, channel: Channel, desk: Desk, at: datetime) -> Outcome:
    code = getattr(error, "code", None)
    code = code if isinstance(code, int) else None
    detail = desk.shown(_reason(error, channel))
    if _is_permanent(error):
        return Outcome(claimed, NotificationState.DEAD, at, Attempt.REJECTED, code=code, detail=detail)
    now = desk.clock()
    throttled = code == _TOO_MANY_REQUESTS
    word = Attempt.THROTTLED if throttled else Attempt.FAILED
    wait, until = _wait(error, claimed.attempts), _asked_for(error, now)
    if (claimed.attempts >= channel.attempts and not throttled) or now - claimed.created > GIVE_UP_AFTER:
        return Outcome(
            claimed, NotificationState.DEAD, at, word, code=code, detail=detail, blocked_until=until
        )  # fmt: skip
    return Outcome(
        claimed, NotificationState.WAITING, at, word, code=code, detail=detail, due=now + wait,
        blocked_until=until, counts=not throttled,
    )  # fmt: skip


def _reason(error: Exception, channel: Channel) -> str:
    if isinstance(error, Undelivered):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"no answer within {format_duration(channel.timeout)}"
    return f"{type(error).__name__}: {error}"


def _is_permanent(error: Exception) -> bool:
    if isinstance(error, Undelivered):
        return error.permanent
    if isinstance(error, aiohttp.InvalidURL | aiohttp.ClientConnectorCertificateError | NetworkDenied):
        return True
    return not isinstance(error, aiohttp.ClientError | OSError)


def _retry_after(error: Exception) -> float | None:
    asked = error.retry_after if isinstance(error, Undelivered) else None
    return None if asked is None else min(max(asked, 0.0), _LONGEST_RETRY_AFTER_S)


def _wait(error: Exception, attempts: int) -> timedelta:
    return max(backoff(attempts), timedelta(seconds=_retry_after(error) or 0))


def _asked_for(error: Exception, now: datetime) -> datetime | None:
    asked = _retry_after(error)
    return None if asked is None else now + timedelta(seconds=asked)
