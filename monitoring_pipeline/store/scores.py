"""Scores in the warehouse: history's samples as arrays for whoever scores them, and what came of it.

Samples come in the order in which they were recorded, day by day. `scores` has every point that was at all strange and
of the others one in ten minutes; `baselines` has what is normal for each series, by weekday and hour on the wall.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from monitoring_pipeline.store.warehouse import aware, literal, open_warehouse, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

__all__ = [
    "Known",
    "Points",
    "Span",
    "Stretch",
    "alarms_per_hour",
    "critical_spans",
    "excluded_spans",
    "isolation_of",
    "newest",
    "oldest",
    "pauses_of",
    "points_of",
    "replace_baselines",
    "replace_scores",
    "series_in",
]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

_AT_ONCE = 500
_MOST_POINTS = 20_000_000
_DAY_US = 86_400_000_000


class Known(NamedTuple):
    """A series of history."""

    source: str
    check: str
    metric: str
    tags: str
    unit: str
    count: int = 0  # type: ignore[assignment]  # hides tuple.count, which nobody needs here


@dataclass(frozen=True, slots=True)
class Points:
    """Samples as columns: the place of the series in what was asked for, id, moment (microseconds), value."""

    series: NDArray[Any]
    id: NDArray[Any]
    time: NDArray[Any]
    value: NDArray[Any]


class Span(NamedTuple):
    """A stretch of a source's time, both ends in microseconds; `end` is None while it lasts."""

    source: str
    start: int
    end: int | None


class Stretch(NamedTuple):
    """Some time of a series, both ends included; `tags` is JSON."""

    source: str
    check: str
    metric: str
    tags: str
    began: datetime
    ended: datetime


def series_in(history: DuckDBPyConnection) -> list[Known]:
    """All series of the view `samples`, in the order in which they were first recorded."""
    rows = history.execute(
        "SELECT source, check_id, metric, tags, max(unit), count(*) FROM samples GROUP BY ALL "
        "ORDER BY min(time), min(id), 1, 2, 3, 4"
    ).fetchall()
    return [Known(*row) for row in rows]


def newest(history: DuckDBPyConnection, table: str) -> int:
    """The highest id in a view, 0 where it is empty."""
    return int(history.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchall()[0][0])


def oldest(history: DuckDBPyConnection) -> datetime | None:
    """The moment of the oldest sample; None where there is none."""
    found = history.execute("SELECT min(time) FROM samples").fetchall()[0][0]
    return None if found is None else aware(found)


def points_of(
    history: DuckDBPyConnection, wanted: Sequence[Known], until: datetime, most: int = _MOST_POINTS
) -> Iterator[Points]:
    """Their samples before `until`, of as many series at a time as have `most` of them; of each series all."""
    for first, end in _portions([known.count for known in wanted], most):
        _name(history, wanted[first:end], first)
        found = history.execute(
            "SELECT series, id, epoch_us(time) AS time, value FROM samples "
            f"JOIN named USING (source, check_id, metric, tags) WHERE time < {literal(until)}"
        ).fetchnumpy()
        yield _by_day(Points(found["series"], found["id"], found["time"], found["value"]))


def _by_day(points: Points) -> Points:
    """Day by day, by their ids. DuckDB gives them in the order in which they lie, mostly that one; to have it sort them
    would take longer than all the rest."""
    import numpy as np

    days, ids = points.time // _DAY_US, points.id
    ahead, again = days[1:] > days[:-1], days[1:] == days[:-1]
    if (ahead | (again & (ids[1:] > ids[:-1]))).all():
        return points
    order = np.lexsort((ids, days))
    return Points(points.series[order], ids[order], points.time[order], points.value[order])


def _portions(counts: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    first, total = 0, 0
    for place, count in enumerate(counts):
        if total + count > most and place > first:
            yield first, place
            first, total = place, 0
        total += count
    if counts:
        yield first, len(counts)


def pauses_of(history: DuckDBPyConnection, kinds: tuple[str, str]) -> list[tuple[str, bool, int]]:
    """Source, whether its samples were not learnt from then on, and after which of them; in order."""
    paused, resumed = map(literal, kinds)
    rows = history.execute(
        f"SELECT source, kind = {paused}, (detail->>'$.after')::BIGINT FROM events WHERE kind IN ({paused}, {resumed}) "
        "ORDER BY id"
    ).fetchall()
    return [(str(source), bool(pause), int(after)) for source, pause, after in rows]


def excluded_spans(history: DuckDBPyConnection, kind: str) -> list[Span]:
    """What somebody said afterwards is not to be learnt."""
    rows = history.execute(
        "SELECT source, (detail->>'$.start')::BIGINT, (detail->>'$.end')::BIGINT FROM events "
        f"WHERE kind = {literal(kind)} ORDER BY id"
    ).fetchall()
    return [Span(*row) for row in rows]


def critical_spans(history: DuckDBPyConnection) -> list[Span]:
    """When sources were critical, from the view `status_changes`."""
    rows = history.execute(
        'SELECT source, epoch_us("at"), epoch_us(lead("at") OVER (PARTITION BY source ORDER BY "at", id)) '
        "FROM status_changes QUALIFY after = 'critical' ORDER BY ALL"
    ).fetchall()
    return [Span(row[0], int(row[1]), None if row[2] is None else int(row[2])) for row in rows]


# -- what came of it ---------------------------------------------------------------------------------


def replace_scores(
    path: Path, now: datetime, start: datetime, end: datetime, known: Sequence[Known],
    columns: Mapping[str, NDArray[Any]], oldest: datetime,
) -> int:  # fmt: skip
    """Writes the scores of [start, end) in place of those that are there, in one transaction; how many rows.

    Scores from before `oldest` are removed.

    `columns`: series (places in `known`), time (microseconds), value, score, expected, low, high, is_alert, and
    isolation, NaN where there is none: where there is one, both scores are combined by their geometric mean.
    """
    span = f"time >= {literal(start)} AND time < {literal(end)}"
    with open_warehouse(path, now) as warehouse:
        _name(warehouse, known)
        warehouse.register("scored", dict(columns))
        with transaction(warehouse):
            warehouse.execute(f"DELETE FROM scores WHERE time < {literal(oldest)} OR ({span})")
            warehouse.execute(
                "INSERT INTO scores SELECT source, check_id, metric, tags, make_timestamp(time) AS time, value, score, "
                "expected, low, high, is_alert, isolation, sqrt(greatest(score, 0) * isolation) FROM "
                "(SELECT * REPLACE (CASE WHEN NOT isnan(isolation) THEN isolation END AS isolation) FROM scored) "
                "JOIN named USING (series) "
                "ORDER BY make_timestamp(time), source, metric"
            )
        count = warehouse.execute(f"SELECT count(*) FROM scores WHERE {span}").fetchall()[0][0]
    return int(count)


def replace_baselines(path: Path, now: datetime, known: Sequence[Known], columns: Mapping[str, NDArray[Any]]) -> int:
    """Writes what is normal in place of what was; `columns`: series, weekday, hour, low, expected, high, learning."""
    with open_warehouse(path, now) as warehouse:
        _name(warehouse, known)
        warehouse.register("normal", dict(columns))
        with transaction(warehouse):
            warehouse.execute("DELETE FROM baselines")
            warehouse.execute(
                "INSERT INTO baselines SELECT source, check_id, metric, tags, unit, weekday, hour, low, expected, "
                f"high, learning, {literal(now)} FROM normal JOIN named USING (series) ORDER BY ALL"
            )
        count = warehouse.execute("SELECT count(*) FROM baselines").fetchall()[0][0]
    return int(count)


def alarms_per_hour(path: Path, now: datetime, start: datetime, end: datetime) -> list[tuple[datetime, int]]:
    """How many points were alarming in each hour of [start, end)."""
    with open_warehouse(path, now) as warehouse:
        rows = warehouse.execute(
            "SELECT hour, count(scores.time) FROM (SELECT unnest(generate_series("
            f"{literal(start)}, {literal(end)} - INTERVAL 1 MICROSECOND, INTERVAL 1 HOUR)) AS hour) "
            "LEFT JOIN scores ON date_trunc('hour', time) = hour AND is_alert GROUP BY hour ORDER BY hour"
        ).fetchall()
    return [(aware(hour), int(count)) for hour, count in rows]


def _name(connection: DuckDBPyConnection, known: Sequence[Known], first: int = 0) -> None:
    """A table of the series' names by their places, of which the first is `first`."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE named (series BIGINT, source VARCHAR, check_id VARCHAR, metric VARCHAR, "
        "tags VARCHAR, unit VARCHAR)"
    )
    for begin in range(0, len(known), _AT_ONCE):
        some = known[begin : begin + _AT_ONCE]
        rows = (f"({place}, {', '.join(map(literal, each[:5]))})" for place, each in enumerate(some, first + begin))
        connection.execute(f"INSERT INTO named VALUES {', '.join(rows)}")


def isolation_of(history: DuckDBPyConnection, stretches: Sequence[Stretch]) -> list[tuple[float, float] | None]:
    """How far apart the isolation forest found each stretch, and that with its score in one: the highest in it; None
    where the warehouse has nothing of it."""
    found: dict[int, tuple[float, float]] = {}
    if _has_isolation(history):
        for first in range(0, len(stretches), _AT_ONCE):
            some = enumerate(stretches[first : first + _AT_ONCE], first)
            asked = ", ".join(f"({place}, {', '.join(literal(value) for value in each)})" for place, each in some)
            rows = history.execute(
                "SELECT place, max(isolation), max(combined) FROM warehouse.scores JOIN "
                f"(VALUES {asked}) AS asked(place, source, check_id, metric, tags, began, ended) "
                "USING (source, check_id, metric, tags) "
                "WHERE time BETWEEN began AND ended AND isolation IS NOT NULL GROUP BY place"
            ).fetchall()
            found |= {place: (isolation, combined) for place, isolation, combined in rows}
    return [found.get(place) for place in range(len(stretches))]


def _has_isolation(history: DuckDBPyConnection) -> bool:
    found = history.execute(
        "SELECT count(*) FROM duckdb_columns() WHERE database_name = 'warehouse' AND table_name = 'scores' "
        "AND column_name = 'isolation'"
    ).fetchall()
    return bool(found[0][0])
