"""Days of promises in the warehouse's table `sla_days`, one row per objective, subject and day.

Each has what was measured and what it is after corrections. A day's row is replaced as a whole, so computing it again
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.store.warehouse import aware, literal, open_warehouse, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "DayRow",
    "DaySum",
    "Wanted",
    "expire_days",
    "forget_days_after",
    "last_day_end",
    "read_days",
    "sum_days",
    "write_days",
]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

_BATCH = 20_000
_MOMENTS = ("start", "end", "computed")


class DayRow(NamedTuple):
    """One day of one promise. Sums are microseconds or events (`unit`): as measured (`m_`), and after corrections.

    `fingerprint` names the terms it was computed with, `ledger` and `gap` the last entry and the last gap known.
    """

    objective: str
    scope: str
    subject: str
    day: date
    start: datetime
    end: datetime
    unit: str
    good: int
    bad: int
    unknown: int
    excluded: int
    m_good: int
    m_bad: int
    m_unknown: int
    m_excluded: int
    fingerprint: str
    ledger: int
    gap: int
    computed: datetime


_COLUMNS = ", ".join(f'"{name}"' for name in DayRow._fields)


class Wanted(NamedTuple):
    """Which days to sum: those of one promise in [start, end), computed with these terms, or older than `frozen`."""

    number: int
    objective: str
    scope: str
    subject: str
    fingerprint: str
    start: datetime
    end: datetime
    frozen: datetime


class DaySum(NamedTuple):
    """Several days of one promise as one; `ledger` and `gap` are the oldest of theirs. `touching`: without a hole."""

    start: datetime
    end: datetime
    touching: bool
    good: int
    bad: int
    unknown: int
    excluded: int
    m_good: int
    m_bad: int
    m_unknown: int
    m_excluded: int
    ledger: int
    gap: int


def read_days(
    connection: DuckDBPyConnection, start: datetime, end: datetime, objectives: Iterable[str] | None = None
) -> list[DayRow]:
    """The days that were computed and lie in [start, end), oldest first, out of a history's published warehouse."""
    if not _has_days(connection):
        return []
    only = "true" if objectives is None else f"objective IN ({', '.join(map(literal, objectives)) or 'NULL'})"
    columns = ", ".join(f'epoch_us("{name}")' if name in _MOMENTS else f'"{name}"' for name in DayRow._fields)
    rows = connection.execute(
        f"""
        SELECT {columns}
        FROM warehouse.sla_days
        WHERE start >= {literal(start)} AND "end" <= {literal(end)} AND {only}
        ORDER BY sla_days.start, objective, subject
        """
    ).fetchall()
    # There are many rows and few moments: each is made once.
    moments = _Moments()
    return [DayRow._make((*row[:4], moments[row[4]], moments[row[5]], *row[6:18], moments[row[18]])) for row in rows]


def sum_days(connection: DuckDBPyConnection, wanted: Sequence[Wanted]) -> dict[int, DaySum]:
    """The sums of days by the number of who wants them, out of a history's published warehouse; none where none are."""
    if not wanted or not _has_days(connection):
        return {}
    rows = ", ".join(f"({', '.join(literal(value) for value in each)})" for each in wanted)
    sums = ", ".join(f"sum({name})::BIGINT" for name in DaySum._fields[3:11])
    found = connection.execute(
        f"""
        WITH wanted(number, objective, scope, subject, fingerprint, since, until, frozen) AS (VALUES {rows})
        SELECT number, epoch_us(min(start)), epoch_us(max("end")),
               sum(epoch_us("end") - epoch_us(start)) = epoch_us(max("end")) - epoch_us(min(start)),
               {sums}, min(ledger), min(gap)
        FROM warehouse.sla_days JOIN wanted USING (objective, scope, subject)
        WHERE start >= since AND "end" <= until
          AND (sla_days.fingerprint = wanted.fingerprint OR start < frozen)
        GROUP BY number
        """
    ).fetchall()
    return {row[0]: DaySum(from_us(row[1]), from_us(row[2]), *row[3:]) for row in found}


def _has_days(connection: DuckDBPyConnection) -> bool:
    """Whether there is a published warehouse, and not one of an older version."""
    known = "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'warehouse' AND table_name = 'sla_days'"
    return bool(connection.execute(known).fetchall()[0][0])


class _Moments(dict[int, datetime]):
    def __missing__(self, microseconds: int) -> datetime:
        moment = self[microseconds] = from_us(microseconds)
        return moment


def write_days(path: Path, rows: Sequence[DayRow], now: datetime) -> None:
    """Puts days into the warehouse in place of what was there of them, all of them or none."""
    if not rows:
        return
    with open_warehouse(path, now) as warehouse, transaction(warehouse):
        warehouse.execute("CREATE OR REPLACE TEMP TABLE computed_days AS FROM sla_days LIMIT 0")
        for first in range(0, len(rows), _BATCH):
            _take(warehouse, rows[first : first + _BATCH])
        keys = "objective, scope, subject, day"
        warehouse.execute(f"DELETE FROM sla_days WHERE ({keys}) IN (SELECT {keys} FROM computed_days)")
        warehouse.execute(f"INSERT INTO sla_days ({_COLUMNS}) SELECT {_COLUMNS} FROM computed_days")
        warehouse.execute("DROP TABLE computed_days")


def _take(warehouse: DuckDBPyConnection, rows: Sequence[DayRow]) -> None:
    import pyarrow as pa

    columns = _columns(rows)
    batch = pa.RecordBatch.from_arrays([pa.array(values) for values in columns.values()], names=list(columns))
    # As SQL text they would take three times as long as computing them does. The bare capsule: see `hot`.
    warehouse.register("days", pa.RecordBatchReader.from_batches(batch.schema, [batch]).__arrow_c_stream__())
    moments = ", ".join(f'make_timestamp("{name}") AS "{name}"' for name in _MOMENTS)
    warehouse.execute(
        f"INSERT INTO computed_days ({_COLUMNS}) SELECT {_COLUMNS} FROM (SELECT * REPLACE ({moments}) FROM days)"
    )
    warehouse.unregister("days")


def _columns(rows: Sequence[DayRow]) -> dict[str, Sequence[Any]]:
    """The days by column, moments in microseconds."""
    columns = dict(zip(DayRow._fields, zip(*rows, strict=True), strict=True))
    return columns | {name: [to_us(moment) for moment in columns[name]] for name in _MOMENTS}


def last_day_end(connection: DuckDBPyConnection) -> datetime | None:
    """When the last day ends that was computed, out of a history's published warehouse."""
    if not _has_days(connection):
        return None
    moment = connection.execute('SELECT max("end") FROM warehouse.sla_days').fetchall()[0][0]
    return None if moment is None else aware(moment)


def forget_days_after(path: Path, now: datetime) -> None:
    """Deletes days that are not over yet: a clock that went ahead took them for past."""
    with open_warehouse(path, now) as warehouse:
        warehouse.execute(f'DELETE FROM sla_days WHERE "end" > {literal(now)}')


def expire_days(warehouse: DuckDBPyConnection, before: datetime) -> dict[str, int]:
    """Deletes days that ended before a moment; how many."""
    deleted = warehouse.execute(f'DELETE FROM sla_days WHERE "end" < {literal(before)}').fetchall()[0][0]
    return {"sla_days": int(deleted)}
