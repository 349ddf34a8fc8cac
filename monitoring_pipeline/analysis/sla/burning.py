"""Burn rates as samples, for rules: `burn.OBJECTIVE.WINDOW` on the sources that use the budget up.

Where sources share a budget it is those that were bad themselves which carry the burn rate of the whole. A source
whose budget does not burn has no samples; the one that ends an episode is zero, so an alert is over with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from monitoring_pipeline.analysis.objective import Promise
from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.budget import BURN_WINDOWS, burn_rate
from monitoring_pipeline.analysis.sla.evidence import Surroundings, views_of
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.analysis.sla.standing import burn_accounts
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.records import Sample
from monitoring_pipeline.store import states

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["burn_samples", "note_burning"]

_BURNING = "sla.burning"


def burn_samples(room: Room, now: datetime) -> list[Sample]:
    """The samples to report now. Whoever reported them calls `note_burning`; killed before, they come once more."""
    if not room.promises:
        return []
    with room.store.read() as connection:
        before = _noted(states.get_meta(connection, _BURNING))
    around = room.surroundings(now)
    with room.history(now, views_of(room.promises, exact=False)) as connection:
        rates = dict(_rates(connection, around, room.promises, now))
    burning = {key for key, found in rates.items() if any(rate for rate in found if rate)}
    return [
        Sample(source, f"burn.{objective}.{format_duration(window)}", now, round(rate, 6), "", "sla")
        for objective, source in sorted(burning | (before & set(rates)))
        for window, rate in zip(BURN_WINDOWS, rates[objective, source], strict=True)
        if rate is not None
    ]


def note_burning(room: Room, samples: Iterable[Sample]) -> None:
    """Keeps what burns, so that its end is told too."""
    burning = {(sample.metric.split(".", 1)[1].rsplit(".", 1)[0], sample.source) for sample in samples if sample.value}
    text = json.dumps(sorted(burning))
    with room.store.read() as connection:
        if states.get_meta(connection, _BURNING) in (text, *(() if burning else (None,))):
            return
    with room.store.write() as connection:
        states.set_meta(connection, _BURNING, text)


def _noted(text: str | None) -> set[tuple[str, str]]:
    return {(objective, source) for objective, source in json.loads(text or "[]")}


Rates = Sequence[float | None]


def _rates(
    connection: DuckDBPyConnection, around: Surroundings, promises: Sequence[Promise], now: datetime
) -> Iterator[tuple[tuple[str, str], Rates]]:
    """Per objective and source the burn rates of all windows."""
    accounts = burn_accounts(connection, around, promises, now)
    shared = [promise for promise in promises if len(promise.sources) > 1]
    own = burn_accounts(connection, around, list(_alone(shared)), now) if shared else {}
    for promise in promises:
        rates = [_rate(promise, accounts[promise.key][window]) for window in BURN_WINDOWS]
        for source in promise.sources:
            mine = own.get((promise.objective, "source", source))
            yield (promise.objective, source), rates if mine is None else _part(promise, rates, mine.values())


def _alone(promises: Iterable[Promise]) -> Iterator[Promise]:
    """The sources that share a budget, each for itself."""
    for promise in promises:
        for source in promise.sources:
            yield Promise(promise.objective, promise.spec, "source", source, (source,))


def _part(promise: Promise, rates: Rates, own: Iterable[Account]) -> Rates:
    unknown_is_bad = promise.spec.unknown_is_bad
    return [
        rate if rate is None or account.spent(unknown_is_bad=unknown_is_bad) else 0.0
        for rate, account in zip(rates, own, strict=True)
    ]


def _rate(promise: Promise, account: Account) -> float | None:
    return burn_rate(account, promise.spec.share, unknown_is_bad=promise.spec.unknown_is_bad)
