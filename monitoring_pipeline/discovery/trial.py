"""Tries checks out before they are proposed: the same probes and conditions as later, once, briefly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Self

from monitoring_pipeline.checks.check import BoundCheck, check_kinds
from monitoring_pipeline.checks.execute import Surroundings, execute
from monitoring_pipeline.clock import Clock
from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.reach.clients import SharedClients
from monitoring_pipeline.reach.spec import NetworksSpec
from monitoring_pipeline.records import Result, Source, Status, worst

__all__ = ["Candidate", "Trial", "first_working"]

_TIMEOUT = timedelta(seconds=3)
Candidate = Sequence[Mapping[str, Any]]
"""The checks of one source, as their YAML will be."""


class _NoFacts:
    """There is no store yet: nothing has a status, nobody sent a heartbeat."""

    def status_of(self, key: str) -> Status:
        raise CheckError(f"there is no check or source {key!r}")

    def beats(self, key: str, limit: int) -> Sequence[Mapping[str, Any]]:
        return ()


class Trial:
    """Tries candidates of one discovery; used as an async context manager."""

    def __init__(self, clock: Clock, timeout: timedelta = _TIMEOUT) -> None:
        self._clients = SharedClients(NetworksSpec())
        self._around = Surroundings(clock, self._clients, _NoFacts())
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._clients.close()

    async def run(self, source: str, checks: Candidate) -> tuple[Status, str]:
        """The worst status of these checks, and what the worst of them said."""
        results = await asyncio.gather(*(self._once(source, number, spec) for number, spec in enumerate(checks)))
        status = worst(result.status for result in results)
        return status, next((result.message for result in results if result.status is status), "")

    async def _once(self, source: str, number: int, spec: Mapping[str, Any]) -> Result:
        model = check_kinds().by_name[spec["kind"]]
        check = model.model_validate({"id": str(number), **spec})
        check = check.model_copy(update={"retries": 0, "timeout": min(check.timeout, self._timeout)})
        return await execute(BoundCheck(Source(source), check), self._around.clock(), self._around)


async def first_working(trial: Trial, source: str, candidates: Sequence[Candidate]) -> tuple[Candidate, Status, str]:
    """The first candidate whose checks are all healthy, else the last one, with its status and message."""
    for checks in candidates:
        status, message = await trial.run(source, checks)
        if status is Status.HEALTHY:
            break
    return checks, status, message
