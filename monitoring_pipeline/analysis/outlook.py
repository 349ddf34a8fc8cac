"""The door: history in, what it says about the coming days out; nothing is written here.

`of_source` looks at one source as finely as its history allows. `daily` and `hourly` look at everything: hours of
four weeks, from rollups, each kind of question once for all series.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.capacity import Limit, Reach, time_to
from monitoring_pipeline.analysis.forecast import Forecast, forecast
from monitoring_pipeline.analysis.limits import Limits
from monitoring_pipeline.analysis.patterns.find import Known, find_patterns
from monitoring_pipeline.analysis.patterns.pattern import Failures, Pattern, PatternKind
from monitoring_pipeline.analysis.performance import Counted, Performance, benchmark
from monitoring_pipeline.analysis.prediction.fleet import Fleet, Strangeness, build_fleet, strangeness
from monitoring_pipeline.analysis.prediction.model import Model, learn
from monitoring_pipeline.analysis.prediction.risk import Evidence, Risk, SystemRisk, assess, system_risk
from monitoring_pipeline.analysis.series import Grid, SeriesKey
from monitoring_pipeline.analysis.trends import Trend, find_trends
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store.outlook import inputs

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "HORIZONS",
    "Daily",
    "Hourly",
    "Scope",
    "daily",
    "hourly",
    "of_source",
    "reaches_of",
    "read_everything",
    "read_failures",
    "step_for",
]

T = TypeVar("T")
_HOUR = timedelta(hours=1)
_WINDOW = timedelta(days=28)
_STEPS = tuple(timedelta(minutes=minutes) for minutes in (5, 10, 15, 20, 30))
_FINE_STEPS = 336
_NOW_H = 24
HORIZONS = (1, 6, 24, 72, 168)
"""Hours ahead at which forecasts of all series are kept."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the configuration matters here: sources, how they belong together, limits, the clock on the wall."""

    component_of: Mapping[str, str]
    weights: Mapping[str, float] = field(default_factory=dict)
    depends_on: Mapping[str, Sequence[str]] = field(default_factory=dict)
    intervals: Mapping[str, timedelta] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    calendar: Calendar = field(default_factory=Calendar)
    max_series: int = 20_000

    @property
    def sources(self) -> list[str]:
        return sorted(self.component_of)


@dataclass(frozen=True, slots=True)
class Daily:
    """What is computed once a day."""

    trends: list[Trend]
    forecasts: list[Forecast]
    patterns: list[Pattern]
    performance: list[Performance]


@dataclass(frozen=True, slots=True)
class Hourly:
    """What is computed once an hour. `models` are those of the next hour and the next day."""

    reaches: list[Reach]
    models: tuple[Model, Model]
    risks: list[Risk]
    system: SystemRisk


def step_for(over: timedelta) -> timedelta:
    """How fine one source is looked at: an hour from two weeks on, else so that there are a few hundred steps."""
    return next((step for step in reversed((*_STEPS, _HOUR)) if over / step >= _FINE_STEPS), _STEPS[0])


def of_source(
    connection: DuckDBPyConnection,
    source: str,
    now: datetime,
    over: timedelta = _WINDOW,
    metrics: Collection[str] | None = None,
    calendar: Calendar | None = None,
) -> Grid:
    """All series of one source up to the last whole step. Needs the view `samples`."""
    step = step_for(over)
    until = _floor(now, step)
    since = until - over // step * step
    points = inputs.read_steps(connection, since, until, step, source=source, metrics=metrics)
    return _grid(points, since, step, (until - since) // step, calendar or Calendar())


def reaches_of(grid: Grid, limits: Limits, only: Limit | None = None) -> list[Reach]:
    """When the series that have a limit reach it; with `only` all of them and that one limit."""
    found = [(row, only or limits.of(key)) for row, key in enumerate(grid.keys)]
    limited = [(row, limit) for row, limit in found if limit is not None]
    return time_to(grid.pick([row for row, _ in limited]), [limit for _, limit in limited]) if limited else []


def daily(connection: DuckDBPyConnection, scope: Scope, now: datetime) -> Daily:
    """Trends, forecasts, patterns and performance of everything up to the last whole hour.

    Needs the views `samples`, `results`, `gaps` and `status_changes`, four weeks back.
    """
    grid = read_everything(connection, scope, now)
    failures = read_failures(connection, scope, grid.start, grid.end)
    known = Known(ZoneInfo(scope.calendar.zone), scope.intervals, scope.depends_on)
    middle = grid.end - _NOW_H * _HOUR
    counts = inputs.read_counts(connection, grid.start, middle, grid.end)
    counted = {source: Counted(*counts[source]) for source in counts if source in scope.component_of}
    return Daily(
        find_trends(grid), forecast(grid, max(HORIZONS)), find_patterns(failures, grid, known),
        benchmark(grid, scope.component_of, counted, _NOW_H),
    )  # fmt: skip


def hourly(connection: DuckDBPyConnection, scope: Scope, now: datetime, patterns: Sequence[Pattern] = ()) -> Hourly:
    """Capacity, predictions and risks up to the last whole hour, with the patterns that are known.

    Needs the views `samples` and `status_changes`, four weeks back.
    """
    grid = read_everything(connection, scope, now)
    reaches = reaches_of(grid, scope.limits)
    strange = strangeness(grid)
    fleet = _fleet(connection, scope, strange, patterns)
    hour, day = learn(fleet, 1), learn(fleet, 24)
    evidence = Evidence(_by_source([(each.key.source, each) for each in reaches]),
                        _by_source([(each.source, each) for each in patterns]))  # fmt: skip
    risks = assess(fleet, hour, day, evidence, grid.keys)
    return Hourly(reaches, (hour, day), risks, system_risk(risks, scope.weights, fleet.end))


# -- reading -----------------------------------------------------------------------------------------


def read_everything(connection: DuckDBPyConnection, scope: Scope, now: datetime) -> Grid:
    """Hours of all series, from rollups; those mix what tags tell apart, so metrics with tags come from samples."""
    until = _floor(now, _HOUR)
    since, steps = until - _WINDOW, _WINDOW // _HOUR
    tagged = inputs.read_tagged(connection, until - 2 * _HOUR)
    plain = _grid(inputs.read_hours(connection, since, until), since, _HOUR, steps, scope.calendar)
    rows = [row for row, key in enumerate(plain.keys) if key.source in scope.component_of and key.metric not in tagged]
    plain = plain.pick(rows)
    if not tagged:
        return plain.pick(range(min(len(rows), scope.max_series)))
    tagged_points = inputs.read_steps(connection, since, until, _HOUR, metrics=tagged)
    apart = _grid(tagged_points, since, _HOUR, steps, scope.calendar)
    apart = apart.pick([row for row, key in enumerate(apart.keys) if key.source in scope.component_of])
    whole = replace(plain, keys=plain.keys + apart.keys, values=np.concatenate([plain.values, apart.values]))
    return whole.pick(range(min(len(whole.keys), scope.max_series)))


def read_failures(connection: DuckDBPyConnection, scope: Scope, since: datetime, until: datetime) -> Failures:
    """When each source became critical. Needs the view `status_changes`."""
    onsets: dict[str, list[int]] = {source: [] for source in scope.sources}
    first = to_us(since)
    for source, moment, after in inputs.read_changes(connection, since, until):
        if after == "critical" and moment >= first and source in onsets:
            onsets[source].append(moment)
    return Failures(since, until, {source: np.array(each, dtype=np.int64) for source, each in onsets.items()})


def _fleet(connection: DuckDBPyConnection, scope: Scope, strange: Strangeness, patterns: Sequence[Pattern]) -> Fleet:
    grid = strange.grid
    changes = inputs.read_changes(connection, grid.start, grid.end)
    upstream = {source: list(above) for source, above in scope.depends_on.items()}
    for pattern in patterns:
        if pattern.kind is PatternKind.TOGETHER and float(pattern.detail.get("lag_s", 0)) > 0:
            upstream.setdefault(pattern.source, []).append(pattern.other)
    hours = grid.steps
    return build_fleet(scope.sources, grid.start, hours, changes, strange, upstream)


def _grid(points: inputs.Points, since: datetime, step: timedelta, steps: int, calendar: Calendar) -> Grid:
    keys = tuple(SeriesKey(*series) for series in points.series)
    values = np.full((len(keys), steps), np.nan)
    place = np.asarray(points.place, dtype=np.int64)
    inside = (place >= 0) & (place < steps)
    values[np.asarray(points.number, dtype=np.int64)[inside], place[inside]] = np.asarray(points.value)[inside]
    values[~np.isfinite(values)] = np.nan
    return Grid(keys, since, step, values, calendar)


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - datetime(1970, 1, 1, tzinfo=UTC)) % step


def _by_source(pairs: Sequence[tuple[str, T]]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for source, each in pairs:
        found.setdefault(source, []).append(each)
    return found
