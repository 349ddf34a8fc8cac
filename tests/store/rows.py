"""Hot rows for the tests of the way into the warehouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store import tables
from monitoring_pipeline.store.history import connect
from monitoring_pipeline.store.hot import HOT
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.spec import RetentionSpec

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
RETENTION = RetentionSpec()
NOTHING = dict.fromkeys(HOT, 0)
"""What is counted per table where nothing is to be counted."""


def minutes(number: float) -> datetime:
    return T0 + timedelta(minutes=number)


def result(source: str, started: datetime, status: str = "healthy", **changed: object) -> dict[str, object]:
    moment = to_us(started)
    return {
        "source": source, "check_id": "web", "kind": "http", "slot": moment, "started": moment,
        "finished": moment + 12_345, "status": status, "response_time_ms": 12.345, "attempts": 1,
        "message": "", "details": "{}", "skipped": None, "manual": False, **changed,
    }  # fmt: skip


def sample(source: str, time: datetime, value: float) -> dict[str, object]:
    return {
        "source": source, "check_id": "web", "metric": "response_time_ms", "time": to_us(time),
        "value": value, "unit": "ms", "tags": '{"zone": "a"}',
    }  # fmt: skip


def gap(source: str, start: datetime, end: datetime, slots: int) -> dict[str, object]:
    return {
        "source": source, "check_id": "web", "start": to_us(start), "end": to_us(end), "slots": slots,
        "reason": "not_running",
    }  # fmt: skip


def change(source: str, at: datetime, before: str, after: str, score: float | None = None) -> dict[str, object]:
    return {"source": source, "at": to_us(at), "before": before, "after": after, "score": score, "reason": "because"}


def write(store: OperationalStore, table: str, rows: Iterable[dict[str, object]]) -> None:
    with store.write() as connection:
        connection.execute(insert(tables.metadata.tables[table]), list(rows))


def write_samples(store: OperationalStore, start: int, count: int) -> None:
    """Samples whose value is their number, one per second."""
    write(store, "samples", [sample("s", T0 + timedelta(seconds=n), float(n)) for n in range(start, start + count)])


def values_seen(store: OperationalStore, published: Path, now: datetime = T0) -> Counter[int]:
    """How often history shows each sample of `write_samples`."""
    with connect(store, published, now=now, tables=["samples"]) as history:
        return Counter(int(value) for (value,) in history.execute("SELECT value FROM samples").fetchall())


def exactly_once(count: int) -> Counter[int]:
    return Counter(range(count))
