"""A check kind for tests of how checks are run: it does what its fields say, in this process."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar, Literal

from monitoring_pipeline.checks.check import BoundCheck, Check, Probe, ProbeContext
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.records import Source

__all__ = ["PROBES", "ScriptedCheck", "bound"]

PROBES: list[tuple[str, float]] = []
"""Every probe made in this process: (check key, monotonic seconds)."""


class ScriptedCheck(Check):
    """Answers, fails, breaks or hangs, as told by `does`."""

    kind: Literal["scripted"] = "scripted"
    does: Literal["answer", "refuse", "break", "crash", "hang"] = "answer"
    value: float = 1.0
    takes_s: float = 0.0

    metrics: ClassVar = {"value": "items", "response_time_ms": "ms"}

    async def probe(self, context: ProbeContext) -> Probe:
        PROBES.append((context.key, time.monotonic()))
        await asyncio.sleep(self.takes_s)
        if self.does == "refuse":
            raise SourceFailure("connection refused by 127.0.0.1:9", values={"value": self.value})
        if self.does == "break":
            raise CheckError("the client library is broken")
        if self.does == "crash":
            raise ZeroDivisionError("division by zero")
        if self.does == "hang":
            await asyncio.sleep(3600)
        return Probe({"value": self.value, "text": "hello"})


def bound(source: str = "orders", **fields: object) -> BoundCheck:
    """A scripted check of a source; id `c` unless told."""
    fields = {"id": "c", "retries": 0, **fields}
    return BoundCheck(Source(source), ScriptedCheck(**fields))
