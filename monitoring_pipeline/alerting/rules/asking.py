"""The SQL that makes aggregates of points: of all queries at once.

DuckDB gets and gives plain arrays: bound parameters would import pandas, and Arrow costs 35 MB. A row is
a point that lies in the window of the query at `place`; which ones do, `shelf.py` has found out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from monitoring_pipeline.alerting.rules.condition import Aggregation
from monitoring_pipeline.alerting.rules.streams import CODES
from monitoring_pipeline.records import Status

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.alerting.rules.shelf import Floats, Integers

__all__ = ["OF_KNOWN", "SEQUENTIAL", "SIMPLE", "Asked", "sequential", "simple"]

# Built from numbers and names of our own only.
# ruff: noqa: S608

_CRITICAL, _UNKNOWN = Status.CRITICAL.rank, Status.UNKNOWN.rank
SIMPLE: Mapping[int, str] = {
    CODES[Aggregation.AVG]: "avg(value)",
    CODES[Aggregation.MAX]: "max(value)",
    CODES[Aggregation.MIN]: "min(value)",
    CODES[Aggregation.SUM]: "sum(value)",
    CODES[Aggregation.P50]: "quantile_cont(value, 0.5)",
    CODES[Aggregation.P95]: "quantile_cont(value, 0.95)",
    CODES[Aggregation.P99]: "quantile_cont(value, 0.99)",
}
"""Aggregations of values in any order, as SQL."""
OF_KNOWN = tuple(CODES[each] for each in (Aggregation.CHANGES, Aggregation.FAILURES, Aggregation.FAILED))
"""Aggregations of known results."""
SEQUENTIAL = (CODES[Aggregation.RATE], *OF_KNOWN)
"""Aggregations that look at one stream after the other, most of them at its points in their order."""
_MANY = 20_000


class Asked(NamedTuple):
    """A point in a window: the place of the query, its aggregation as a number, and the point."""

    place: Integers
    code: Integers
    stream: Integers
    moment: Integers
    id: Integers
    value: Floats


def simple(connection: DuckDBPyConnection, asked: Asked) -> tuple[Integers, Floats]:
    """Places and the aggregates there, for those of SIMPLE."""
    codes = [code for code in SIMPLE if (asked.code == code).any()]
    if len(asked.place) > _MANY:  # each aggregate only meets its own rows
        sql = " UNION ALL ".join(
            f"SELECT place, {SIMPLE[code]} AS value FROM asked WHERE code = {code} GROUP BY place" for code in codes
        )
    else:  # a statement costs more to plan than to execute
        cases = " ".join(f"WHEN {code} THEN {SIMPLE[code]} FILTER (code = {code})" for code in codes)
        sql = f"SELECT place, CASE code {cases} END AS value FROM asked GROUP BY place, code"
    found = _run(connection, asked._asdict(), sql)
    return found["place"], found["value"]


def sequential(connection: DuckDBPyConnection, asked: Asked) -> tuple[Integers, Floats, Integers]:
    """Places, the aggregates there (NaN: none) and the numbers of values, for those of SEQUENTIAL."""
    rate, changes, failed = (CODES[each] for each in (Aggregation.RATE, Aggregation.CHANGES, Aggregation.FAILED))
    sql = f"""
        WITH of_stream AS (
            SELECT place, code, count(*) AS count, sum(step) AS steps, max(moment) - min(moment) AS elapsed,
                   count(*) - coalesce(max(number) FILTER (step = 0), 0) AS run
            FROM asked GROUP BY place, code, stream
        )
        SELECT place, sum(count)::BIGINT AS count, coalesce(CASE code
            WHEN {rate} THEN sum(steps * 1e6 / nullif(elapsed, 0)) WHEN {changes} THEN max(steps)
            WHEN {failed} THEN sum(steps) / sum(count) ELSE max(run) END, 'NaN'::DOUBLE) AS value
        FROM of_stream GROUP BY place, code
    """
    found = _run(connection, _steps(asked), sql)
    return found["place"], found["value"], found["count"]


def _steps(asked: Asked) -> dict[str, Any]:
    """The points in their order, each with what it adds: to a counter, to changes, to failures.

    Window functions would do the same in SQL, at three times the price.
    """
    import numpy as np

    order = np.lexsort((asked.id, asked.moment, asked.stream, asked.place))
    order = order[(asked.value[order] != _UNKNOWN) | ~np.isin(asked.code[order], OF_KNOWN)]
    place, code, stream, moment, _, value = (column[order] for column in asked)
    goes_on = (np.diff(place, prepend=-1) == 0) & (np.diff(stream, prepend=-1) == 0)
    place_in_all = np.arange(1, len(order) + 1)
    before = np.concatenate((value[:1], value[:-1]))
    step = (value == _CRITICAL).astype(np.float64)
    rate, changes = code == CODES[Aggregation.RATE], code == CODES[Aggregation.CHANGES]
    # A counter that fell began again at zero.
    step[rate] = (goes_on * np.where(value >= before, value - before, value))[rate]
    step[changes] = (goes_on & (value != before))[changes]
    number = (
        place_in_all - np.maximum.accumulate(np.where(goes_on, 0, place_in_all - 1)) if len(order) else place_in_all
    )
    return {"place": place, "code": code, "stream": stream, "moment": moment, "step": step, "number": number}


def _run(connection: DuckDBPyConnection, columns: dict[str, Any], sql: str) -> dict[str, Any]:
    connection.register("asked", columns)
    try:
        return dict(connection.execute(sql).fetchnumpy())
    finally:
        connection.unregister("asked")
