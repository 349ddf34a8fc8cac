"""History as arrays: numbers in equal steps, changes of status, counts of results.

Each takes a connection of `history.connect`. What we computed ourselves (anomaly scores, trends ...) is no input.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store.measured import MEASURED
from monitoring_pipeline.store.rollups import HOUR, series_query
from monitoring_pipeline.store.warehouse import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Points", "read_changes", "read_counts", "read_hours", "read_steps", "read_tagged"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

_CODES = ("quality_status", "collection.status")
"""Numbers that stand for words: they have no trend."""
_WANTED = " AND ".join([MEASURED, *(f"metric <> {literal(code)}" for code in _CODES)])
_LATELY = timedelta(hours=3)
Series = tuple[str, str, str, str, str]
"""source, metric, check, unit, tags (JSON)."""


@dataclass(frozen=True, slots=True)
class Points:
    """Values in columns: `value[i]` is the mean of series `number[i]` in the step `place[i]` after the first."""

    series: Sequence[Series]
    number: Any
    place: Any
    value: Any


def read_steps(
    connection: DuckDBPyConnection,
    since: datetime,
    until: datetime,
    step: timedelta,
    *,
    source: str | None = None,
    metrics: Collection[str] | None = None,
) -> Points:
    """Means of raw samples in [since, until), by step, one series per set of tags. Needs the view `samples`."""
    width, first = step // timedelta(microseconds=1), to_us(since)
    where = [f"time >= {literal(since)}", f"time < {literal(until)}", _WANTED, *_only(source, metrics)]
    return _points(
        connection,
        f"""
        SELECT source, metric, check_id, tags, max(unit) AS unit, (epoch_us(time) - {first}) // {width} AS place,
               avg(value) AS value
        FROM samples WHERE {" AND ".join(where)} GROUP BY source, metric, check_id, tags, place
        """,
    )


def read_hours(
    connection: DuckDBPyConnection,
    since: datetime,
    until: datetime,
    *,
    source: str | None = None,
    metrics: Collection[str] | None = None,
) -> Points:
    """Means of the hours in [since, until) from rollups, whatever their tags: for all series at once."""
    query = series_query(connection, source, None, since, until, level=HOUR)
    where = [_WANTED, f"start >= {literal(since)}", f"start < {literal(until)}", *_only(None, metrics)]
    return _points(
        connection,
        f"""
        SELECT source, metric, check_id, '{{}}' AS tags, coalesce(unit, '') AS unit,
               date_diff('hour', {literal(since)}, start) AS place, avg AS value
        FROM (SELECT "check" AS check_id, * FROM ({query})) LEFT JOIN ({_units(connection, until)})
             USING (source, check_id, metric)
        WHERE {" AND ".join(where)}
        """,
    )


def read_tagged(connection: DuckDBPyConnection, since: datetime) -> set[str]:
    """Names of metrics that had tags since then: rollups mix what these tell apart. Needs the view `samples`."""
    query = f"SELECT DISTINCT metric FROM samples WHERE time >= {literal(since)} AND tags <> '{{}}' AND {_WANTED}"
    return {str(metric) for (metric,) in connection.execute(query).fetchall()}


def _units(connection: DuckDBPyConnection, until: datetime) -> str:
    """A query for the unit of each series: what rollups know, else what was measured in the last hours."""
    known = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = 'warehouse' AND table_name = 'series'"
    ).fetchall()
    lately = f"SELECT source, check_id, metric, unit FROM samples WHERE time >= {literal(until - _LATELY)}"
    stored = "SELECT source, check_id, metric, unit FROM warehouse.series UNION ALL " if known else ""
    return f"SELECT source, check_id, metric, max(unit) AS unit FROM ({stored}{lately}) GROUP BY ALL"


def _only(source: str | None, metrics: Collection[str] | None) -> list[str]:
    found = [] if source is None else [f"source = {literal(source)}"]
    if metrics is not None:
        found.append(f"metric IN ({', '.join(map(literal, sorted(metrics)))})" if metrics else "false")
    return found


def _points(connection: DuckDBPyConnection, query: str) -> Points:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE outlook_points AS {query}")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE outlook_series AS "
        "SELECT row_number() OVER (ORDER BY source, metric, check_id, tags) - 1 AS number, * "
        "FROM (SELECT source, metric, check_id, max(unit) AS unit, tags FROM outlook_points GROUP BY ALL)"
    )
    series = connection.execute(
        "SELECT source, metric, check_id, unit, tags FROM outlook_series ORDER BY number"
    ).fetchall()
    columns = connection.execute(
        "SELECT number, place, value FROM outlook_points JOIN outlook_series USING (source, metric, check_id, tags)"
    ).fetchnumpy()
    return Points([(*each,) for each in series], columns["number"], columns["place"], columns["value"])


def read_changes(
    connection: DuckDBPyConnection, since: datetime, until: datetime, source: str | None = None
) -> list[tuple[str, int, str]]:
    """Changes of sources' status up to `until` as (source, microseconds, status), in the order of time.

    Before `since` only the last one of each source, which tells how it stood then. Needs the view `status_changes`.
    """
    only = "" if source is None else f"AND source = {literal(source)}"
    rows = connection.execute(
        f"""
        SELECT source, epoch_us("at"), after FROM status_changes WHERE "at" < {literal(until)} {only}
        QUALIFY "at" >= {literal(since)}
             OR row_number() OVER (PARTITION BY source, "at" < {literal(since)} ORDER BY "at" DESC, id DESC) = 1
        ORDER BY "at", id
        """
    ).fetchall()
    return [(str(name), int(moment), str(after)) for name, moment, after in rows]


def read_counts(
    connection: DuckDBPyConnection, since: datetime, middle: datetime, until: datetime
) -> dict[str, tuple[float, float, float, float]]:
    """Per source failed and known results in [since, middle), and failed and known ones in [middle, until).

    From rollups of hours where there are some. Needs the views `results` and `gaps`.
    """
    from monitoring_pipeline.store.rollups import executions

    found: dict[str, list[float]] = {}
    for row in executions(connection, None, since, until, level=HOUR):
        counts = found.setdefault(row["source"], [0.0, 0.0, 0.0, 0.0])
        place = 0 if row["start"] < middle else 2
        counts[place] += row["critical"]
        counts[place + 1] += row["healthy"] + row["warning"] + row["critical"]
    return {source: (counts[0], counts[1], counts[2], counts[3]) for source, counts in found.items()}
