"""How promises stand: the account of a period out of kept days and, where none holds, out of history itself."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from monitoring_pipeline.analysis.objective import Promise
from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.budget import BURN_WINDOWS, Budget, budget_of, burn_rate, exhausted_at
from monitoring_pipeline.analysis.sla.corrections import in_force
from monitoring_pipeline.analysis.sla.course import Course
from monitoring_pipeline.analysis.sla.evidence import Pair, Surroundings, gather, views_of
from monitoring_pipeline.analysis.sla.parts import Parts
from monitoring_pipeline.analysis.sla.periods import Period, period_at
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.records import LedgerEntry

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Standing", "burn_accounts", "standings"]

_ACUTE, _STEADY = timedelta(hours=1), timedelta(days=3)


@dataclass(frozen=True)
class Standing:
    """One promise in one period, as of `until`: now, or the period's end when it is over, its begin before it comes.

    `parts` are the days of the period, or several as one, oldest first. `burn` holds the account of
    each burn window that ends now, and is empty for periods that are over. `entries` are the corrections in force
    that touch the period.
    """

    promise: Promise
    period: Period
    until: datetime
    parts: Course
    burn: Mapping[timedelta, Account] = field(default_factory=dict)
    entries: Sequence[LedgerEntry] = ()

    @cached_property
    def pair(self) -> Pair:
        """The whole period until now, as measured and as corrected."""
        return self.parts.pair

    @property
    def account(self) -> Account:
        """The figures that count: after corrections."""
        return self.pair.corrected

    @property
    def kept(self) -> bool | None:
        """Whether the promise is kept so far; None when nothing is known. Unknown time that counts as bad does."""
        return self._kept(self.account)

    @property
    def kept_as_measured(self) -> bool | None:
        """The same before corrections."""
        return self._kept(self.pair.measured)

    def _kept(self, account: Account) -> bool | None:
        spec = self.promise.spec
        counted = account.counted(unknown_is_bad=spec.unknown_is_bad)
        if not counted or not account.known:
            return None
        return account.spent(unknown_is_bad=spec.unknown_is_bad) <= (1 - spec.share) * counted * (1 + 1e-12)

    @property
    def ahead(self) -> int:
        """What of the period is still to come: microseconds, or as many events as at the pace so far."""
        to_come = max(0, (self.period.end - self.until) // timedelta(microseconds=1))
        if not self.promise.spec.counts_events:
            return to_come
        so_far = (self.until - self.period.start) // timedelta(microseconds=1)
        counted = self.account.counted(unknown_is_bad=self.promise.spec.unknown_is_bad)
        return round(counted * to_come / so_far) if so_far else 0

    @cached_property
    def budget(self) -> Budget:
        """The error budget of the whole period."""
        spec = self.promise.spec
        return budget_of(self.account, spec.share, ahead=self.ahead, unknown_is_bad=spec.unknown_is_bad)

    def burn_rate(self, window: timedelta) -> float | None:
        """How many times too fast the budget went in a window that ends now; None when nothing is known of it."""
        spec = self.promise.spec
        account = self.burn.get(window)
        return None if account is None else burn_rate(account, spec.share, unknown_is_bad=spec.unknown_is_bad)

    @property
    def pace(self) -> timedelta | None:
        """The burn window that a forecast goes by: the last hour while that burns, else the last three days."""
        acute = self.burn_rate(_ACUTE)
        if acute is not None and acute > 1:
            return _ACUTE
        return _STEADY if self.burn_rate(_STEADY) is not None else None

    @property
    def exhausted_at(self) -> datetime | None:
        """When the budget is gone at the pace of `pace`; None: not within the period, or nothing is known."""
        budget = self.budget
        if budget.left <= 0:
            # Nothing may be left because nothing was counted yet.
            return self.until if budget.used else None
        if self.pace is None:
            return None
        account, spec = self.burn[self.pace], self.promise.spec
        rate = account.spent(unknown_is_bad=spec.unknown_is_bad) / (self.pace / timedelta(microseconds=1))
        if self.period.rolling:
            end = self.until + self.period.length
            return exhausted_at(budget, rate, self.until, end, expired=self._expiry())
        return exhausted_at(budget, rate, self.until, self.period.end)

    def _expiry(self) -> Callable[[datetime], float]:
        """Tells what of the spent budget has left a rolling window at a later moment; even within each part."""
        unknown_is_bad = self.promise.spec.unknown_is_bad
        begins = [part.start for part in self.parts]
        spent = [part.pair.corrected.spent(unknown_is_bad=unknown_is_bad) for part in self.parts]
        before = [0, *accumulate(spent)]

        def expired(at: datetime) -> float:
            edge = self.period.start + (at - self.until)
            place = bisect_right(begins, edge) - 1
            if place < 0:
                return 0.0
            part = self.parts[place]
            return before[place] + min(1.0, (edge - part.start) / (part.end - part.start)) * spent[place]

        return expired


def standings(
    room: Room,
    now: datetime,
    *,
    at: datetime | None = None,
    until: datetime | None = None,
    objectives: Collection[str] | None = None,
    sources: Collection[str] | None = None,
    daily: bool = True,
) -> list[Standing]:
    """How every promise, or those of some objectives or about some sources, stands in the period that holds `at`
    (by default now). With `until` it stands as it did then: what came later does not count, corrections do.

    Without `daily` kept days come as one part where that can be, which is several times as fast.
    """
    about = [
        promise
        for promise in room.promises
        if (objectives is None or promise.objective in objectives)
        and (sources is None or not frozenset(promise.sources).isdisjoint(sources))
    ]
    if not about:
        return []
    moment, around, period = at or now, room.surroundings(now), cache(period_at)
    reached = min(until or now, now)
    periods = {promise.key: period(promise.spec.window, promise.spec.timezone, moment) for promise in about}
    with room.history(now, views_of(about)) as connection:
        parts = Parts(room, connection, around, about, periods, now, reached).all(daily=daily)
        burn = burn_accounts(connection, around, about, now) if moment == now else {}
    return [
        Standing(
            promise, periods[promise.key], _until(periods[promise.key], reached), parts[promise.key],
            burn.get(promise.key, {}), _touching(around, promise, periods[promise.key]),
        )
        for promise in about
    ]  # fmt: skip


def burn_accounts(
    connection: DuckDBPyConnection,
    around: Surroundings,
    promises: Sequence[Promise],
    now: datetime,
    windows: Sequence[timedelta] = BURN_WINDOWS,
) -> dict[tuple[str, str, str], dict[timedelta, Account]]:
    """What the burn windows that end now count as, after corrections, by the promise's key."""
    evidence = gather(connection, around, promises, now - max(windows), now, exact=False)
    bounds = [(now - window, now) for window in windows]
    return {
        promise.key: {
            window: pair.corrected for window, pair in zip(windows, evidence.accounts(promise, bounds), strict=True)
        }
        for promise in promises
    }


def _until(period: Period, now: datetime) -> datetime:
    return min(max(now, period.start), period.end)


def _touching(around: Surroundings, promise: Promise, period: Period) -> list[LedgerEntry]:
    return [
        entry
        for source in promise.sources
        if source in around.ledger
        for entry in in_force(around.ledger[source])
        if entry.start < period.end and entry.end > period.start and entry.objective in ("", promise.objective)
    ]
