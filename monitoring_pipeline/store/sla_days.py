"""Days of promises in the warehouse's table `sla_days`, one row per objective, subject and day.

Each has what was measured and what it is after corrections. A day's row is replaced as a whole, so computing it again
changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.store.warehouse import aware, literal, open_warehouse, transaction

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

__all__ = [
    "DayRow",
    "Days",
    "Wanted",
    "expire_days",
    "forget_days_after",
    "last_day_end",
    "pick_days",
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
    """Which days are asked for: those of one promise in [start, end) with these terms, or from before `frozen`."""

    objective: str
    scope: str
    subject: str
    fingerprint: str
    since: datetime
    until: datetime
    frozen: datetime


@dataclass(frozen=True, slots=True)
class Days:
    """Days of promises as columns. `number` is the place of who asked for them, from small to large.

    `figures` are rows: begin and end in microseconds, then good, bad, unknown and excluded as measured, and the same
    after corrections. `ledger` and `gap` are as in `DayRow`; of several days as one, the oldest.
    """

    number: NDArray[np.int64]
    figures: NDArray[np.int64]
    ledger: NDArray[np.int64]
    gap: NDArray[np.int64]

    @property
    def start(self) -> NDArray[np.int64]:
        """When each begins."""
        return self.figures[:, 0]

    @property
    def end(self) -> NDArray[np.int64]:
        """When each ends."""
        return self.figures[:, 1]

    def __getitem__(self, place: slice) -> Days:
        return Days(self.number[place], self.figures[place], self.ledger[place], self.gap[place])

    def split(self, count: int) -> Iterator[Days]:
        """Those of each number below `count`."""
        import numpy as np

        edges = np.searchsorted(self.number, np.arange(count + 1)).tolist()
        return (self[first:last] for first, last in pairwise(edges))


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


def pick_days(connection: DuckDBPyConnection, wanted: Sequence[Wanted]) -> Days:
    """The days that each of `wanted` asks for, oldest first, out of a history's published warehouse."""
    return _picked(connection, wanted, f"SELECT {_PICKED} FROM asked ORDER BY number, start")


def sum_days(connection: DuckDBPyConnection, wanted: Sequence[Wanted]) -> Days:
    """The same with all days of each as one, of those only whose days touch each other."""
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in _FIGURES)
    summed = f"""
        SELECT number, min(start) AS start, max("end") AS "end", {sums}, min(ledger) AS ledger, min(gap) AS gap
        FROM asked GROUP BY number
        HAVING sum(epoch_us("end") - epoch_us(start)) = epoch_us(max("end")) - epoch_us(min(start))
    """
    return _picked(connection, wanted, f"SELECT {_PICKED} FROM ({summed}) ORDER BY number")


_FIGURES = ("m_good", "m_bad", "m_unknown", "m_excluded", "good", "bad", "unknown", "excluded")
_PICKED = f"""number, epoch_us(start) AS start, epoch_us("end") AS "end", {", ".join(_FIGURES)}, ledger, gap"""


def _picked(connection: DuckDBPyConnection, wanted: Sequence[Wanted], query: str) -> Days:
    """What a query says of the days that are wanted, in it called `asked`."""
    import numpy as np

    if not wanted or not _has_days(connection):
        none = np.zeros(0, dtype=np.int64)
        return Days(none, none.reshape(-1, 2 + len(_FIGURES)), none, none)
    columns: dict[str, Sequence[Any]] = dict(zip(Wanted._fields, zip(*wanted, strict=True), strict=True))
    moments = {name: [to_us(moment) for moment in columns[name]] for name in ("since", "until", "frozen")}
    with _registered(connection, "wanted", {"number": range(len(wanted)), **columns, **moments}):
        found = connection.execute(
            f"""
            WITH asked AS (
                SELECT number, d.* FROM warehouse.sla_days AS d JOIN wanted AS w USING (objective, scope, subject)
                WHERE d.start >= make_timestamp(since) AND d."end" <= make_timestamp(until)
                  AND (d.fingerprint = w.fingerprint OR d.start < make_timestamp(frozen))
            )
            {query}
            """
        ).fetchnumpy()
    whole = {name: np.asarray(column, dtype=np.int64) for name, column in found.items()}
    figures = np.stack([whole[name] for name in ("start", "end", *_FIGURES)], axis=1)
    return Days(whole["number"], figures, whole["ledger"], whole["gap"])


@contextlib.contextmanager
def _registered(connection: DuckDBPyConnection, name: str, columns: Mapping[str, Sequence[Any]]) -> Iterator[None]:
    """Columns as a table that one query can read. As SQL text they would take longer than all that is done with them.

    The bare capsule: see `hot`.
    """
    import pyarrow as pa

    batch = pa.RecordBatch.from_arrays([pa.array(values) for values in columns.values()], names=list(columns))
    connection.register(name, pa.RecordBatchReader.from_batches(batch.schema, [batch]).__arrow_c_stream__())
    try:
        yield
    finally:
        connection.unregister(name)


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
    moments = ", ".join(f'make_timestamp("{name}") AS "{name}"' for name in _MOMENTS)
    with _registered(warehouse, "days", _columns(rows)):
        warehouse.execute(
            f"INSERT INTO computed_days ({_COLUMNS}) SELECT {_COLUMNS} FROM (SELECT * REPLACE ({moments}) FROM days)"
        )


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
