"""Samples whose moment lies ahead of the clock, as of a sender whose clock is wrong.

They are not scored: whatever comes after them would be too late for its series until time catches up. Nothing says of
a sample when it was recorded, so it is noted where some were left out (`store.scoring.Ahead`): who takes the same
samples again, later, leaves out the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from monitoring_pipeline.analysis.scoring.telling import Flags, Integers
from monitoring_pipeline.clock import format_duration, from_us, to_us
from monitoring_pipeline.records import Event, Severity
from monitoring_pipeline.records.metric import is_computed
from monitoring_pipeline.store.points import Row
from monitoring_pipeline.store.scoring import AHEAD, Ahead

__all__ = ["ahead_events", "are_ahead", "noted"]

_TOLERATED_US = round(timedelta(minutes=5) / timedelta(microseconds=1))


def are_ahead(notes: Sequence[Ahead], ids: Integers, times: Integers) -> Flags:
    """Which samples were left out, by ids and moments."""
    if not notes:
        return np.zeros(len(ids), dtype=bool)
    after, upto, limit, _ = np.array(notes, dtype=np.int64).T
    place = np.searchsorted(after, ids, side="left") - 1
    return np.asarray((place >= 0) & (ids <= upto[place]) & (times > limit[place]))


def noted(notes: Sequence[Ahead], rows: Sequence[Row], after: int, now: datetime) -> list[Ahead] | None:
    """The notes with what is to be left out of these samples, the first with an id above `after`; None where that is
    nothing. Conclusions, as forecasts, may lie ahead: they are never scored.

    The last note goes on as long as what it left out is still ahead: what was scored meanwhile is not.
    """
    limit, upto = to_us(now) + _TOLERATED_US, rows[-1][0]
    least = min((row[6] for row in rows if row[6] > limit and not is_computed(row[3])), default=None)
    if least is None:
        return None
    if notes and notes[-1].limit <= limit < notes[-1].least:
        return [*notes[:-1], Ahead(notes[-1].after, upto, limit, min(least, notes[-1].least))]
    return [*notes, Ahead(after, upto, limit, least)]


def ahead_events(rows: Sequence[Row], notes: Sequence[Ahead], now: datetime) -> list[Event]:
    """What is told of samples that were left out: an event of each source, the same one all day."""
    first: dict[str, Row] = {}
    ids, times = np.array([(row[0], row[6]) for row in rows], dtype=np.int64).T
    for place in np.flatnonzero(are_ahead(notes, ids, times)).tolist():
        if not is_computed(rows[place][3]):
            first.setdefault(rows[place][1], rows[place])
    return [_event(row, now) for row in first.values()]


def _event(row: Row, now: datetime) -> Event:
    at = from_us(row[6])
    far = format_duration(timedelta(seconds=round((at - now).total_seconds())))
    text = f"{row[3]} is said to be of {at:%Y-%m-%d %H:%M} UTC, {far} ahead of the clock: such samples are not scored"
    key = f"{AHEAD} {now:%Y-%m-%d} {row[1]}"
    return Event(row[1], AHEAD, row[1], now, text, Severity.WARNING, row[2], {"metric": row[3], "time": row[6]}, key)
