"""`monitoring.outlook`: trends, forecasts, capacity, patterns, risks and performance."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.errors import NotFound

if TYPE_CHECKING:
    from monitoring_pipeline.analysis.limits import Limits
    from monitoring_pipeline.analysis.outlook import Daily, Hourly, Scope
    from monitoring_pipeline.analysis.series import Grid
    from monitoring_pipeline.app.monitoring import Monitoring

__all__ = ["Outlook"]

_WINDOW = timedelta(days=28)
_BACK = timedelta(days=1200)
"""How far back a source's last change of status may lie."""


class Outlook:
    """The doors of one installation."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    # -- now, of one source --------------------------------------------------------------------------

    def grid(self, source: str, over: timedelta = _WINDOW, metrics: Collection[str] | None = None) -> Grid:
        """All series of one source in equal steps, fresh from history. Raises StoreError."""
        from monitoring_pipeline.analysis.outlook import of_source

        here = self._monitoring
        now = here.clock()
        with here.history(since=now - over - timedelta(hours=1), source=source, tables=("samples",)) as connection:
            return of_source(connection, source, now, over, metrics, here.scoring.calendar())

    def forecast_document(
        self, source: str, metric: str | None, ahead: timedelta, over: timedelta = _WINDOW
    ) -> dict[str, Any]:
        """Forecasts of one source's metrics and when they reach their limits. Raises NotFound, StoreError."""
        from monitoring_pipeline.analysis.forecast import forecast
        from monitoring_pipeline.analysis.outlook import reaches_of
        from monitoring_pipeline.analysis.outlook_rows import forecasts_document

        grid = self.grid(source, over)
        if metric is not None:
            rows = [row for row, key in enumerate(grid.keys) if key.metric == metric]
            if not rows:
                raise NotFound("metric", metric, {key.metric for key in grid.keys})
            grid = grid.pick(rows)
        made = forecast(grid, max(1, round(ahead / grid.step)))
        return forecasts_document(grid, made, reaches_of(grid, self.limits))

    @property
    def limits(self) -> Limits:
        """The limits of series: those of `analysis.limits` first, then the critical conditions of checks."""
        from monitoring_pipeline.analysis.limits import Limits, limits_of_checks, limits_of_specs

        config = self._monitoring.config
        return Limits([*limits_of_specs(config.analysis.limits), *limits_of_checks(config.checks)])

    # -- all together --------------------------------------------------------------------------------

    @property
    def scope(self) -> Scope:
        """What of the configuration the analysis needs."""
        from monitoring_pipeline.analysis.outlook import Scope

        config = self._monitoring.config
        intervals: dict[str, timedelta] = {}
        for bound in config.checks:
            known = intervals.get(bound.source.id, bound.check.interval)
            intervals[bound.source.id] = max(known, bound.check.interval)
        return Scope(
            {source.id: source.component for source in config.sources},
            {source.id: float(source.criticality.weight) for source in config.sources},
            {source.id: source.depends_on for source in config.sources if source.depends_on},
            intervals, self.limits, self._monitoring.scoring.calendar(), config.analysis.max_series,
        )  # fmt: skip

    def look_daily(self) -> Daily:
        """Trends, forecasts, patterns and performance of everything, computed now; nothing is kept."""
        from monitoring_pipeline.analysis.outlook import daily

        here = self._monitoring
        now = here.clock()
        tables = ("samples", "results", "gaps", "status_changes")
        with here.history(since=now - _WINDOW - timedelta(hours=1), tables=tables) as connection:
            return daily(connection, self.scope, now)

    def look_hourly(self) -> Hourly:
        """Capacity and risks of everything, computed now; nothing is kept."""
        from monitoring_pipeline.analysis.outlook import hourly
        from monitoring_pipeline.analysis.outlook_rows import pattern_of

        here = self._monitoring
        now = here.clock()
        patterns = [pattern_of(row) for row in self.read("patterns")[1]]
        with here.history(since=now - _BACK, tables=("samples", "status_changes")) as connection:
            return hourly(connection, self.scope, now, patterns)

    def refresh_daily(self) -> tuple[dict[str, int], bytes]:
        """Computes the day's results, keeps them in the warehouse and lets rules see the trends.

        Answers the rows per table, and a picture of how components perform.
        """
        from monitoring_pipeline.analysis.outlook_rows import daily_rows, daily_samples
        from monitoring_pipeline.analysis.pictures import performance_png

        now, found = self._monitoring.clock(), self.look_daily()
        kept = self._keep(now.replace(hour=0, minute=0, second=0, microsecond=0), daily_rows(found), now)
        self._monitoring.report(list(daily_samples(found, now)))
        return kept, performance_png(found.performance)

    def refresh_hourly(self) -> tuple[dict[str, int], bytes]:
        """The same for capacity and risks of the hour; with a picture of the greatest risks."""
        from monitoring_pipeline.analysis.outlook_rows import hourly_rows, hourly_samples
        from monitoring_pipeline.analysis.pictures import risks_png

        now, found = self._monitoring.clock(), self.look_hourly()
        kept = self._keep(now.replace(minute=0, second=0, microsecond=0), hourly_rows(found), now)
        self._monitoring.report(list(hourly_samples(found, now)))
        return kept, risks_png(found.risks)

    def read(self, table: str, source: str | None = None) -> tuple[datetime | None, list[dict[str, Any]]]:
        """The newest results of a table of `store.outlook.results` and the period they speak for. Raises StoreError."""
        from monitoring_pipeline.store.outlook import results

        with self._monitoring.history(tables=()) as connection:
            return results.newest(connection, table, source=source)

    def _keep(self, period: datetime, rows: Mapping[str, list[dict[str, Any]]], now: datetime) -> dict[str, int]:
        from monitoring_pipeline.store.outlook import results
        from monitoring_pipeline.store.warehouse import open_warehouse

        config = self._monitoring.config
        assert config.stores.warehouse is not None  # noqa: S101 - the configuration resolved it
        with open_warehouse(config.stores.warehouse, now) as warehouse:
            kept = results.put(warehouse, period, rows)
            results.expire_results(warehouse, now, config.retention.samples)
        return kept
