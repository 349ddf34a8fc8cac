"""What service levels are computed from.

Facts come out of connections of `history.connect`, set-wise for many sources, with moments in whole microseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, select

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store.tables import alerts
from monitoring_pipeline.store.warehouse import aware, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "REACH",
    "Counted",
    "GapRow",
    "Piece",
    "alerts_about",
    "earliest",
    "event_counts",
    "gaps_within",
    "newest_gap",
    "percentiles_within",
    "statuses_within",
    "unscored_within",
    "values_within",
]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608


REACH = timedelta(days=1)
"""For how long after its last slot a gap may go on, at most: until the check's next result."""


class GapRow(NamedTuple):
    """Slots of a check from `start` to `end` (both included) that nobody executed.

    `resumed` is when the check's next result began, None where there is none soon, or where it was not asked for.
    """

    id: int
    source: str
    check: str
    start: int
    end: int
    slots: int
    reason: str
    resumed: int | None = None


class Piece(NamedTuple):
    """A stretch of one source's time whose results are counted. `number` is the caller's."""

    number: int
    source: str
    start: int
    end: int


class Counted(NamedTuple):
    """How many results of a piece were good, bad and unknown."""

    good: int
    bad: int
    unknown: int


def statuses_within(
    connection: DuckDBPyConnection, sources: Collection[str], start: datetime, end: datetime
) -> dict[str, list[tuple[int, str]]]:
    """Per source the statuses it took in [start, end), oldest first, after the one that it had at `start`.

    Needs the view `status_changes`.
    """
    rows = connection.execute(
        f"""
        SELECT source, epoch_us("at") AS moment, "after", id FROM status_changes
        WHERE {_among(sources)} AND "at" >= {literal(start)} AND "at" < {literal(end)}
        UNION ALL
        SELECT source, max(epoch_us("at")), arg_max("after", ("at", id)), 0 FROM status_changes
        WHERE {_among(sources)} AND "at" < {literal(start)} GROUP BY source
        ORDER BY source, moment, id
        """
    ).fetchall()
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for source, moment, status, _ in rows:
        found[source].append((moment, status))
    return found


def gaps_within(
    connection: DuckDBPyConnection,
    sources: Collection[str],
    start: datetime,
    end: datetime,
    *,
    reach: timedelta = REACH,
    resumption: bool = False,
) -> list[GapRow]:
    """Gaps that touch [start, end), or ended up to `reach` before it. Needs the view `gaps`.

    With `resumption` (and the view `results`) each says when the check's next result began, if that was within `reach`.
    """
    rows = connection.execute(
        f"""
        SELECT id, source, check_id, epoch_us(start), epoch_us("end"), slots, reason FROM gaps
        WHERE {_among(sources)} AND "end" >= {literal(start - reach)} AND start < {literal(end)} ORDER BY start, id
        """
    ).fetchall()
    found = [GapRow(*row) for row in rows]
    return _resumed(connection, found, reach // timedelta(microseconds=1)) if found and resumption else found


def _resumed(connection: DuckDBPyConnection, gaps: Sequence[GapRow], reach: int) -> list[GapRow]:
    """The gaps with when the next result began. Only results of their sources and times are looked at."""
    rows = ", ".join(f"({n}, {literal(gap.source)}, {literal(gap.check)}, {gap.end})" for n, gap in enumerate(gaps))
    begin, until = min(gap.end for gap in gaps), max(gap.end for gap in gaps) + reach
    found = connection.execute(
        f"""
        WITH missed(number, source, check_id, "end") AS (VALUES {rows}), later AS (
            SELECT source, check_id, epoch_us(started) AS began FROM results
            WHERE started > make_timestamp({begin}) AND started <= make_timestamp({until})
              AND {_among({gap.source for gap in gaps})}
        )
        SELECT number, min(began) FROM missed JOIN later USING (source, check_id)
        WHERE began > missed."end" AND began <= missed."end" + {reach} GROUP BY number
        """
    ).fetchall()
    resumed = dict(found)
    return [gap._replace(resumed=resumed.get(number)) for number, gap in enumerate(gaps)]


def newest_gap(connection: DuckDBPyConnection) -> int:
    """The highest id of a gap, 0 without any. Needs the view `gaps`."""
    return int(_one(connection, "SELECT coalesce(max(id), 0) FROM gaps"))


def values_within(
    connection: DuckDBPyConnection, metric: str, sources: Collection[str], start: datetime, end: datetime
) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Per source and check the samples of a metric in [start, end), oldest first. Needs the view `samples`."""
    rows = connection.execute(
        f"""
        SELECT source, check_id, epoch_us(time) AS moment, value FROM samples
        WHERE metric = {literal(metric)} AND {_among(sources)}
          AND time >= {literal(start)} AND time < {literal(end)}
        ORDER BY source, check_id, moment, id
        """
    ).fetchall()
    found: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for source, check, moment, value in rows:
        found[source, check].append((moment, value))
    return found


def unscored_within(
    connection: DuckDBPyConnection, sources: Collection[str], start: datetime, end: datetime
) -> dict[str, list[int]]:
    """Per source when a quality suite could not be carried out in [start, end). Needs the view `quality_runs`."""
    rows = connection.execute(
        f"""
        SELECT DISTINCT source, epoch_us("at") AS moment FROM quality_runs
        WHERE score IS NULL AND status <> 'healthy' AND {_among(sources)}
          AND "at" >= {literal(start)} AND "at" < {literal(end)}
        ORDER BY source, moment
        """
    ).fetchall()
    found: dict[str, list[int]] = defaultdict(list)
    for source, moment in rows:
        found[source].append(moment)
    return found


def event_counts(
    connection: DuckDBPyConnection,
    pieces: Sequence[Piece],
    *,
    slower_than_ms: float | None = None,
    warning_is_bad: bool = False,
    checks: Sequence[str] = (),
) -> dict[int, Counted]:
    """How many results in each piece were good, bad and unknown; pieces without any are left out.

    Good is what was not critical, or, with `slower_than_ms`, what answered sooner than that. What did not answer at
    all is bad when it was critical, else unknown; and of an unknown result nothing is known, however fast it came.
    `checks` are file-name patterns. Needs the view `results`.
    """
    if not pieces:
        return {}
    bad = "status = 'critical'" + (" OR status = 'warning'" if warning_is_bad else "")
    good = f"status <> 'unknown' AND NOT ({bad})"
    if slower_than_ms is not None:
        fast = f"response_time_ms < {literal(float(slower_than_ms))}"
        slow = f"CASE WHEN response_time_ms IS NULL THEN status = 'critical' ELSE NOT ({fast}) END"
        bad = f"status <> 'unknown' AND {slow}"
        good = f"status <> 'unknown' AND coalesce({fast}, false)"
    begin, until = min(p.start for p in pieces), max(p.end for p in pieces)
    within = f"started >= make_timestamp({begin}) AND started < make_timestamp({until})"
    rows = ", ".join(f"({p.number}, {literal(p.source)}, {p.start}, {p.end})" for p in pieces)
    found = connection.execute(
        f"""
        WITH pieces(number, source, start, "end") AS (VALUES {rows}), found AS (
            SELECT source, epoch_us(started) AS moment, {good} AS good, {bad} AS bad FROM results
            WHERE {within} AND {_matching("check_id", checks)}
        )
        SELECT number, count(*) FILTER (good), count(*) FILTER (bad AND NOT good),
               count(*) FILTER (NOT good AND NOT bad)
        FROM pieces JOIN found USING (source)
        WHERE moment >= pieces.start AND moment < pieces."end" GROUP BY number
        """
    ).fetchall()
    return {number: Counted(*counts) for number, *counts in found}


def percentiles_within(
    connection: DuckDBPyConnection,
    sources: Collection[str],
    start: datetime,
    end: datetime,
    *,
    percentile: float,
    width: timedelta,
    checks: Sequence[str] = (),
) -> dict[str, list[tuple[int, float]]]:
    """Per source a percentile (0-1) of its response times, in ms, in each slice that has any and touches [start, end).

    Slices begin at multiples of `width` since 1970 and are judged whole. What did not answer and was critical took
    for ever; unknown results say nothing. `checks` are file-name patterns. Needs the view `results`.
    """
    step = width // timedelta(microseconds=1)
    first, last = to_us(start) // step * step, -(-to_us(end) // step) * step
    rows = connection.execute(
        f"""
        SELECT source, epoch_us(started) // {step} * {step} AS slice,
               quantile_disc(coalesce(response_time_ms, 'infinity'::DOUBLE), {float(percentile)})
        FROM results
        WHERE {_among(sources)} AND started >= make_timestamp({first}) AND started < make_timestamp({last})
          AND status <> 'unknown' AND (response_time_ms IS NOT NULL OR status = 'critical')
          AND {_matching("check_id", checks)}
        GROUP BY ALL ORDER BY source, slice
        """
    ).fetchall()
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for source, slice_start, value in rows:
        found[source].append((slice_start, value))
    return found


def earliest(connection: DuckDBPyConnection, table: str, sources: Collection[str]) -> datetime | None:
    """When the history of these sources begins in one of its views; None where there is none."""
    column = {"status_changes": "at", "samples": "time", "results": "started"}[table]
    moment = _one(connection, f'SELECT min("{column}") FROM {table} WHERE {_among(sources)}')
    return None if moment is None else aware(moment)


def alerts_about(
    connection: Connection, sources: Collection[str], start: datetime, end: datetime
) -> dict[str, list[tuple[int, int | None]]]:
    """Per source when alerts about it fired in [start, end), and when each was acknowledged; from the operational
    store, so as far back as alerts are kept."""
    query = (
        select(alerts.c.source, alerts.c.fired, alerts.c.acknowledged)
        .where(alerts.c.fired >= to_us(start), alerts.c.fired < to_us(end))
        .order_by(alerts.c.fired)
    )
    wanted, found = frozenset(sources), defaultdict[str, list[tuple[int, int | None]]](list)
    for source, fired, acknowledged in connection.execute(query):
        if source in wanted:
            found[source].append((fired, acknowledged))
    return found


def _among(sources: Collection[str]) -> str:
    return _any_of("source", sources)


def _any_of(column: str, names: Iterable[str]) -> str:
    listed = ", ".join(literal(name) for name in names)
    return f"{column} IN ({listed})" if listed else "false"


def _matching(column: str, patterns: Sequence[str]) -> str:
    return "(" + " OR ".join(f"{column} GLOB {literal(pattern)}" for pattern in patterns) + ")" if patterns else "true"


def _one(connection: DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]
