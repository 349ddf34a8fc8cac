"""How channels do, in the operational store: last success, last failure, how long they are to be left alone,
how much went out lately, and what providers called the messages of a thread."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store.tables import channel_states, threads

__all__ = [
    "FAILING_FROM",
    "LONGEST_BLOCK",
    "ChannelState",
    "channels_by_name",
    "forget_reference",
    "forget_references",
    "put_reference",
    "references",
    "save_channels",
    "shift_channels",
    "upsert",
]

FAILING_FROM = 3
"""From so many failures in a row on, a channel is tried with one message at a time, and after pauses."""
LONGEST_BLOCK = timedelta(hours=1)
_PAUSES_S = (0.5, 1, 2, 4, 8, 15)
_BLOCK_US = int(LONGEST_BLOCK / timedelta(microseconds=1))
_EXACT = 100


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What is known of a channel; moments are microseconds. `recent` counts messages by when they went out."""

    name: str
    last_ok: int | None = None
    last_failed: int | None = None
    error: str = ""
    failures: int = 0
    tested: int | None = None
    blocked_until: int | None = None
    next_free: int | None = None
    recent: str = ""

    @property
    def is_failing(self) -> bool:
        """Whether its last messages did not get through."""
        return self.failures >= FAILING_FROM

    def waits_until(self, now_us: int) -> int | None:
        """Until when nothing may be sent; None when something may. Moments that no clock of ours can have
        meant, because it was set back since, do not count."""
        ahead = [
            moment
            for moment in (self.blocked_until, self.next_free)
            if moment is not None and now_us < moment <= now_us + _BLOCK_US
        ]
        return max(ahead, default=None)

    def succeeded(self, now_us: int) -> ChannelState:
        """After a message that was taken."""
        return replace(self, last_ok=now_us, failures=0, error="", blocked_until=None)

    def failed(self, now_us: int, error: str, *, until_us: int | None, transient: bool) -> ChannelState:
        """After a message that was not taken. `until_us` is what the provider asked for."""
        failures = self.failures + 1
        pause = _pause_us(failures) if transient else 0
        block = min(max(now_us + pause, until_us or 0, self.blocked_until or 0), now_us + _BLOCK_US)
        return replace(
            self, last_failed=now_us, error=error, failures=failures, blocked_until=block if block > now_us else None
        )

    def was_tested(self, now_us: int) -> ChannelState:
        """After a test message came to its end."""
        return replace(self, tested=now_us)

    def allowance(self, messages: int, per_us: int, now_us: int) -> int:
        """How many more may go out now, of `messages` in any stretch of `per_us`."""
        return max(0, messages - sum(self._counts(messages, per_us, now_us).values()))

    def counted(self, sent: int, messages: int, per_us: int, now_us: int) -> ChannelState:
        """After so many more went out."""
        counts, width = self._counts(messages, per_us, now_us), _width(messages, per_us)
        slot = now_us - now_us % width
        counts[slot] = counts.get(slot, 0) + sent
        full = sum(counts.values()) >= messages
        free = min(counts) + width + per_us if full else None
        return replace(self, recent=json.dumps(counts), next_free=free)

    def _counts(self, messages: int, per_us: int, now_us: int) -> dict[int, int]:
        """Counts that still matter. Counts from the future are of a clock that was set back."""
        counts = {int(at): int(count) for at, count in (json.loads(self.recent) if self.recent else {}).items()}
        since = now_us - per_us - _width(messages, per_us)
        return {at: count for at, count in counts.items() if since < at <= now_us}


def _width(messages: int, per_us: int) -> int:
    """How exactly moments are kept: small limits to the microsecond, great ones to a hundredth of their time."""
    return 1 if messages <= _EXACT else max(1, per_us // _EXACT)


def _pause_us(failures: int) -> int:
    beyond = failures - FAILING_FROM
    return 0 if beyond < 0 else int(_PAUSES_S[min(beyond, len(_PAUSES_S) - 1)] * 1_000_000)


def channels_by_name(connection: Connection, names: Collection[str] | None = None) -> dict[str, ChannelState]:
    """Channels of which something is known, all or some."""
    query = select(channel_states)
    if names is not None:
        query = query.where(channel_states.c.name.in_(list(names)))
    return {row.name: ChannelState(*row) for row in connection.execute(query)}


def save_channels(connection: Connection, states: Sequence[ChannelState]) -> None:
    """Writes what is known of channels."""
    rows = [{name: getattr(state, name) for name in ChannelState.__slots__} for state in states]
    if rows:
        upsert(connection, channel_states, rows)


def shift_channels(connection: Connection, by: timedelta) -> None:
    """The clock was set back by so much: waits end as much earlier."""
    by_us = int(by / timedelta(microseconds=1))
    column = channel_states.c.blocked_until
    connection.execute(update(channel_states).where(column.is_not(None)).values(blocked_until=column - by_us))


# -- what providers called our messages ----------------------------------------------------------------


def references(connection: Connection, lines: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], Any]:
    """What providers called the first message of (channel, recipient, thread), where they said something."""
    if not lines:
        return {}
    query = select(threads).where(
        threads.c.thread.in_({thread for _, _, thread in lines}),
        threads.c.channel.in_({channel for channel, _, _ in lines}),
    )
    found = {(row.channel, row.recipient, row.thread): json.loads(row.reference) for row in connection.execute(query)}
    return {line: found[line] for line in lines if line in found}


def put_reference(
    connection: Connection, line: tuple[str, str, str], reference: Mapping[str, Any], now: datetime
) -> None:
    """Remembers what the provider called our message."""
    channel, recipient, thread = line
    row = {
        "channel": channel, "recipient": recipient, "thread": thread,
        "reference": json.dumps(dict(reference), ensure_ascii=False, default=str), "at": to_us(now),
    }  # fmt: skip
    upsert(connection, threads, [row])


def forget_reference(connection: Connection, line: tuple[str, str, str]) -> None:
    """The thread is over: the next message begins anew."""
    channel, recipient, thread = line
    connection.execute(
        delete(threads).where(
            threads.c.channel == channel, threads.c.recipient == recipient, threads.c.thread == thread
        )
    )


def forget_references(connection: Connection, before: datetime) -> int:
    """Forgets threads to which nothing was sent since a moment; how many."""
    return int(connection.execute(delete(threads).where(threads.c.at < to_us(before))).rowcount)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows; those whose primary key exists are overwritten."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))
