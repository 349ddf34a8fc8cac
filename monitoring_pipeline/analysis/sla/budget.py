"""Error budgets: how much may be bad, how much was, how fast it goes, and when it will be gone.

The burn rate of a window is the bad share of that window over the share that may be bad: 1 uses the budget up
exactly at the end of its period. Rules look at it over a long and a short window at once (B. Beyer et al., The
Site Reliability Workbook, O'Reilly 2018, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_pipeline.analysis.sla.account import Account

__all__ = ["BURN_WINDOWS", "Budget", "budget_of", "burn_rate", "exhausted_at"]

BURN_WINDOWS = (
    timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=6), timedelta(days=3),
)  # fmt: skip
"""The windows whose burn rates are kept as samples."""

_STEPS = 2_000


@dataclass(frozen=True, slots=True)
class Budget:
    """Microseconds or events: `allowed` of the whole period, `used` so far."""

    allowed: float
    used: int

    @property
    def left(self) -> float:
        """Below zero once more was bad than was allowed."""
        return self.allowed - self.used

    @property
    def left_share(self) -> float | None:
        """The share that is left; None where nothing was allowed."""
        return self.left / self.allowed if self.allowed > 0 else None


def budget_of(account: Account, target: float, *, ahead: int = 0, unknown_is_bad: bool = False) -> Budget:
    """The budget of a period: `target` is the promised share (0-1), `ahead` what of the period is still to come.

    What is excluded, or unknown and not counted as bad, makes the promise smaller and the budget with it.
    """
    promised = account.counted(unknown_is_bad=unknown_is_bad) + ahead
    return Budget((1 - target) * promised, account.spent(unknown_is_bad=unknown_is_bad))


def burn_rate(account: Account, target: float, *, unknown_is_bad: bool = False) -> float | None:
    """How many times too fast the budget went in a window; None when less than half of what counts of it is known.

    Else an installation that is an hour old would judge three days by that hour.
    """
    counted = account.counted(unknown_is_bad=unknown_is_bad)
    if not counted or (account.known < account.unknown and not unknown_is_bad):
        return None
    return account.spent(unknown_is_bad=unknown_is_bad) / counted / (1 - target)


def exhausted_at(
    budget: Budget, rate: float, now: datetime, end: datetime, *, expired: Callable[[datetime], float] | None = None
) -> datetime | None:
    """When the budget is gone if `rate` (of what is spent per microsecond or, for events, likewise) goes on.

    None: not before `end`. `now` when it is gone already. For a rolling window, `expired` tells how much of what
    was spent until now has left the window at a later moment; the answer is then exact to a 2,000th of the way.
    """
    if budget.left <= 0:
        return now
    if rate <= 0:
        return None
    if expired is None:
        ahead = budget.left / rate
        return now + timedelta(microseconds=ahead) if ahead < (end - now) / timedelta(microseconds=1) else None
    step = (end - now) / _STEPS
    for number in range(1, _STEPS + 1):
        at = now + step * number
        if budget.used - expired(at) + rate * ((at - now) / timedelta(microseconds=1)) >= budget.allowed:
            return at
    return None
