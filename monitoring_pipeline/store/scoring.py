"""How far samples were scored, kept in the operational store beside them.

`mark` is the id of the last sample that was scored: it moves in the transaction that records what followed from the
samples up to it, so every sample is scored once, whoever does it. `generation` changes when what was learnt was
replaced: who has the old in memory must read it again.

Whether a source's samples are learnt from changes between two samples; `after` of such an event is the id of the
first of the two. Who scores the same samples again, from an older state, learns from the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, func, select

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.store.points import Row, hot_points
from monitoring_pipeline.store.states import get_meta, set_meta
from monitoring_pipeline.store.tables import events, samples

__all__ = [
    "AHEAD",
    "EXCLUDED",
    "PAUSED",
    "RESUMED",
    "Ahead",
    "Mark",
    "Pause",
    "began",
    "is_lost",
    "last_event",
    "last_sample",
    "note_begin",
    "note_lost",
    "pauses_after",
    "read_ahead",
    "read_mark",
    "samples_after",
    "set_ahead",
    "set_mark",
]

PAUSED, RESUMED = "learning_paused", "learning_resumed"
"""The kinds of events that say whether a source's samples are learnt from."""
EXCLUDED = "learning_excluded"
"""The kind of event by which somebody said afterwards that a stretch of time is not to be learnt."""
AHEAD = "ahead_of_clock"
"""The kind of event that says that samples lie ahead of the clock."""

_MARK, _BEGAN, _LOST, _AHEAD = "scoring.mark", "scoring.began", "scoring.lost", "scoring.ahead"
_MOST_NOTES = 2000


class Mark(NamedTuple):
    """How far samples were scored, and which generation of what was learnt did it."""

    id: int
    generation: int = 0


class Ahead(NamedTuple):
    """Of the samples with ids above `after`, up to `upto`, those later than `limit` (microseconds) are not scored; the
    first of these moments is `least`."""

    after: int
    upto: int
    limit: int
    least: int


class Pause(NamedTuple):
    """From the first sample with an id above `after` on, a source's samples are not learnt from, or are again."""

    event: int
    source: str
    paused: bool
    after: int


def read_mark(connection: Connection) -> Mark | None:
    """How far samples were scored; None before the first time."""
    text = get_meta(connection, _MARK)
    return Mark(*json.loads(text)) if text else None


def set_mark(connection: Connection, mark: Mark) -> None:
    """Notes how far samples were scored, in the transaction that recorded what followed."""
    set_meta(connection, _MARK, json.dumps(mark))


def read_ahead(connection: Connection) -> list[Ahead]:
    """Where samples lay ahead of the clock, by ids; mostly nowhere."""
    return [Ahead(*note) for note in json.loads(get_meta(connection, _AHEAD) or "[]")]


def set_ahead(connection: Connection, notes: Sequence[Ahead]) -> None:
    """Notes it; the newest 2,000 are kept."""
    set_meta(connection, _AHEAD, json.dumps(notes[-_MOST_NOTES:]))


def began(connection: Connection) -> datetime | None:
    """When samples were scored for the first time."""
    text = get_meta(connection, _BEGAN)
    return None if text is None else from_us(int(text))


def note_begin(connection: Connection, now: datetime) -> None:
    """Notes that samples are scored from now on."""
    set_meta(connection, _BEGAN, str(to_us(now)))


def is_lost(connection: Connection) -> bool:
    """Whether somebody had to begin without what was learnt before, and nobody learnt it anew since."""
    return get_meta(connection, _LOST) == "yes"


def note_lost(connection: Connection, lost: bool) -> None:
    """Notes that what was learnt is lost, or learnt anew."""
    set_meta(connection, _LOST, "yes" if lost else "no")


def last_sample(connection: Connection) -> int:
    """The id of the newest sample, 0 when there is none."""
    return connection.execute(select(func.max(samples.c.id))).scalar_one() or 0


def last_event(connection: Connection) -> int:
    """The id of the newest event, 0 when there is none."""
    return connection.execute(select(func.max(events.c.id))).scalar_one() or 0


def samples_after(connection: Connection, after: int, upto: int | None = None) -> Sequence[Row]:
    """Samples with ids above `after`, up to `upto`, in the order of their ids; not more than one page of them."""
    only = None if upto is None else samples.c.id <= upto
    return next((page.rows for page in hot_points(connection, "samples", after, only)), ())


def pauses_after(connection: Connection, event: int) -> list[Pause]:
    """Changes of what is learnt from, with event ids above `event`, in the order in which they happened."""
    query = (
        select(events.c.id, events.c.source, events.c.kind, events.c.detail)
        .where(events.c.id > event, events.c.kind.in_((PAUSED, RESUMED)))
        .order_by(events.c.id)
    )
    rows: Any = connection.execute(query)
    return [Pause(row.id, row.source, row.kind == PAUSED, cast("int", json.loads(row.detail)["after"])) for row in rows]
