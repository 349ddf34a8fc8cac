"""Burn rates as samples, for rules: `burn.OBJECTIVE.WINDOW` on the sources that use the budget up.

Where sources share a budget it is those that were bad themselves which carry the burn rate of the whole. A source
whose budget does not burn has no samples; the one that ends an episode is zero, so an alert is over with it. A rate
that stays as it is, as that of three days does for long, is told again every ten minutes; and where results are
looked at one by one, the long windows are only looked at then, because they hold so many.
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
    from sqlalchemy import Connection

__all__ = ["Burning", "burn_samples", "note_burning"]

_NOTES = "sla.burning"
_AGAIN = timedelta(minutes=10)
_SAME = 0.01
_OFTEN = [window for window in BURN_WINDOWS if window <= timedelta(hours=1)]

Rates = Mapping[timedelta, float | None]
Notes = dict[str, tuple[int, float]]


@dataclass(frozen=True)
class Burning:
    """Samples to report, and what to note with them: when each series was told last, and what."""

    samples: Sequence[Sample] = ()
    notes: Notes = field(default_factory=dict)


def burn_samples(room: Room, now: datetime) -> Burning:
    """What to report now. Whoever records it calls `note_burning` in the same transaction."""
    if not room.promises:
        return Burning()
    with room.store.read() as connection:
        told = _read(states.get_meta(connection, _NOTES))
    with room.history(now, views_of(room.promises, exact=False)) as connection:
        found = dict(_rates(connection, room.surroundings(now), room.promises, now))
    return _news(found, told, now)


def _news(found: Mapping[tuple[str, str], Rates], told: Notes, now: datetime) -> Burning:
    samples: list[Sample] = []
    notes: Notes = {}
    for (objective, source), rates in found.items():
        for window in BURN_WINDOWS:
            metric = f"burn.{objective}.{_TEXTS[window]}"
            key = f"{source} {metric}"
            last, rate = told.get(key), rates.get(window)
            if rate is not None and (rate or last) and (last is None or _moved(last, rate, now)):
                samples.append(Sample(source, metric, now, round(rate, 6), "", "sla"))
                last = (to_us(now), rate) if rate else None
            # What is not looked at this time, or not known, goes on: its end is still to be told.
            if last is not None:
                notes[key] = last
    return Burning(samples, notes)


_TEXTS = {window: format_duration(window) for window in BURN_WINDOWS}


def _moved(last: tuple[int, float], rate: float, now: datetime) -> bool:
    at, before = last
    return abs(rate - before) > _SAME * before or not rate or not from_us(at) <= now < from_us(at) + _AGAIN


def note_burning(connection: Connection, burning: Burning) -> None:
    """Keeps what was told, so that it is not told again at once, and that its end is."""
    states.set_meta(connection, _NOTES, json.dumps(burning.notes, separators=(",", ":"), sort_keys=True))


def _read(text: str | None) -> Notes:
    return {key: (int(at), float(rate)) for key, (at, rate) in json.loads(text or "{}").items()}


def _rates(
    connection: DuckDBPyConnection, around: Surroundings, promises: Sequence[Promise], now: datetime
) -> Iterator[tuple[tuple[str, str], Rates]]:
    """Per objective and source the burn rates of the windows that are looked at now."""
    often = _OFTEN if now.minute % (_AGAIN // timedelta(minutes=1)) else BURN_WINDOWS
    many = [promise for promise in promises if promise.spec.reads_results]
    few = [promise for promise in promises if not promise.spec.reads_results]
    for some, windows in ((few, BURN_WINDOWS), (many, often)):
        if some:
            yield from _rates_of(connection, around, some, now, windows)


def _rates_of(
    connection: DuckDBPyConnection,
    around: Surroundings,
    promises: Sequence[Promise],
    now: datetime,
    windows: Sequence[timedelta],
) -> Iterator[tuple[tuple[str, str], Rates]]:
    accounts = burn_accounts(connection, around, promises, now, windows)
    shared = [promise for promise in promises if len(promise.sources) > 1]
    own = burn_accounts(connection, around, list(_alone(shared)), now, windows) if shared else {}
    for promise in promises:
        rates = {window: _rate(promise, account) for window, account in accounts[promise.key].items()}
        for source in promise.sources:
            mine = own.get((promise.objective, "source", source))
            yield (promise.objective, source), rates if mine is None else _part(promise, rates, mine)


def _alone(promises: Iterable[Promise]) -> Iterator[Promise]:
    """The sources that share a budget, each for itself."""
    for promise in promises:
        for source in promise.sources:
            yield Promise(promise.objective, promise.spec, "source", source, (source,))


def _part(promise: Promise, rates: Rates, own: Mapping[timedelta, Account]) -> Rates:
    """The rates of the whole, in windows in which the source was bad itself; else zero."""
    unknown_is_bad = promise.spec.unknown_is_bad
    return {
        window: rate if rate is None or own[window].spent(unknown_is_bad=unknown_is_bad) else 0.0
        for window, rate in rates.items()
    }


def _rate(promise: Promise, account: Account) -> float | None:
    return burn_rate(account, promise.spec.share, unknown_is_bad=promise.spec.unknown_is_bad)
