"""Sending, as the operational store sees it: claims of notifications with a lease, and what came of them.

A claim is a conditional UPDATE that sets `due` to the end of its lease, so that one that nobody finished is due
again by itself. All functions take the connection of an open transaction; writers are serialised.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, exists, insert, or_, select, text, update

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.records import Severity
from monitoring_pipeline.store.channels import (
    ChannelState,
    channels_by_name,
    forget_reference,
    put_reference,
    references,
    save_channels,
    shift_channels,
)
from monitoring_pipeline.store.outbox import OPEN, NotificationState
from monitoring_pipeline.store.tables import attempts, notifications

__all__ = [
    "Attempt",
    "Claimed",
    "Lane",
    "Outcome",
    "channels_before",
    "claim",
    "claimable",
    "due_channels",
    "finish",
    "release",
    "shift_back",
    "stuck",
]

_LONGEST_CHAIN = 20


# -- claiming ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lane:
    """A channel as one worker serves it: at most `width` messages at once, of which `busy` are under way, each
    for at most `lease`; `rate` is how many may go out in which time. Younger ones than `patience` are left alone.
    Only messages of `severities` are looked for."""

    channel: str
    width: int = 4
    busy: int = 0
    lease: timedelta = timedelta(seconds=30)
    rate: tuple[int, timedelta] | None = None
    patience: timedelta = timedelta(0)
    severities: Collection[Severity] = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notification that is ours to send until its lease ends. `attempts` counts this one too; `reference` is
    what the provider called the first message of its thread."""

    id: int
    key: str
    created: datetime
    kind: str
    channel: str
    recipient: str
    thread: str
    severity: Severity
    message: str
    attempts: int
    fallback_for: int | None = None
    reference: Mapping[str, Any] | None = None

    @property
    def line(self) -> tuple[str, str, str]:
        """What is kept in order."""
        return self.channel, self.recipient, self.thread


_earlier = notifications.alias("earlier")
_FIRST_OF_ITS_LINE = or_(
    notifications.c.thread == "",
    ~exists().where(
        text(f"earlier.{OPEN}"),
        _earlier.c.channel == notifications.c.channel,
        _earlier.c.thread == notifications.c.thread,
        _earlier.c.recipient == notifications.c.recipient,
        _earlier.c.id < notifications.c.id,
        _earlier.c.state != NotificationState.COLLECTING.value,
    ),
)


def due_channels(connection: Connection, now: datetime) -> dict[str, list[Severity]]:
    """Channels for which something is due, also those that have to wait, and the severities of what is due."""
    columns = (notifications.c.channel, notifications.c.severity)
    query = select(*columns).where(text(OPEN), notifications.c.due <= to_us(now)).group_by(*columns)
    found: dict[str, list[Severity]] = defaultdict(list)
    for channel, severity in connection.execute(query):
        found[channel].append(Severity(severity))
    return found


def claimable(
    connection: Connection,
    now: datetime,
    lanes: Sequence[Lane],
    *,
    limit: int = 64,
    holding: Collection[int] = (),
    take_over: bool = True,
) -> list[int]:
    """Ids of what may be sent now: in each lane the most urgent and oldest first, lane by lane in turn.

    Of each (channel, recipient, thread) only the first that is still open, so that none overtakes another.
    What failing or blocked channels and rate limits hold back is left out, and `holding`, which is ours already.
    Without `take_over` leases that ended are left alone.
    """
    states = channels_by_name(connection, [lane.channel for lane in lanes])
    found = []
    for lane in lanes:
        state = states.get(lane.channel) or ChannelState(lane.channel)
        room = _room(lane, state, to_us(now))
        if room > 0:
            query = _due_query(lane, now, holding, take_over, state.is_failing)
            found.append(_first(connection, query, lane, room))
    return [each for turn in zip_longest(*found) for each in turn if each is not None][:limit]


def _room(lane: Lane, state: ChannelState, now_us: int) -> int:
    if state.waits_until(now_us) is not None:
        return 0
    room = (1 if state.is_failing else lane.width) - lane.busy
    if lane.rate is not None:
        messages, per = lane.rate
        room = min(room, state.allowance(messages, _us(per), now_us))
    return room


def _first(connection: Connection, query: Select[int], lane: Lane, room: int) -> list[int]:
    """Severity by severity, so that each question ends with the index as soon as it has enough."""
    found: list[int] = []
    for severity in sorted(lane.severities, key=lambda each: -each.rank):
        of_severity = query.where(notifications.c.channel == lane.channel, notifications.c.severity == severity.value)
        found += connection.execute(of_severity.limit(room - len(found))).scalars().all()
        if len(found) >= room:
            break
    return found


def _due_query(
    lane: Lane, now: datetime, holding: Collection[int], take_over: bool, probing: bool
) -> Select[int]:  # fmt: skip
    query = select(notifications.c.id).where(
        text(f"notifications.{OPEN}"), notifications.c.due <= to_us(now), _FIRST_OF_ITS_LINE
    )
    if lane.patience:
        query = query.where(notifications.c.created <= to_us(now - lane.patience))
    if holding:
        query = query.where(notifications.c.id.not_in(list(holding)))
    if not take_over:
        query = query.where(notifications.c.state != NotificationState.SENDING.value)
    # A failing channel is tried with what was tried least: one bad message must not stand for all.
    patience = (notifications.c.attempts,) if probing else ()
    return query.order_by(*patience, notifications.c.due, notifications.c.id)


def claim(
    connection: Connection,
    worker: str,
    now: datetime,
    lanes: Sequence[Lane],
    *,
    limit: int = 64,
    holding: Collection[int] = (),
    take_over: bool = True,
) -> list[Claimed]:
    """Makes notifications a worker's own until their lease ends; see `claimable`.

    A lease that ended is an attempt that nobody finished: it is written down as interrupted.
    """
    ids = claimable(connection, now, lanes, limit=limit, holding=holding, take_over=take_over)
    if not ids:
        return []
    by_channel = {lane.channel: lane for lane in lanes}
    rows = connection.execute(select(notifications).where(notifications.c.id.in_(ids))).mappings().all()
    _note_interrupted(connection, rows, now)
    leases = {row["id"]: to_us(now + by_channel[row["channel"]].lease) for row in rows}
    ours = [row for row in rows if _take(connection, row, worker, leases[row["id"]])]
    _count(connection, ours, by_channel, to_us(now))
    called = references(connection, {(row["channel"], row["recipient"], row["thread"]) for row in ours})
    taken = {row["id"]: _claimed(row, called) for row in ours}
    return [taken[each] for each in ids if each in taken]


def _take(connection: Connection, row: RowMapping, worker: str, until_us: int) -> bool:
    """By conditional update: whoever changes the row owns it."""
    changed = connection.execute(
        update(notifications)
        .where(
            notifications.c.id == row["id"], notifications.c.state == row["state"],
            notifications.c.attempts == row["attempts"],
        )
        .values(
            state=NotificationState.SENDING.value, leased_by=worker, lease_until=until_us, due=until_us,
            attempts=row["attempts"] + 1,
        )
    )  # fmt: skip
    return changed.rowcount == 1


def _note_interrupted(connection: Connection, rows: Sequence[RowMapping], now: datetime) -> None:
    lost = [row for row in rows if row["state"] == NotificationState.SENDING.value]
    found = [
        {
            "notification_id": row["id"], "at": to_us(now), "duration_ms": 0.0, "code": None,
            "outcome": Attempt.INTERRUPTED.value, "worker": row["leased_by"],
            "detail": "whoever sent it ended before writing down what came of it; the provider may have it",
        }
        for row in lost
    ]  # fmt: skip
    if found:
        connection.execute(insert(attempts), found)


def _count(connection: Connection, rows: Sequence[RowMapping], lanes: Mapping[str, Lane], now_us: int) -> None:
    """Messages of channels with a rate limit are counted when they are claimed."""
    counts = Counter(row["channel"] for row in rows if lanes[row["channel"]].rate is not None)
    states = channels_by_name(connection, counts)
    changed = []
    for name, count in counts.items():
        messages, per = lanes[name].rate or (1, timedelta(0))
        changed.append(states.get(name, ChannelState(name)).counted(count, messages, _us(per), now_us))
    save_channels(connection, changed)


def _claimed(row: RowMapping, called: Mapping[tuple[str, str, str], Any]) -> Claimed:
    return Claimed(
        id=row["id"], key=row["key"], created=from_us(row["created"]), kind=row["kind"], channel=row["channel"],
        recipient=row["recipient"], thread=row["thread"], severity=Severity(row["severity"]), message=row["message"],
        attempts=row["attempts"] + 1, fallback_for=row["fallback_for"],
        reference=called.get((row["channel"], row["recipient"], row["thread"])),
    )  # fmt: skip


def _us(duration: timedelta) -> int:
    return int(duration / timedelta(microseconds=1))


# -- what came of it -----------------------------------------------------------------------------------


class Attempt(StrEnum):
    """sent: the provider took it. failed: it did not, and it may be tried again. throttled: it asked for patience,
    which does not count against the message. rejected: trying again cannot help. interrupted: nobody knows."""

    SENT = "sent"
    FAILED = "failed"
    THROTTLED = "throttled"
    REJECTED = "rejected"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a claim. `attempt` is None when nothing was tried, `due` when a waiting one is tried again.

    `blocked_until` is how long the provider wants to be left alone. `counts` tells whether it uses up one of the
    message's attempts, `ends_thread` that a later message of the thread begins a new one, `is_test` that it proves
    or disproves the channel.
    """

    claimed: Claimed
    state: NotificationState
    at: datetime
    attempt: Attempt | None = None
    duration_ms: float = 0.0
    code: int | None = None
    detail: str = ""
    due: datetime | None = None
    blocked_until: datetime | None = None
    reference: Mapping[str, Any] = field(default_factory=dict)
    counts: bool = True
    ends_thread: bool = False
    is_test: bool = False


def finish(connection: Connection, worker: str, outcomes: Sequence[Outcome], now: datetime) -> set[int]:
    """Writes down attempts and what came of them; answers the ids that were still the worker's.

    One that was sent is sent, even if its lease was lost meanwhile: nobody shall send it again.
    """
    tried = [_attempt_row(outcome, worker) for outcome in outcomes if outcome.attempt is not None]
    if tried:
        connection.execute(insert(attempts), tried)
    ours = {outcome.claimed.id for outcome in outcomes if _conclude(connection, worker, outcome, now)}
    _tell_channels(connection, [outcome for outcome in outcomes if outcome.attempt is not None], to_us(now))
    for outcome in outcomes:
        if outcome.state is NotificationState.SENT and outcome.ends_thread:
            forget_reference(connection, outcome.claimed.line)
        elif outcome.state is NotificationState.SENT and outcome.reference and outcome.claimed.thread:
            put_reference(connection, outcome.claimed.line, outcome.reference, now)
    return ours


def _attempt_row(outcome: Outcome, worker: str) -> dict[str, Any]:
    return {
        "notification_id": outcome.claimed.id, "at": to_us(outcome.at), "duration_ms": outcome.duration_ms,
        "outcome": (outcome.attempt or Attempt.INTERRUPTED).value, "code": outcome.code, "detail": outcome.detail,
        "worker": worker,
    }  # fmt: skip


def _conclude(connection: Connection, worker: str, outcome: Outcome, now: datetime) -> bool:
    claimed, sent = outcome.claimed, outcome.state is NotificationState.SENT
    held = and_(notifications.c.leased_by == worker, notifications.c.state == NotificationState.SENDING.value)
    changed = connection.execute(
        update(notifications)
        .where(notifications.c.id == claimed.id, notifications.c.state != outcome.state.value if sent else held)
        .values(
            state=outcome.state.value, due=to_us(outcome.due or now), leased_by=None, lease_until=None,
            attempts=claimed.attempts - (0 if outcome.counts else 1), sent=to_us(now) if sent else None,
            error="" if sent else outcome.detail,
        )
    )  # fmt: skip
    return changed.rowcount == 1


def _tell_channels(connection: Connection, outcomes: Sequence[Outcome], now_us: int) -> None:
    states = channels_by_name(connection, {outcome.claimed.channel for outcome in outcomes})
    for outcome in outcomes:
        name = outcome.claimed.channel
        states[name] = _told(states.get(name, ChannelState(name)), outcome, now_us)
    save_channels(connection, list(states.values()))


def _told(state: ChannelState, outcome: Outcome, now_us: int) -> ChannelState:
    over = outcome.state in (NotificationState.SENT, NotificationState.DEAD)
    state = state.was_tested(now_us) if outcome.is_test and over else state
    if outcome.attempt is Attempt.SENT:
        return state.succeeded(now_us)
    until = None if outcome.blocked_until is None else to_us(outcome.blocked_until)
    return state.failed(now_us, outcome.detail, until_us=until, transient=outcome.attempt is not Attempt.REJECTED)


def release(connection: Connection, worker: str, begun: Collection[int], now: datetime) -> int:
    """Gives back what a worker claimed and has not begun to send; how many."""
    query = update(notifications).where(
        text(OPEN), notifications.c.state == NotificationState.SENDING.value, notifications.c.leased_by == worker
    )
    if begun:
        query = query.where(notifications.c.id.not_in(list(begun)))
    waiting = NotificationState.WAITING.value
    values = {"state": waiting, "due": to_us(now), "leased_by": None, "lease_until": None}
    return int(connection.execute(query.values(**values, attempts=notifications.c.attempts - 1)).rowcount)


# -- falling back --------------------------------------------------------------------------------------


def stuck(
    connection: Connection,
    now: datetime,
    channels: Collection[str],
    severities: Collection[Severity],
    *,
    tried: int,
    older_than: timedelta,
    limit: int = 100,
) -> list[tuple[Claimed, str]]:
    """Notifications of such channels and severities that failed `tried` times or are older than so long, are
    still to be sent, and did not fall back yet; with the last error of each. Oldest first."""
    fallback = notifications.alias("fallback")
    waiting = notifications.c.state == NotificationState.WAITING.value
    query = (
        select(notifications)
        .where(
            text(f"notifications.{OPEN}"),
            notifications.c.channel.in_(list(channels)),
            notifications.c.severity.in_([severity.value for severity in severities]),
            notifications.c.state != NotificationState.COLLECTING.value,
            or_(and_(waiting, notifications.c.attempts >= tried), notifications.c.created <= to_us(now - older_than)),
            or_(notifications.c.attempts > 0, notifications.c.due <= to_us(now)),
            ~exists().where(fallback.c.fallback_for == notifications.c.id),
        )
        .order_by(notifications.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings().all()
    return [(replace(_claimed(row, {}), attempts=row["attempts"]), row["error"]) for row in rows]


def channels_before(connection: Connection, notification_id: int | None) -> list[str]:
    """The channels of a notification and of those it is the fallback for, the newest first."""
    found: list[str] = []
    while notification_id is not None and len(found) < _LONGEST_CHAIN:
        row = connection.execute(
            select(notifications.c.channel, notifications.c.fallback_for).where(notifications.c.id == notification_id)
        ).first()
        if row is None:
            break
        found.append(row.channel)
        notification_id = row.fallback_for
    return found


def shift_back(connection: Connection, by: timedelta, now: datetime, *, lease: timedelta) -> None:
    """The clock was set back by so much: what was due at once, or again soon, is due that much earlier.

    Leases only become as short as they can be: their owners may still be sending.
    """
    waiting = (text(OPEN), notifications.c.state == NotificationState.WAITING.value, notifications.c.due > to_us(now))
    soon = or_(notifications.c.attempts > 0, notifications.c.due <= notifications.c.created)
    connection.execute(update(notifications).where(*waiting, soon).values(due=notifications.c.due - _us(by)))
    sending, latest = notifications.c.state == NotificationState.SENDING.value, to_us(now + lease)
    late = (text(OPEN), sending, notifications.c.due > latest)
    connection.execute(update(notifications).where(*late).values(due=latest, lease_until=latest))
    shift_channels(connection, by)
