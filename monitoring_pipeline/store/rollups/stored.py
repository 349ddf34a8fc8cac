"""SQL: what a reader has of series and checks, stored buckets and newest rows as one, under the names people use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from monitoring_pipeline.store.rollups import executions, values
from monitoring_pipeline.store.rollups.levels import BUILT, DAY, MINUTE, WEEK, Level, cover
from monitoring_pipeline.store.rollups.progress import built_until
from monitoring_pipeline.store.warehouse import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Chosen"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Chosen:
    """The series or checks a question is about: None stands for all. `source` is one id or several."""

    connection: DuckDBPyConnection
    source: str | Sequence[str] | None = None
    metric: str | None = None
    check: str | None = None

    def built(self, log: str, levels: Iterable[Level] = BUILT) -> dict[Level, datetime]:
        """Up to when levels of a log are in the published copy; those of which nothing is are left out."""
        found = {level: built_until(self.connection, log, level, "warehouse") for level in levels if self._published}
        return {level: until for level, until in found.items() if until is not None}

    def values(self, level: Level, start: datetime, end: datetime) -> str:
        """A query for whole buckets of values in [start, end); `start` begins one. Of days and weeks with sketches."""
        newest = self._newest("samples", level, start, end)
        parts = [self._stored_values(level, start, newest)] if start < newest else []
        if level == WEEK and newest < end:
            parts.append(values.from_days(self.values(DAY, newest, end), values.SERIES))
        elif newest < end:
            parts.append(values.from_points(level, self._points(newest, end), self._fences(end), values.SERIES))
        return _together(parts)

    def exact_values(self, start: datetime, end: datetime, coarsest: Level = DAY) -> str:
        """A query for buckets of several widths that together cover [start, end), without quantiles and sketches.

        The newest hours of a day come from hours and minutes: fast for all series at once.
        """
        built = self.built("samples", [level for level in BUILT if level.width <= coarsest.width])
        parts = []
        for level, since, until in cover(start, end, built):
            if level is None:
                buckets = values.from_points(MINUTE, self._points(since, until), self._fences(until), values.SERIES)
            else:
                buckets = self._stored_values(level, since, until)
            parts.append(f"SELECT {values.SERIES}, bucket, {', '.join(values.EXACT)} FROM ({buckets})")
        return _together(parts)

    def days_of(self, start: datetime, end: datetime) -> str:
        """A query for day buckets that together cover [start, end) and no more, with sketches."""
        parts = [
            self._stored_values(level, since, until)
            if level
            else values.from_points(DAY, self._points(since, until), self._fences(until), values.SERIES)
            for level, since, until in cover(start, end, self.built("samples", [DAY]))
        ]
        return _together(parts)

    def executions(self, level: Level, start: datetime, end: datetime) -> str:
        """A query for buckets of what checks found in [start, end); `start` begins one."""
        newest = self._newest("results", level, start, end)
        parts = [self.stored_executions(level, start, newest)] if start < newest else []
        if newest < end:
            parts.append(executions.merged(level, self.exact_executions(newest, end), executions.CHECK))
        return _together(parts)

    def exact_executions(self, start: datetime, end: datetime) -> str:
        """A query for buckets of several widths that together cover [start, end), which are whole minutes."""
        pieces = [
            self._counted_executions(since, until) if level is None else self.stored_executions(level, since, until)
            for level, since, until in cover(start, end, self.built("results"))
        ]
        return _together(pieces)

    def _counted_executions(self, start: datetime, end: datetime) -> str:
        only = self._only(metric=False)
        results, gaps = (f"SELECT * FROM {log} WHERE {only}" for log in ("results", "gaps"))
        return executions.from_rows(MINUTE, results, gaps, start, end, executions.CHECK)

    def _newest(self, log: str, level: Level, start: datetime, end: datetime) -> datetime:
        """Up to where stored buckets answer for [start, end); weeks that go on are merged anew."""
        until = self.built(log, [DAY if level == WEEK else level]).get(DAY if level == WEEK else level, start)
        return max(start, min(level.floor(until), level.floor(end)))

    def stored_executions(self, level: Level, start: datetime, end: datetime) -> str:
        """A query for the stored buckets alone."""
        return f"""
            SELECT source, check_id, e.* EXCLUDE (series, bucket), bucket::TIMESTAMP AS bucket
            FROM warehouse.{level.executions} AS e JOIN warehouse.series AS s ON s.id = e.series
            WHERE {self._numbered(of_checks=True)} AND {_within(start, end)}
        """

    def _stored_values(self, level: Level, start: datetime, end: datetime) -> str:
        figures = ", ".join(f"{values.whole(name)} AS {name}" for name in values.COLUMNS[level.name])
        return f"""
            SELECT source, check_id, metric, bucket::TIMESTAMP AS bucket, {figures}
                   {", sketch" if level in (DAY, WEEK) else ""}
            FROM warehouse.{level.values} AS v JOIN warehouse.series AS s ON s.id = v.series
            WHERE {self._numbered(of_checks=False)} AND {_within(start, end)}
        """

    def _points(self, start: datetime, end: datetime) -> str:
        within = f"time >= {literal(start)} AND time < {literal(end)} AND isfinite(value)"
        return f"SELECT {values.SERIES}, time, value FROM samples WHERE {within} AND {self._only()}"

    def _fences(self, end: datetime) -> str:
        if not self._published:
            return f"SELECT {values.SERIES}, 0.0 AS low, 0.0 AS high FROM samples WHERE false"
        day = DAY.floor(end - _TICK)
        return values.fences(self._stored_values(DAY, day - values.LOOK_BACK, day), day, values.SERIES)

    def _numbered(self, *, of_checks: bool) -> str:
        """A condition on stored rows. Few numbers are listed: they tell DuckDB which blocks it need not read."""
        named = f"metric {'=' if of_checks else '<>'} '' AND {self._only(metric=not of_checks)}"
        if self.source is None:
            return named
        rows = self.connection.execute(f"SELECT id FROM warehouse.series WHERE {named}").fetchall()
        return f"series IN ({', '.join(str(number) for (number,) in rows)})" if rows else "false"

    def _only(self, *, metric: bool = True) -> str:
        conditions = []
        if self.source is not None:
            ids = (self.source,) if isinstance(self.source, str) else self.source
            conditions.append(f"source IN ({', '.join(map(literal, ids))})" if ids else "false")
        wanted = {"check_id": self.check, "metric": self.metric if metric else None}
        conditions += [f"{name} = {literal(value)}" for name, value in wanted.items() if value is not None]
        return " AND ".join(conditions) or "true"

    @cached_property
    def _published(self) -> bool:
        found = self.connection.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = 'warehouse' AND table_name = 'rolled'"
        )
        return bool(found.fetchall())


def _together(parts: list[str]) -> str:
    return " UNION ALL BY NAME ".join(f"SELECT * FROM ({part})" for part in parts)


def _within(start: datetime, end: datetime) -> str:
    return f"bucket >= {literal(start)}::TIMESTAMP_S AND bucket < {literal(end)}::TIMESTAMP_S"
