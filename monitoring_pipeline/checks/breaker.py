"""The circuit breaker of a source: a source that cannot be reached is tried less often.

closed: every slot is probed. After `failures` unreachable results in a row it opens until a moment;
slots before that moment are skipped. The first slot after it is the trial (half-open): success
closes the breaker, failure opens it again for twice as long, up to `max_backoff`. The state lives in
the operational store, so it survives every process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitoring_pipeline.checks.spec import BreakerSpec
from monitoring_pipeline.records import BreakerState

__all__ = ["Breaker", "admits", "after"]


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one breaker. `unreachable` counts results in a row, `opened` counts openings in a row."""

    state: BreakerState = BreakerState.CLOSED
    unreachable: int = 0
    until_us: int | None = None
    opened: int = 0


def admits(breaker: Breaker, now_us: int) -> bool:
    """Whether a slot may be probed now. When an open breaker admits one, that probe is the trial."""
    return breaker.state is BreakerState.CLOSED or (
        breaker.state is BreakerState.OPEN and (breaker.until_us is None or now_us >= breaker.until_us)
    )


def after(breaker: Breaker, spec: BreakerSpec, *, unreachable: bool, now_us: int) -> Breaker:
    """The breaker after one executed probe."""
    if not unreachable:
        return Breaker() if breaker != Breaker() else breaker
    count = breaker.unreachable + 1
    if not spec.enabled or (breaker.state is BreakerState.CLOSED and count < spec.failures):
        return replace(breaker, unreachable=count)
    if breaker.state is BreakerState.OPEN and breaker.until_us is not None and now_us < breaker.until_us:
        # A probe that was under way when the breaker opened is not the trial.
        return replace(breaker, unreachable=count)
    pause = min(spec.backoff.total_seconds() * 2**breaker.opened, spec.max_backoff.total_seconds())
    return Breaker(BreakerState.OPEN, count, now_us + round(pause * 1e6), min(breaker.opened + 1, 30))
