"""The SQL that answers many queries at once, over the table `points(stream, moment, id, value)`.

Each function takes queries that were spread over their streams and answers columns by the place of the
query. DuckDB gets and gives plain arrays: bound parameters would import pandas, Arrow costs 35 MB.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from monitoring_pipeline.alerting.condition import Aggregation
from monitoring_pipeline.alerting.streams import CODES, Spread
from monitoring_pipeline.records import Status

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.alerting.streams import Integers

__all__ = ["Aggregates", "aggregates", "in_order", "newest_values"]

# Built from numbers and names of our own only.
# ruff: noqa: S608

_CRITICAL, _UNKNOWN = Status.CRITICAL.rank, Status.UNKNOWN.rank
# The order of points, as one number: (moment, id).
_ORDER = "moment::HUGEINT * 18446744073709551616::HUGEINT + id"
_SIMPLE = {
    Aggregation.LAST: f"arg_max(value, {_ORDER})",
    Aggregation.AVG: "avg(value)",
    Aggregation.MAX: "max(value)",
    Aggregation.MIN: "min(value)",
    Aggregation.COUNT: "count(*)",
    Aggregation.SUM: "sum(value)",
    Aggregation.P50: "quantile_cont(value, 0.5)",
    Aggregation.P95: "quantile_cont(value, 0.95)",
    Aggregation.P99: "quantile_cont(value, 0.99)",
    Aggregation.FAILED: f"avg((value = {_CRITICAL})::INTEGER)",
}
_OF_KNOWN = (Aggregation.CHANGES, Aggregation.FAILURES, Aggregation.FAILED)
_IN_ORDER = (Aggregation.RATE, Aggregation.CHANGES, Aggregation.FAILURES)
_LEAST_US = 60_000_000
_ROWS_AT_ONCE = 10_000


class Aggregates(NamedTuple):
    """By place: how many values, the moment of the newest in microseconds, the aggregate (NaN: none)."""

    places: list[int]
    counts: list[int]
    last: list[int]
    values: list[float]


class _Asked(NamedTuple):
    """Rows for one statement. `width` is the length of time buckets in `bucket`, 0 for none."""

    place: Integers
    stream: Integers
    since: Integers
    upto: Integers
    code: Integers
    bucket: Integers
    width: int


def aggregates(connection: DuckDBPyConnection, spread: Spread, upto: Integers) -> Iterator[Aggregates]:
    """Count, newest moment and aggregate of every query that has points; `upto` is the moment of each row."""
    for asked in _portions(spread, upto):
        codes = {int(code) for code in set(asked.code.tolist())}
        found = _run(connection, asked, _simple_sql(asked, codes))
        yield Aggregates(*(found[name].tolist() for name in ("place", "count", "last", "value")))


def in_order(connection: DuckDBPyConnection, spread: Spread, upto: Integers) -> dict[int, float]:
    """The aggregates that look at points one after the other, by place; NaN where there is none."""
    chosen = _only(spread, [CODES[aggregation] for aggregation in _IN_ORDER])
    values: dict[int, float] = {}
    if chosen.any():
        for asked in _portions(Spread(*(column[chosen] for column in spread)), upto[chosen]):
            found = _run(connection, asked, _in_order_sql(asked))
            values.update(zip(found["place"].tolist(), found["value"].tolist(), strict=True))
    return values


def newest_values(connection: DuckDBPyConnection, spread: Spread, upto: Integers) -> dict[int, list[float]]:
    """The newest values of queries that want some, newest first, by place; maybe more than wanted."""
    chosen = spread.newest > 0
    values: dict[int, list[float]] = defaultdict(list)
    if chosen.any():
        most = int(spread.newest.max())
        for asked in _portions(Spread(*(column[chosen] for column in spread)), upto[chosen]):
            found = _run(connection, asked, _newest_sql(asked, most))
            for place, value in zip(found["place"].tolist(), found["value"].tolist(), strict=True):
                values[place].append(value)
    return values


def _portions(spread: Spread, upto: Integers) -> Iterator[_Asked]:
    """All at once where moments are few. Where one query is asked at many, by windows of similar length.

    Then each point would meet every moment; cutting time into buckets as long as the window, a row
    needs two of them: that of its moment and the one before.
    """
    import numpy as np

    if len(upto) == 0:
        return
    none = np.zeros(len(upto), dtype=np.int64)
    whole = _Asked(spread.place, spread.stream, upto - spread.window, upto, spread.code, none, 0)
    if len(upto) <= 4 * len(np.unique(spread.stream)) or upto.min() == upto.max():
        yield whole
        return
    sizes = np.ceil(np.log2(np.maximum(spread.window, _LEAST_US)) / 2).astype(np.int64)
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        width = 4 ** int(size)
        for part in _whole_places(rows, spread.place[rows]):
            place, stream, since, until, code = (
                np.tile(column[part], 2) for column in (spread.place, spread.stream, whole.since, upto, spread.code)
            )
            bucket = upto[part] // width
            yield _Asked(place, stream, since, until, code, np.concatenate((bucket, bucket - 1)), width)


def _whole_places(rows: Integers, places: Integers) -> Iterator[Integers]:
    """The rows in portions; those of one query stay together."""
    import numpy as np

    begin = 0
    while begin < len(rows):
        end = int(np.searchsorted(places, places[min(begin + _ROWS_AT_ONCE, len(rows)) - 1], side="right"))
        yield rows[begin:end]
        begin = end


def _run(connection: DuckDBPyConnection, asked: _Asked, sql: str) -> dict[str, Any]:
    import numpy as np

    columns = {name: column for name, column in asked._asdict().items() if name != "width"}
    columns["stream"] = asked.stream.astype(np.int32)
    connection.register("asked", columns)
    try:
        return dict(connection.execute(sql).fetchnumpy())
    finally:
        connection.unregister("asked")


def _joined(asked: _Asked) -> str:
    bucket = f"AND points.moment // {asked.width} = asked.bucket" if asked.width else ""
    # The outermost bounds, as constants, let whole row groups be passed over.
    return (
        f"FROM asked JOIN points ON points.stream = asked.stream {bucket} "
        "AND points.moment > asked.since AND points.moment <= asked.upto "
        f"WHERE points.moment > {int(asked.since.min())} AND points.moment <= {int(asked.upto.max())}"
    )


def _simple_sql(asked: _Asked, codes: Collection[int]) -> str:
    present = {CODES[aggregation]: sql for aggregation, sql in _SIMPLE.items() if CODES[aggregation] in codes}
    known = [CODES[aggregation] for aggregation in _OF_KNOWN if CODES[aggregation] in codes]
    is_counted = f"(code NOT IN ({', '.join(map(str, known))}) OR value <> {_UNKNOWN})" if known else "true"
    cases = " ".join(
        f"WHEN {code} THEN ({sql} FILTER (code = {code} AND {is_counted}))::DOUBLE" for code, sql in present.items()
    )
    value = f"CASE code {cases} END" if cases else "NULL"
    return (
        f"SELECT place, count(*) FILTER ({is_counted}) AS count, max(moment) AS last, "
        f"coalesce({value}, 'NaN'::DOUBLE) AS value {_joined(asked)} GROUP BY place, code"
    )


def _in_order_sql(asked: _Asked) -> str:
    rate, changes = CODES[Aggregation.RATE], CODES[Aggregation.CHANGES]
    return f"""
        WITH found AS (
            SELECT place, code, points.stream AS stream, moment, value, lag(value) OVER following AS before,
                   row_number() OVER following AS number
            {_joined(asked)} AND (code = {rate} OR value <> {_UNKNOWN})
            WINDOW following AS (PARTITION BY place, points.stream ORDER BY moment, id)
        ), of_stream AS (
            SELECT place, code, CASE code
                WHEN {rate} THEN CASE WHEN max(moment) > min(moment) THEN
                    sum(CASE WHEN value >= before THEN value - before ELSE value END) FILTER (before IS NOT NULL)
                    * 1e6 / (max(moment) - min(moment)) END
                WHEN {changes} THEN count(*) FILTER (value <> before)
                ELSE count(*) - coalesce(max(number) FILTER (value <> {_CRITICAL}), 0) END::DOUBLE AS value
            FROM found GROUP BY place, code, stream
        )
        SELECT place, coalesce(CASE code WHEN {rate} THEN sum(value) ELSE max(value) END, 'NaN'::DOUBLE) AS value
        FROM of_stream GROUP BY place, code
    """


def _newest_sql(asked: _Asked, most: int) -> str:
    return f"SELECT place, unnest(arg_max(value, row(moment, id), {most})) AS value {_joined(asked)} GROUP BY place"


def _only(spread: Spread, codes: Collection[int]) -> Any:
    import numpy as np

    return np.isin(spread.code, list(codes))
