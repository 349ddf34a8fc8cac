"""SQL: from results and gaps to buckets of what checks found, and for how long nothing was known.

An unknown result, and a slot that nobody executed, stand until the next result of the same check, at most for a day
(a gap at least until its end): that is unknown time. The slots of a gap are taken as evenly spread.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from monitoring_pipeline.records import Status
from monitoring_pipeline.store.rollups.levels import Level
from monitoring_pipeline.store.warehouse import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["CHECK", "COUNTED", "STANDING", "STANDS", "from_rows", "merged", "that_matter"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

CHECK = "source, check_id"
"""What names a check to people."""

COUNTED = (*(status.value for status in Status), "skipped", "missed")
"""Numbers of executions: by status, those without a probe among them, and slots without an execution."""

STANDS = timedelta(days=1)
"""For how long an unknown result stands when nothing follows."""

STANDING = f"to_microseconds({STANDS // timedelta(microseconds=1)})"
"""The same in SQL."""


def that_matter(connection: DuckDBPyConnection, results: str, gaps: str, start: datetime, end: datetime) -> str:
    """A query for those of `results` that buckets of [start, end) are made of.

    Of the day before they are those of checks only of which something may stand: to read and to sort all of a day
    costs more than all the rest of building a few minutes.
    """
    earliest = literal(start - STANDS)
    before = f"started >= {earliest} AND started < {literal(start)}"
    dark = connection.execute(
        f"""
        SELECT {CHECK} FROM ({results}) WHERE {before} AND status = 'unknown'
        UNION SELECT {CHECK} FROM ({gaps}) WHERE "end" >= {earliest} AND start < {literal(end)}
        """
    ).fetchall()
    within = f"SELECT * FROM ({results}) WHERE started >= {literal(start)} AND started < {literal(end)}"
    if not dark:
        return within
    sources = ", ".join(literal(source) for source in sorted({source for source, _ in dark}))
    checks = ", ".join(f"({literal(source)}, {literal(check)})" for source, check in dark)
    return f"""
        {within}
        UNION ALL
        SELECT * FROM ({results}) WHERE {before} AND source IN ({sources}) AND ({CHECK}) IN ({checks})
    """


def from_rows(level: Level, results: str, gaps: str, start: datetime, end: datetime) -> str:
    """A query for the buckets of [start, end) of each check: its names, `bucket`, `COUNTED` and `unknown_s`.

    `results` is a query of `that_matter`, `gaps` one with the columns of history, from a day before `start` on.
    """
    return f"""
        SELECT {CHECK}, bucket, {", ".join(f"coalesce(sum({name}), 0)::UINTEGER AS {name}" for name in COUNTED)},
               coalesce(sum(unknown_s), 0) AS unknown_s
        FROM (
            {_counted(level, results, start, end)}
            UNION ALL BY NAME {_missed(level, gaps, start, end)}
            UNION ALL BY NAME {_unknown(level, results, gaps, start, end)}
        ) GROUP BY {CHECK}, bucket
    """


def merged(level: Level, buckets: str, keys: str) -> str:
    """A query for the buckets of a level, summed from narrower ones."""
    sums = ", ".join(f"sum({name})::UINTEGER AS {name}" for name in COUNTED)
    return f"""
        SELECT {keys}, bucket, {sums}, sum(unknown_s) AS unknown_s
        FROM (SELECT * REPLACE (date_trunc('{level.name}', bucket) AS bucket) FROM ({buckets})) GROUP BY {keys}, bucket
    """


def _counted(level: Level, results: str, start: datetime, end: datetime) -> str:
    counts = ", ".join(f"count(*) FILTER (status = {literal(s.value)}) AS {s.value}" for s in Status)
    return f"""
        SELECT {CHECK}, date_trunc('{level.name}', started) AS bucket, {counts}, count(skipped) AS skipped
        FROM ({results}) WHERE started >= {literal(start)} AND started < {literal(end)} GROUP BY {CHECK}, bucket
    """


def _missed(level: Level, gaps: str, start: datetime, end: datetime) -> str:
    step = """epoch_us("end" - start) / greatest(slots - 1, 1)"""

    def before(moment: str) -> str:
        return f"CASE WHEN step = 0 THEN (start < {moment})::INT ELSE ceil(epoch_us({moment} - start) / step) END"

    def slots(moment: str) -> str:
        return f"greatest(0, least(slots, {before(moment)}))"

    return f"""
        SELECT {CHECK}, bucket, {slots(f"bucket + INTERVAL 1 {level.name}")} - {slots("bucket")} AS missed
        FROM (SELECT *, {step} AS step, {_buckets(level, "start", '"end"', start, end)} AS bucket FROM ({gaps}))
        WHERE bucket >= {literal(start)}
    """


def _unknown(level: Level, results: str, gaps: str, start: datetime, end: datetime) -> str:
    earliest = literal(start - STANDS)
    return f"""
        SELECT {CHECK}, bucket,
               sum(epoch_us(least(upto, bucket + INTERVAL 1 {level.name}) - greatest("at", bucket))) / 1e6 AS unknown_s
        FROM (
            SELECT *, {_buckets(level, '"at"', "upto - INTERVAL 1 MICROSECOND", start, end)} AS bucket
            FROM (
                SELECT *, least(stands, lead("at") OVER (PARTITION BY {CHECK} ORDER BY "at", stands),
                                {literal(end)}) AS upto
                FROM (
                    SELECT {CHECK}, started AS "at", started + {STANDING} AS stands, status = 'unknown' AS dark
                    FROM ({results}) WHERE started >= {earliest} AND started < {literal(end)}
                    UNION ALL
                    SELECT {CHECK}, greatest(start, {earliest}), greatest("end", start + {STANDING}), true
                    FROM ({gaps}) WHERE "end" >= {earliest} AND start < {literal(end)}
                )
            ) WHERE dark AND upto > {literal(start)} AND upto > "at"
        ) WHERE bucket >= {literal(start)} GROUP BY {CHECK}, bucket
    """


def _buckets(level: Level, first: str, last: str, start: datetime, end: datetime) -> str:
    """The buckets from one moment to another, as far as they lie in [start, end), one row each."""
    begin = f"date_trunc('{level.name}', greatest({first}, {literal(start)}))"
    upto = f"least({last}, {literal(end)} - INTERVAL 1 MICROSECOND)"
    return f"unnest(generate_series({begin}, {upto}, INTERVAL 1 {level.name}))"
