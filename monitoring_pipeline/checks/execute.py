"""Executes one check once: attempts, time-outs, the verdict of its conditions, and a result.

Whatever a probe does, a result comes out: a finding of the source is critical, anything else that
goes wrong is unknown.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from monitoring_pipeline.checks.check import BoundCheck, Check, Facts, Probe, ProbeContext
from monitoring_pipeline.checks.condition import Condition
from monitoring_pipeline.clock import Clock, format_duration
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.reach.context import Clients
from monitoring_pipeline.records import Result, Sample, Skip, Status

__all__ = ["Surroundings", "execute", "judge", "skipped"]

_MESSAGE_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every execution shares. `redact` takes secrets out of texts."""

    clock: Clock
    clients: Clients
    facts: Facts
    allow_commands: bool = False
    redact: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class _Attempt:
    status: Status
    message: str
    probe: Probe
    elapsed_ms: float
    unreachable: bool = False
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


async def execute(bound: BoundCheck, slot: datetime, around: Surroundings, *, manual: bool = False) -> Result:
    """Probes until a probe is good or the retries are used up; never raises but CancelledError."""
    started = around.clock()
    attempts, delay = 1, bound.check.retry_delay.total_seconds()
    attempt = await _attempt(bound, around)
    while attempt.status in (Status.CRITICAL, Status.UNKNOWN) and attempts <= bound.check.retries:
        await asyncio.sleep(delay)
        delay, attempts = delay * 2, attempts + 1
        attempt = await _attempt(bound, around)
    return _result(bound, slot, started, around, attempt, attempts, manual=manual)


async def _attempt(bound: BoundCheck, around: Surroundings) -> _Attempt:
    check = bound.check
    timeout_s = check.timeout.total_seconds()
    context = ProbeContext(
        around.clock(), bound.source, bound.key, timeout_s, around.clients, around.facts, around.allow_commands
    )
    began = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s) as limit:
            probe = await check.probe(context)
    except SourceFailure as error:
        cut = check.remote and not error.reached
        return _failed(Status.CRITICAL, str(error), began, values=error.values, unreachable=cut)
    except TimeoutError as error:
        if not limit.expired():
            return _failed(Status.UNKNOWN, f"the check failed: {error or 'TimeoutError'}", began)
        message = f"no answer within {format_duration(check.timeout)}"
        if check.timeout_is_failure:
            return _failed(Status.CRITICAL, message, began, unreachable=check.remote)
        return _failed(Status.UNKNOWN, f"the check did not finish: {message}", began)
    except CheckError as error:
        return _failed(Status.UNKNOWN, str(error), began)
    except Exception as error:
        return _failed(Status.UNKNOWN, f"the check failed: {type(error).__name__}: {error}", began)
    return _judged(check, probe, began)


def _failed(
    status: Status, message: str, began: float, *, values: Mapping[str, Any] | None = None, unreachable: bool = False
) -> _Attempt:
    return _Attempt(status, message, Probe(dict(values or {})), _elapsed(began), unreachable, failures=(message,))


def _elapsed(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _judged(check: Check, probe: Probe, began: float) -> _Attempt:
    elapsed_ms = _elapsed(began)
    values = probe.values
    if "response_time_ms" not in values:
        values = {**values, "response_time_ms": elapsed_ms}
        probe = replace(probe, values=values)
    try:
        status, failures, warnings = judge(check, values)
    except Exception as error:  # a value of a plug-in that compares badly is that check's problem
        return _failed(Status.UNKNOWN, f"a condition could not be judged: {type(error).__name__}: {error}", began)
    return _Attempt(
        status, "; ".join((*failures, *warnings)), probe, elapsed_ms, failures=failures,
        warnings=(*warnings, *probe.warnings),
    )  # fmt: skip


def judge(check: Check, values: Mapping[str, Any]) -> tuple[Status, tuple[str, ...], tuple[str, ...]]:
    """The status that a check's conditions give, the texts of failed ones, and those of warnings.

    A critical condition that is unknown outranks a warning that failed: what matters most is not known.
    """
    critical = _not_holding(check.critical_conditions(), values)
    broken = tuple(text for held, text in critical if held is False)
    if broken:
        return Status.CRITICAL, broken, ()
    unclear = tuple(text for held, text in critical if held is None)
    if unclear:
        return Status.UNKNOWN, tuple(f"cannot tell: {text}" for text in unclear), ()
    warning = _not_holding(check.warning_conditions(), values)
    doubtful = tuple(text for held, text in warning if held is False)
    if doubtful:
        return Status.WARNING, (), doubtful
    if warning:
        return Status.UNKNOWN, tuple(f"cannot tell: {text}" for _, text in warning), ()
    return Status.HEALTHY, (), ()


def _not_holding(conditions: tuple[Condition, ...], values: Mapping[str, Any]) -> list[tuple[bool | None, str]]:
    return [
        (held, condition.evaluate(values).text)
        for condition in conditions
        if (held := condition.holds(values)) is not True
    ]


def _result(
    bound: BoundCheck, slot: datetime, started: datetime, around: Surroundings, attempt: _Attempt, attempts: int,
    *, manual: bool,
) -> Result:  # fmt: skip
    values = attempt.probe.values
    response = values.get("response_time_ms")
    finished = max(started, around.clock())
    redact = around.redact
    return Result(
        source=bound.source.id, check=bound.check.id, kind=bound.check.kind, slot=slot, started=started,
        finished=finished, status=attempt.status, message=_cut(redact(attempt.message)),
        response_time_ms=float(response) if response is not None and _is_number(response) else None, attempts=attempts,
        details=attempt.probe.details, errors=tuple(_cut(redact(text)) for text in attempt.failures),
        warnings=tuple(_cut(redact(text)) for text in attempt.warnings),
        samples=_samples(bound, attempt.probe, finished), unreachable=attempt.unreachable, manual=manual,
    )  # fmt: skip


def _cut(text: str) -> str:
    # NUL cannot be stored in PostgreSQL's text.
    text = text.replace("\x00", "")
    return text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 1] + "…"


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) and math.isfinite(value)


def _samples(bound: BoundCheck, probe: Probe, at: datetime) -> tuple[Sample, ...]:
    source, check, values = bound.source.id, bound.check.id, probe.values
    plain = [
        Sample(source, metric, at, float(values[metric]), unit, check)
        for metric, unit in bound.check.metrics.items()
        if metric in values and _is_number(values[metric])
    ]
    tagged = [
        Sample(source, m.metric, at, float(m.value), m.unit, check, m.tags)
        for m in probe.measures
        if _is_number(m.value)
    ]
    return (*plain, *tagged)


def skipped(bound: BoundCheck, slot: datetime, now: datetime, why: Skip, status: Status, message: str) -> Result:
    """The result of a slot for which no probe is made."""
    moment = max(slot, now)
    return Result(
        bound.source.id,
        bound.check.id,
        bound.check.kind,
        slot,
        moment,
        moment,
        status,
        message,
        attempts=0,
        skipped=why,
    )
