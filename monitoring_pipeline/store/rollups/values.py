"""SQL: from measured points to buckets, and from days to weeks.

Builders of queries, so that what is stored and what is answered for the newest time come from the same words. `keys`
names a series: a number while buckets are built, its three names while they are read.

A value is an outlier when it lies beyond the fences of its series: the median first and third quartile of up to
seven days before, each moved outward by three times their distance (Tukey's far fences). The fences of a day are fixed
before it begins, so the outliers of minutes, hours and days add up; without a day before there are none to count.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from monitoring_pipeline.store.rollups import sketch
from monitoring_pipeline.store.rollups.levels import DAY, Level
from monitoring_pipeline.store.warehouse import literal

__all__ = ["COLUMNS", "EXACT", "LOOK_BACK", "SERIES", "SUMMED", "fences", "from_points", "merged", "whole"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

SERIES = "source, check_id, metric"
"""What names a series to people. Points that differ in their tags only are one series."""

SUMMED = ("count", "sum", "min", "max", "earliest", "latest", "p50", "p95", "p99", "outliers")
"""The figures of a bucket at every level."""

EXACT = ("count", "sum", "min", "max", "earliest", "latest", "outliers")
"""Those that add up."""

COLUMNS = {"minute": SUMMED, "hour": SUMMED, "day": (*SUMMED, "p25", "p75"), "week": (*SUMMED, "p25", "p75")}

LOOK_BACK = timedelta(days=7)
"""How many days before decide about the fences of a day."""

_FENCE = 3
# A series that hardly moves: its fences are not narrower than this share of its values.
_NARROWEST = 0.01
_ALONE = ("min", "max", "earliest", "latest", "p25", "p50", "p75", "p95", "p99")


def whole(name: str) -> str:
    """A figure of a stored bucket: a bucket of one point is kept as that one number, its `sum`."""
    return f'coalesce("{name}", sum)' if name in _ALONE else f'"{name}"'


def fences(days: str, day: datetime, keys: str) -> str:
    """A query for the fences that hold during a day: the keys, `low`, `high`. `days` has day buckets, whole ones."""
    width = f"greatest(q3 - q1, {_NARROWEST} * greatest(abs(q1), abs(q3)))"
    return f"""
        SELECT {keys}, q1 - {_FENCE} * {width} AS low, q3 + {_FENCE} * {width} AS high FROM (
            SELECT {keys}, median(p25) AS q1, median(p75) AS q3 FROM ({days})
            WHERE bucket >= {literal(day - LOOK_BACK)} AND bucket < {literal(day)} GROUP BY {keys}
        )
    """


def from_points(
    level: Level, points: str, limits: str, keys: str, *, bucket: str | None = None, quantiles: bool = True
) -> str:
    """A query for the buckets of a level up to days: the keys, `bucket`, the figures; of days also the sketch.

    `points` is a query with the keys, `time` and `value`; `limits` one of `fences`. `bucket` may be another
    expression.
    """
    wanted = sketch.QUANTILES if level == DAY else {n: q for n, q in sketch.QUANTILES.items() if n in SUMMED}
    shares = ", ".join(map(str, wanted.values()))
    listed = ", ".join(f"quantiles[{number}] AS {name}" for number, name in enumerate(wanted, 1))
    group = f"{keys}, bucket"
    simple = f"""
        SELECT {group}, count(*)::UINTEGER AS count, sum(value) AS sum, min(value) AS min, max(value) AS max,
               arg_min(value, time) AS earliest, arg_max(value, time) AS latest,
               CASE WHEN any_value(low) IS NOT NULL
                    THEN (count(*) FILTER (value < low OR value > high))::UINTEGER END AS outliers
        FROM placed LEFT JOIN ({limits}) USING ({keys}) GROUP BY {group}
    """
    bucket = bucket or f"date_trunc('{level.name}', time)"
    placed = f"SELECT {keys}, time, value, {bucket} AS bucket FROM ({points})"
    if not quantiles:
        return f"WITH placed AS ({placed}) {simple}"
    # Quantiles cost more than all the rest: they are made only where there is more than one point.
    return f"""
        WITH placed AS MATERIALIZED ({placed}), simple AS MATERIALIZED ({simple}),
        ranked AS (
            SELECT {group}, quantile_cont(value, [{shares}]) AS quantiles
            FROM placed SEMI JOIN (FROM simple WHERE count > 1) USING ({group}) GROUP BY {group}
        )
        SELECT simple.*, {listed}{", sketch" if level == DAY else ""}
        FROM simple LEFT JOIN ranked USING ({group}) {_sketches(group) if level == DAY else ""}
    """


def merged(days: str, keys: str, bucket: str = "date_trunc('week', bucket)", *, quantiles: bool = True) -> str:
    """A query that merges whole day buckets into those of an expression: weeks, if nothing else is said.

    Counts, sums and extremes are exact, quantiles those of the merged sketches.
    """
    group = f"{keys}, bucket"
    placed = f"SELECT * REPLACE ({bucket} AS bucket), bucket AS day FROM ({days})"
    simple = f"""
        SELECT {group}, sum(count)::UBIGINT AS count, sum(sum) AS sum, min(min) AS min, max(max) AS max,
               arg_min(earliest, day) AS earliest, arg_max(latest, day) AS latest, sum(outliers)::UBIGINT AS outliers
        FROM ({placed}) GROUP BY {group}
    """
    if not quantiles:
        return simple
    entries = f"""
        SELECT {group}, entry.key AS code, entry.value AS n
        FROM (SELECT {group}, unnest(map_entries(sketch)) AS entry FROM ({placed}))
    """
    inside = ", ".join(f"greatest(least({name}, max), min) AS {name}" for name in sketch.QUANTILES)
    return f"""
        SELECT simple.*, sketch, {inside}
        FROM ({simple}) AS simple LEFT JOIN ({sketch.quantiles(entries, group)}) AS ranked
          ON {_same("simple", "ranked", group)}
    """


def _sketches(group: str) -> str:
    codes = f"SELECT {group}, {sketch.code('value')} AS code FROM placed"
    return f"""
        LEFT JOIN (
            SELECT {group}, map_from_entries(list((code, n) ORDER BY code)) AS sketch
            FROM (SELECT {group}, code, count(*)::UINTEGER AS n FROM ({codes}) GROUP BY ALL) GROUP BY {group}
        ) USING ({group})
    """


def _same(left: str, right: str, group: str) -> str:
    # Not USING: the bucket of all time is NULL.
    return " AND ".join(f"{left}.{key} IS NOT DISTINCT FROM {right}.{key}" for key in group.split(", "))
