"""Burn rates as samples, for rules: `burn.OBJECTIVE.WINDOW` on the sources that use the budget up.

Where sources share a budget it is those that were bad themselves which carry the burn rate of the whole. A source
whose budget does not burn has no samples; the one that ends an episode is zero, so an alert is over with it. A rate
that stays as it is, as that of three days does for long, is told again every ten minutes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from monitoring_pipeline.analysis.objective import Promise
from monitoring_pipeline.analysis.sla.account import Account
from monitoring_pipeline.analysis.sla.budget import BURN_WINDOWS, burn_rate
from monitoring_pipeline.analysis.sla.evidence import Surroundings, views_of
from monitoring_pipeline.analysis.sla.room import Room
from monitoring_pipeline.analysis.sla.standing import burn_accounts
from monitoring_pipeline.clock import format_duration, from_us, to_us
from monitoring_pipeline.records import Sample
from monitoring_pipeline.store import states

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Burning", "burn_samples", "note_burning"]

_NOTES = "sla.burning"
_AGAIN = timedelta(minutes=10)
_SAME = 0.01

Rates = Sequence[float | None]
Notes = dict[str, tuple[int, float]]


@dataclass(frozen=True)
class Burning:
    """Samples to report, and what to note once they are: when each series was told last, and what."""

    samples: Sequence[Sample] = ()
    notes: Notes = field(default_factory=dict)


def burn_samples(room: Room, now: datetime) -> Burning:
    """What to report now. Whoever did calls `note_burning`; killed before, the same comes once more."""
    if not room.promises:
        return Burning()
    with room.store.read() as connection:
        told = _read(states.get_meta(connection, _NOTES))
    with room.history(now, views_of(room.promises, exact=False)) as connection:
        found = dict(_rates(connection, room.surroundings(now), room.promises, now))
    return _news(found, told, now)


def _news(found: Mapping[tuple[str, str], Rates], told: Notes, now: datetime) -> Burning:
    samples, notes = [], {}
    for (objective, source), rates in found.items():
        for window, rate in zip(_WINDOWS, rates, strict=True):
            metric = f"burn.{objective}.{window}"
            key, last = f"{source} {metric}", told.get(f"{source} {metric}")
            if rate is None or (not rate and last is None):
                continue
            if last is None or _moved(last, rate, now):
                samples.append(Sample(source, metric, now, round(rate, 6), "", "sla"))
                last = (to_us(now), rate)
            if rate:
                notes[key] = last
    return Burning(samples, notes)


_WINDOWS = [format_duration(window) for window in BURN_WINDOWS]


def _moved(last: tuple[int, float], rate: float, now: datetime) -> bool:
    at, before = last
    return abs(rate - before) > _SAME * before or not rate or not from_us(at) <= now < from_us(at) + _AGAIN


def note_burning(room: Room, burning: Burning) -> None:
    """Keeps what was told, so that it is not told again at once, and that its end is."""
    text = json.dumps(burning.notes, separators=(",", ":"), sort_keys=True)
    with room.store.read() as connection:
        if (states.get_meta(connection, _NOTES) or "{}") == text:
            return
    with room.store.write() as connection:
        states.set_meta(connection, _NOTES, text)


def _read(text: str | None) -> Notes:
    return {key: (int(at), float(rate)) for key, (at, rate) in json.loads(text or "{}").items()}


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
