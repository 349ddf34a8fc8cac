"""What a reader has of series and checks: stored buckets and newest rows as one, under the names people use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

from monitoring_pipeline.store.measured import MEASURED
from monitoring_pipeline.store.rollups import executions, values
from monitoring_pipeline.store.rollups.levels import DAY, HOUR, LEVELS, MINUTE, WEEK, Level, cover
from monitoring_pipeline.store.rollups.progress import read_built
from monitoring_pipeline.store.warehouse import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Chosen"]

# Built from names and escaped literals of our own only.
# ruff: noqa: S608

_TICK = timedelta(microseconds=1)
_numbers = count()


@dataclass(frozen=True)
class Chosen:
    """The series or checks a question is about: None stands for all. `source` is one id or several."""

    connection: DuckDBPyConnection
    source: str | Sequence[str] | None = None
    metric: str | None = None
    check: str | None = None
    _numbers: dict[str, list[int]] = field(default_factory=dict, init=False, repr=False)

    def built(self, log: str, levels: Iterable[Level] = LEVELS) -> dict[Level, datetime]:
        """Up to when levels of a log are in the published copy; those of which nothing is are left out."""
        found = {level: self._built.get((log, (DAY if level == WEEK else level).name)) for level in levels}
        # A week that goes on has the days it has: only those that are over are whole.
        return {level: level.floor(until) for level, until in found.items() if until is not None}

    def values(self, level: Level, start: datetime, end: datetime, *, sketches: bool = False) -> str:
        """A table of whole buckets of values in [start, end); `start` begins one. Days may have their sketches."""
        newest = self._newest("samples", level, start, end)
        parts = [self._stored_values(level, start, newest, sketches=sketches)] if start < newest else []
        if level == WEEK and newest < end:
            parts.append(values.merged(f"FROM {self.values(DAY, newest, end, sketches=True)}", values.SERIES))
        elif newest < end:
            parts.append(values.from_points(level, self._points(newest, end), self._fences(end), values.SERIES))
        shown = ", ".join((*values.SUMMED, "sketch") if sketches else values.SUMMED)
        return self._gathered([f"SELECT {values.SERIES}, bucket, {shown} FROM ({part})" for part in parts])

    def volume(self, start: datetime, end: datetime, coarsest: Level) -> str:
        """A table of how much was measured in buckets of several widths that together cover [start, end)."""
        measured = f"(SELECT id AS series FROM warehouse.series WHERE {MEASURED})"
        return self._gathered(
            [
                f"SELECT bucket::TIMESTAMP AS bucket, sum(count) AS count FROM warehouse.{level.values} "
                f"SEMI JOIN {measured} USING (series) WHERE {_within(since, until)} GROUP BY bucket"
                if level
                else f"SELECT date_trunc('{coarsest.name}', time) AS bucket, count(*) AS count "
                f"FROM ({self._points(since, until)}) WHERE {MEASURED} GROUP BY bucket"
                for level, since, until in cover(start, end, self._wide("samples", coarsest))
            ]
        )

    def sums(self, start: datetime, end: datetime) -> str:
        """A table that has, of each series, a row of sums per stretch of time; together they cover [start, end).

        What is stored is summed by the numbers of series, names are joined with the sums, and what no hour holds yet
        comes from its rows: fast for all series at once.
        """
        stretches = list(cover(start, end, self._wide("samples", WEEK)))
        parts = [self._summed_points(since, until) for level, since, until in stretches if level is None]
        stored = [self._summed_values(level, since, until) for level, since, until in stretches if level]
        if stored:
            first = literal(min(since for level, since, _ in stretches if level))
            sums = values.merged(f"FROM {self._gathered(stored)}", "series", first, quantiles=False)
            parts.append(f"SELECT * FROM ({sums}) JOIN warehouse.series ON id = series WHERE {self._only()}")
        return self._gathered([f"SELECT {values.SERIES}, bucket, {', '.join(values.EXACT)} FROM ({p})" for p in parts])

    def sketched(self, start: datetime, end: datetime) -> str:
        """A table of buckets of days and weeks that together cover [start, end) and no more, with sketches."""
        parts = [
            self._stored_values(level, since, until, sketches=True)
            if level
            else values.from_points(DAY, self._points(since, until), self._fences(until), values.SERIES)
            for level, since, until in cover(start, end, self.built("samples", [DAY, WEEK]))
        ]
        return self._gathered(parts)

    def executions(self, level: Level, start: datetime, end: datetime) -> str:
        """A table of buckets of what checks found in [start, end); `start` begins one."""
        newest = self._newest("results", level, start, end)
        parts = [self.stored_executions(level, start, newest)] if start < newest else []
        if newest < end:
            pieces = f"FROM {self.exact_executions(newest, end, level)}"
            parts.append(executions.merged(level, pieces, executions.CHECK))
        return self._gathered(parts)

    def exact_executions(self, start: datetime, end: datetime, coarsest: Level = WEEK) -> str:
        """A table of buckets of several widths that together cover [start, end), which are whole minutes."""
        return self._gathered(
            [
                self.stored_executions(level, since, until) if level else self._counted_executions(since, until)
                for level, since, until in self._cover_results(start, end, coarsest)
            ]
        )

    def _cover_results(
        self, start: datetime, end: datetime, coarsest: Level
    ) -> Iterator[tuple[Level | None, datetime, datetime]]:
        """The coarsest stored buckets; minutes, which are kept for a short time, only at the newest end."""
        minutes = self.built("results", [MINUTE]).get(MINUTE)
        for level, since, until in cover(start, end, self._wide("results", coarsest)):
            if level is None and minutes is not None and minutes - since < 2 * HOUR.width:
                yield from cover(since, until, {MINUTE: minutes})
            else:
                yield level, since, until

    def _wide(self, log: str, coarsest: Level) -> dict[Level, datetime]:
        """Up to when levels wider than minutes are stored."""
        return self.built(log, [level for level in LEVELS if MINUTE.width < level.width <= coarsest.width])

    def _gathered(self, parts: Sequence[str]) -> str:
        """Runs queries one after the other into a table of this connection; its name.

        As one query of many unions they may block each other for ever (DuckDB 1.5.5).
        """
        name = f"gathered_{next(_numbers)}"
        first, *others = parts
        self.connection.execute(f"CREATE TEMP TABLE {name} AS {first}")
        for part in others:
            self.connection.execute(f"INSERT INTO {name} BY NAME {part}")
        return name

    def _summed_points(self, start: datetime, end: datetime) -> str:
        points, limits = self._points(start, end), self._fences(end)
        return values.from_points(DAY, points, limits, values.SERIES, bucket=literal(start), quantiles=False)

    def _summed_values(self, level: Level, start: datetime, end: datetime) -> str:
        figures = ", ".join(f"{values.whole(name)} AS {name}" for name in values.EXACT)
        rows = self._numbered_values(level, figures, start, end)
        return values.merged(rows, "series", literal(start), quantiles=False)

    def _counted_executions(self, start: datetime, end: datetime) -> str:
        only = self._only(metric=False)
        results, gaps = (f"SELECT * FROM {log} WHERE {only}" for log in ("results", "gaps"))
        results = executions.that_matter(self.connection, results, gaps, start, end)
        return executions.from_rows(MINUTE, results, gaps, start, end)

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

    def _stored_values(self, level: Level, start: datetime, end: datetime, *, sketches: bool = False) -> str:
        figures = ", ".join(f"{values.whole(name)} AS {name}" for name in values.COLUMNS[level.name])
        return f"""
            SELECT source, check_id, metric, bucket::TIMESTAMP AS bucket, {figures}
                   {", sketch" if sketches else ""}
            FROM warehouse.{level.values} AS v JOIN warehouse.series AS s ON s.id = v.series
            WHERE {self._numbered(of_checks=False)} AND {_within(start, end)}
        """

    def _points(self, start: datetime, end: datetime) -> str:
        within = f"time >= {literal(start)} AND time < {literal(end)} AND isfinite(value)"
        return f"SELECT {values.SERIES}, time, value FROM samples WHERE {within} AND {self._only()}"

    def _numbered_values(self, level: Level, figures: str, start: datetime, end: datetime) -> str:
        """A query for figures of stored buckets by the numbers of series; of all that were chosen, if not of more."""
        chosen = "true" if self.source is None else self._numbers_of(of_checks=False)
        return f"""
            SELECT series, bucket, {figures} FROM warehouse.{level.values} WHERE {_within(start, end)} AND {chosen}
        """

    def _fences(self, end: datetime) -> str:
        if not self._built:
            return f"SELECT {values.SERIES}, 0.0 AS low, 0.0 AS high FROM samples WHERE false"
        day = DAY.floor(end - _TICK)
        figures = ", ".join(f"{values.whole(name)} AS {name}" for name in ("p25", "p75"))
        days = self._numbered_values(DAY, figures, day - values.LOOK_BACK, day)
        return f"""
            SELECT {values.SERIES}, low, high FROM ({values.fences(days, day, "series")})
            JOIN warehouse.series ON id = series WHERE {MEASURED} AND {self._only()}
        """

    def _numbered(self, *, of_checks: bool) -> str:
        """A condition on stored rows joined with their series."""
        if self.source is None:
            return self._named(of_checks=of_checks)
        return self._numbers_of(of_checks=of_checks)

    def _named(self, *, of_checks: bool) -> str:
        return f"metric {'=' if of_checks else '<>'} '' AND {self._only(metric=not of_checks)}"

    def _numbers_of(self, *, of_checks: bool) -> str:
        """The same on stored rows. The least and the greatest number tell DuckDB which blocks it need not read."""
        named = self._named(of_checks=of_checks)
        if named not in self._numbers:
            rows = self.connection.execute(f"SELECT id FROM warehouse.series WHERE {named} ORDER BY id").fetchall()
            self._numbers[named] = [number for (number,) in rows]
        ids = self._numbers[named]
        if not ids:
            return "false"
        return f"series BETWEEN {ids[0]} AND {ids[-1]} AND series IN ({', '.join(map(str, ids))})"

    def _only(self, *, metric: bool = True) -> str:
        conditions = []
        if self.source is not None:
            ids = (self.source,) if isinstance(self.source, str) else self.source
            conditions.append(f"source IN ({', '.join(map(literal, ids))})" if ids else "false")
        wanted = {"check_id": self.check, "metric": self.metric if metric else None}
        conditions += [f"{name} = {literal(value)}" for name, value in wanted.items() if value is not None]
        return " AND ".join(conditions) or "true"

    @cached_property
    def _built(self) -> dict[tuple[str, str], datetime]:
        """By log and level; empty where nothing is published yet, or by a version that had no buckets."""
        import duckdb

        try:
            return read_built(self.connection, "warehouse")
        except (duckdb.BinderException, duckdb.CatalogException):
            return {}


def _within(start: datetime, end: datetime) -> str:
    return f"bucket >= {literal(start)}::TIMESTAMP_S AND bucket < {literal(end)}::TIMESTAMP_S"
