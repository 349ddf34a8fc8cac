"""Alerts that nobody is taking care of: facts born outside the health-check run, failed sends that are due again.

While a health-check run serves, it judges and delivers by itself within a second, and this sensor finds nothing.
"""

import dagster as dg

from monitoring_pipeline.app import Monitoring
from sensors.settling import settle

__all__ = ["alert_job", "alerts"]


@dg.op(description="Judges what is due and delivers the notifications that wait.")
def deliver_alerts(context: dg.OpExecutionContext, monitoring: dg.ResourceParam[Monitoring]) -> None:
    settle(context, monitoring)


@dg.job(
    description="Judges and delivers what no health-check run took care of.",
    executor_def=dg.in_process_executor,
    run_tags={"dagster/priority": "9", dg.MAX_RUNTIME_SECONDS_TAG: "180"},
)
def alert_job() -> None:
    deliver_alerts()


@dg.sensor(
    job_name=alert_job.name,
    name="alerts",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches the alert job when transitions or notifications wait longer than they should.",
)
def alerts(
    context: dg.SensorEvaluationContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.RunRequest | dg.SkipReason:
    waiting = monitoring.unattended_alerts()
    if not waiting:
        return dg.SkipReason("nothing waits")
    return dg.RunRequest(run_key=f"{monitoring.clock().timestamp():.0f}", tags={"monitoring/why": waiting[:200]})
