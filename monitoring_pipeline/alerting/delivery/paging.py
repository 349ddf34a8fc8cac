"""What services that page people are told: to open, acknowledge or close one thing per alert.

They know each alert by an id of ours, so that telling them something twice changes nothing, and several
alerts of one message are several requests. How a request looks is the channel's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from monitoring_pipeline.alerting.delivery.channel import Undelivered
from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.records import AlertState

__all__ = ["Act", "Step", "carry_out", "is_over", "memory", "provider_id", "steps"]

_AT_ONCE = 8
_REMEMBERED = 1000


class Act(StrEnum):
    """What a service is to do with one thing."""

    OPEN = "open"
    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Step:
    """One request: what to do, with the thing of which id. `alert` is None where it stands for the whole message."""

    act: Act
    id: str
    alert: AlertFacts | None = None


def provider_id(message: Message, what: str, name: object, length: int) -> str:
    """The id by which a provider knows one thing of this installation, always the same for the same thing.

    Too long a one ends in a digest of the whole, so that two of them never become one.
    """
    whole = f"{message.installation or 'monitoring'}/{what}/{name}"
    if len(whole) <= length:
        return whole
    return f"{whole[: length - 33]}-{hashlib.sha256(whole.encode(errors='replace')).hexdigest()[:32]}"


def is_over(alert: AlertFacts, message: Message) -> bool:
    """Whether an alert is told as resolved."""
    return message.kind is Kind.RESOLVED or alert.state is AlertState.RESOLVED


def steps(message: Message, reference: Mapping[str, Any] | None, length: int) -> list[Step]:
    """What to do for a message, ids of at most `length` characters.

    A digest is one thing of its own, and a test is opened and closed at once. When all of a thread is over,
    what is remembered as open (`reference`) is closed too, also where the message does not list it.
    """
    if message.kind is Kind.TEST:
        name = provider_id(message, "test", message.thread, length)
        return [Step(Act.OPEN, name), Step(Act.CLOSE, name)]
    if message.kind is Kind.DIGEST or not message.alerts:
        what = "digest" if message.kind is Kind.DIGEST else "thread"
        return [Step(_act_of_all(message), provider_id(message, what, message.thread, length))]
    found = [step for alert in message.alerts if (step := _step(alert, message, length))]
    if message.kind is Kind.RESOLVED:
        told = {step.id for step in found}
        found += [Step(Act.CLOSE, name) for name in _open(reference) if name not in told]
    return found


def _act_of_all(message: Message) -> Act:
    if message.kind is Kind.ACKNOWLEDGED:
        return Act.ACKNOWLEDGE
    all_over = bool(message.alerts) and not message.more and all(is_over(alert, message) for alert in message.alerts)
    return Act.CLOSE if all_over or message.kind is Kind.RESOLVED else Act.OPEN


def _step(alert: AlertFacts, message: Message, length: int) -> Step | None:
    name = provider_id(message, "alert", alert.id, length)
    if is_over(alert, message):
        return Step(Act.CLOSE, name, alert)
    if message.kind is not Kind.ACKNOWLEDGED:
        return Step(Act.OPEN, name, alert)
    nobody_named = not any(each.state is AlertState.ACKNOWLEDGED for each in message.alerts)
    taken = alert.state is AlertState.ACKNOWLEDGED or nobody_named
    return Step(Act.ACKNOWLEDGE, name, alert) if taken else None


def _open(reference: Mapping[str, Any] | None) -> list[str]:
    return [str(name) for name in (reference or {}).get("open", ())]


def memory(reference: Mapping[str, Any] | None, done: Sequence[Step]) -> dict[str, Any]:
    """The reference for later messages of the thread: the ids that are open now."""
    still = dict.fromkeys(_open(reference))
    for step in done:
        if step.act is Act.CLOSE:
            still.pop(step.id, None)
        else:
            still[step.id] = None
    return {"open": list(still)[-_REMEMBERED:]}


async def carry_out(todo: Sequence[Step], send: Callable[[Step], Awaitable[int]]) -> list[int]:
    """Sends every step, a few at once, those of one id one after the other; gives their codes in order.

    One that is refused for good does not stop the others. After one that may work later nothing more is
    begun: the whole message is tried again, and what has been taken already is recognised by its id.
    Raises Undelivered for all that failed.
    """
    chains = [list(chain) for _, chain in groupby(todo, key=lambda step: step.id)]
    free, failed = asyncio.Semaphore(_AT_ONCE), _Failed(len(todo))

    async def one(chain: list[Step]) -> list[int]:
        async with free:
            return [code for step in chain if (code := await failed.watch(step, send)) is not None]

    codes = await asyncio.gather(*(one(chain) for chain in chains))
    failed.tell()
    return [code for each in codes for code in each]


class _Failed:
    """What went wrong so far."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._errors: list[Undelivered] = []
        self._skipped = 0

    async def watch(self, step: Step, send: Callable[[Step], Awaitable[int]]) -> int | None:
        if any(not error.permanent for error in self._errors):
            self._skipped += 1
            return None
        try:
            return await send(step)
        except Undelivered as error:
            self._errors.append(error)
        except Exception as error:  # of ours or of a template: it stops this one only
            self._errors.append(Undelivered(f"{type(error).__name__}: {error}", permanent=True))
        return None

    def tell(self) -> None:
        """Raises what a caller has to know: the worst that is worth another try, else the first."""
        if not self._errors:
            return
        worst = next((error for error in self._errors if not error.permanent), self._errors[0])
        count = len(self._errors) + self._skipped
        told = str(worst) if self._total == 1 else f"{count} of {self._total} were not taken; {worst}"
        raise Undelivered(
            told, permanent=worst.permanent, retry_after=max(self._waits(), default=None), code=worst.code
        ) from worst

    def _waits(self) -> Iterator[float]:
        return (error.retry_after for error in self._errors if error.retry_after is not None)
