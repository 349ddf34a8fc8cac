"""The one Dagster module: joins assets, sensors and `Monitoring`.

`workspace.yaml` points here. A configuration that cannot be used makes loading fail with its problems,
each with file:line:column, which Dagster shows as the error of the code location.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property

import dagster as dg

from assets import anomalies, collection, health_checks, history, outlook, quality, rollups, sla, sources
from monitoring_pipeline.app import Monitoring
from sensors import alerts, dagster_events, escalations, reports, run_failures

__all__ = ["build_defs", "defs"]

OWN_JOBS = (
    health_checks.health_checks_job,
    history.history_job,
    history.retention_job,
    rollups.daily_rollups_job,
    sla.sla_job,
    sla.sla_days_job,
    anomalies.anomaly_scores_job,
    anomalies.baselines_job,
    outlook.daily_outlook_job,
    outlook.risks_job,
    alerts.alert_job,
    escalations.escalation_job,
    reports.report_job,
)


def build_defs(monitoring: Monitoring, *, with_sources: bool = True) -> dg.Definitions:
    """Fresh definitions of one installation; without sources for runs that need none of them."""
    config = monitoring.config
    return dg.Definitions(
        assets=[
            health_checks.health_checks,
            history.history_load,
            history.history_publish,
            history.retention,
            collection.collectors,
            rollups.rollups,
            rollups.daily_rollups,
            sla.sla_budgets,
            sla.sla_days,
            *quality.suite_assets(config),
            *(sla.objective_assets(config) if with_sources else ()),
            anomalies.anomaly_scores,
            anomalies.baselines,
            outlook.daily_outlook,
            outlook.risks,
            *(sources.source_assets(config.sources, config.checks) if with_sources else ()),
        ],
        asset_checks=[*sources.source_checks(config.sources), *quality.quality_checks(config)] if with_sources else (),
        jobs=[*OWN_JOBS, *quality.quality_job(config)],
        schedules=[
            health_checks.health_checks_schedule,
            history.history_schedule,
            history.retention_schedule,
            rollups.daily_rollups_schedule,
            *quality.quality_schedule(config),
            sla.sla_schedule,
            sla.sla_days_schedule,
            anomalies.anomaly_scores_schedule,
            anomalies.baselines_schedule,
            outlook.daily_outlook_schedule,
            outlook.risks_schedule,
        ],
        sensors=[
            alerts.alerts,
            escalations.escalations,
            dagster_events.dagster_events,
            reports.reports,
            run_failures.run_failures,
        ],
        resources={"monitoring": monitoring},
        executor=dg.in_process_executor,
    )


class _ByJob(dg.RepositoryData):
    """Everything, built when it is asked for.

    Each run is a fresh process that asks for one job. Ours need no sources, and building thousands of
    them would cost more than a second of CPU every minute.
    """

    def __init__(self, build: Callable[[bool], dg.Definitions]) -> None:
        self._build = build

    @cached_property
    def _all(self) -> dg.RepositoryDefinition:
        return self._build(True).get_repository_def()

    @cached_property
    def _ours(self) -> dg.RepositoryDefinition:
        return self._build(False).get_repository_def()

    def get_job(self, job_name: str) -> dg.JobDefinition:
        whole = "_all" in self.__dict__ or not self._is_ours(job_name)
        return (self._all if whole else self._ours).get_job(job_name)

    def has_job(self, job_name: str) -> bool:
        return self._is_ours(job_name) or self._all.has_job(job_name)

    def _is_ours(self, job_name: str) -> bool:
        # The job of suites exists only where there are suites.
        known = {job.name for job in OWN_JOBS}
        return job_name in known or (job_name == quality.QUALITY_JOB and self._ours.has_job(job_name))

    def get_all_jobs(self) -> Sequence[dg.JobDefinition]:
        return self._all.get_all_jobs()

    def get_top_level_resources(self) -> Mapping[str, dg.ResourceDefinition]:
        return self._all.get_top_level_resources()

    def get_env_vars_by_top_level_resource(self) -> Mapping[str, AbstractSet[str]]:
        return self._all.get_env_vars_by_top_level_resource()

    def get_all_schedules(self) -> Sequence[dg.ScheduleDefinition]:
        return list(self._all.schedule_defs)

    def get_all_sensors(self) -> Sequence[dg.SensorDefinition]:
        return list(self._all.sensor_defs)

    def get_source_assets_by_key(self) -> Mapping[dg.AssetKey, dg.SourceAsset]:
        return self._all.source_assets_by_key

    def get_assets_defs_by_key(self) -> Mapping[dg.AssetKey, dg.AssetsDefinition]:
        return self._all.assets_defs_by_key

    def get_asset_checks_defs_by_key(self) -> Mapping[dg.AssetCheckKey, dg.AssetChecksDefinition]:
        return self._all.asset_checks_defs_by_key


def defs() -> dg.RepositoryDefinition:
    """The definitions of the installation whose configuration the environment names; Dagster calls this."""
    monitoring = Monitoring.open()

    def by_job() -> dg.RepositoryData:
        return _ByJob(lambda with_sources: build_defs(monitoring, with_sources=with_sources))

    # Dagster takes RepositoryData here, its annotation does not say so.
    return dg.repository(name="__repository__")(by_job)  # type: ignore[arg-type]
