"""`monitoring.reporting`: reports about a day, a week or a month, and their way to people."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitoring_pipeline.errors import NotFound, Refusal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.app.monitoring import Monitoring
    from monitoring_pipeline.reports.periodic import Period, Report
    from monitoring_pipeline.reports.periodic.period import Kind
    from monitoring_pipeline.reports.periodic.run import Parts
    from monitoring_pipeline.reports.periodic.sending import Post, Tried
    from monitoring_pipeline.reports.spec import ReportSpec

__all__ = ["Reporting"]

_EARLIEST = 2000
_MOMENT = timedelta(microseconds=1)


class Reporting:
    """The doors of one installation's reports."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    def period(self, kind: Kind, day: date | None = None) -> Period:
        """The day, week or month that holds `day`, by default the last one that is over.

        Raises Refusal for one that has not begun, or that lies before anything can have been measured.
        """
        from monitoring_pipeline.reports.periodic import period_before, period_of

        zone, now = self._monitoring.config.analysis.timezone, self._monitoring.clock()
        if day is None:
            return period_before(kind, now, zone)
        if day > now.astimezone(ZoneInfo(zone)).date():
            raise Refusal(f"{day} has not come yet")
        if day.year < _EARLIEST:
            raise Refusal(f"nothing was measured before {_EARLIEST}")
        return period_of(kind, day, zone)

    def make(self, period: Period, *, source: str | None = None, component: str | None = None) -> Report:
        """The report about a source, a component or everything. Raises NotFound."""
        from monitoring_pipeline.reports.periodic import report

        return report(self._parts(), period, self._monitoring.clock(), source=source, component=component)

    def due(self) -> list[str]:
        """The names of reports that should be sent now."""
        from monitoring_pipeline.reports.periodic.sending import due

        config = self._monitoring.config
        return [each.name for each in due(self._post(), config.reports, self._monitoring.clock())]

    def send_due(self) -> list[Tried]:
        """Sends what is due; each report once per period."""
        from monitoring_pipeline.reports.periodic.sending import send_due

        return send_due(self._monitoring.config.reports, self._post(), self._monitoring.clock)

    def send(self, name: str) -> Report:
        """Sends a report about its last period now, whether it was sent before or not. Raises NotFound, Undelivered."""
        from uuid import uuid4

        from monitoring_pipeline.reports.periodic.sending import post

        spec = self._monitoring.config.reports.get(name)
        if spec is None:
            raise NotFound("report", name, self._monitoring.config.reports)
        around = self._post()
        made = around.make(spec, self._period_of(spec))
        post(around, spec, made, f"report-{uuid4().hex}")
        return made

    def _period_of(self, spec: ReportSpec) -> Period:
        from monitoring_pipeline.reports.periodic import period_before

        zone = spec.timezone or self._monitoring.config.analysis.timezone
        return period_before(spec.period, self._monitoring.clock(), zone)

    def _post(self) -> Post:
        from monitoring_pipeline.reports.periodic.sending import Post

        here = self._monitoring
        return Post(
            here.store, here.config.alerting.channels,
            lambda spec, period: self.make(period, source=spec.source, component=spec.component),
            here.config.redact, here.config.analysis.timezone,
        )  # fmt: skip

    def _parts(self) -> Parts:
        from monitoring_pipeline.app.logs import without_values
        from monitoring_pipeline.reports.periodic.run import Parts

        without_values()
        here, sla = self._monitoring, self._monitoring.sla
        return Parts(
            here.config.name, here.store, here.config.sources, here.config.components, self._history,
            lambda at, sources: sla.standings(at=at, until=at + _MOMENT, sources=sources, daily=False), sla.reliability,
        )  # fmt: skip

    def _history(self, since: datetime, tables: Sequence[str]) -> AbstractContextManager[DuckDBPyConnection]:
        from monitoring_pipeline.store import rollups

        # Whatever a report says of samples it asks of rollups.
        return self._monitoring.history(since=since, tables=tables, columns=rollups.READS)
