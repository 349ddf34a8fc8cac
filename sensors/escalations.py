"""Escalations whose next step is overdue, or that have none: looked at from outside of what runs them."""

import dagster as dg

from monitoring_pipeline.app import Monitoring
from sensors.settling import settle

__all__ = ["escalation_job", "escalations"]


@dg.op(description="Repairs escalations that lost their next step, and takes the steps that are due.")
def step_escalations(context: dg.OpExecutionContext, monitoring: dg.ResourceParam[Monitoring]) -> None:
    repaired = monitoring.repair_escalations()
    for problem in repaired:
        context.log.warning(problem)
    settle(context, monitoring)


@dg.job(
    description="Takes the escalation steps that are due, and repairs escalations without one.",
    executor_def=dg.in_process_executor,
    run_tags={"dagster/priority": "9", dg.MAX_RUNTIME_SECONDS_TAG: "180"},
)
def escalation_job() -> None:
    step_escalations()


@dg.sensor(
    job_name=escalation_job.name,
    name="escalations",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches the escalation job when an open escalation has no live next step.",
)
def escalations(
    context: dg.SensorEvaluationContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.RunRequest | dg.SkipReason:
    overdue = monitoring.unattended_escalations()
    if not overdue:
        return dg.SkipReason("every open escalation has a next step")
    return dg.RunRequest(run_key=f"{monitoring.clock().timestamp():.0f}", tags={"monitoring/why": overdue[:200]})
