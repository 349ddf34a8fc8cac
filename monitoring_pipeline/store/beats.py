"""Heartbeats pushed to us: one row per signal, newest read first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.store.tables import beats

__all__ = ["append_beat", "newest_beats", "since_start"]


def append_beat(
    connection: Connection,
    key: str,
    *,
    at: datetime,
    signal: str,
    duration_ms: float | None = None,
    exit_code: int | None = None,
    message: str = "",
) -> None:
    """Records one signal (start, success or fail) of the heartbeat check `key`."""
    row = {
        "key": key, "at": to_us(at), "signal": signal, "duration_ms": duration_ms, "exit_code": exit_code,
        "message": message,
    }  # fmt: skip
    connection.execute(insert(beats).values(row))


def newest_beats(connection: Connection, key: str, limit: int) -> Sequence[Mapping[str, Any]]:
    """The newest signals of a heartbeat check, newest first; `at` is an aware datetime."""
    query = select(beats).where(beats.c.key == key).order_by(beats.c.id.desc()).limit(limit)
    return [{**row, "at": from_us(row["at"])} for row in connection.execute(query).mappings()]


def since_start(connection: Connection, key: str, now: datetime) -> float | None:
    """Milliseconds since the start that the newest signal of `key` is; None when it is no start."""
    newest = newest_beats(connection, key, 1)
    if not newest or newest[0]["signal"] != "start":
        return None
    started: datetime = newest[0]["at"]
    return max(0.0, (now - started).total_seconds() * 1000)
