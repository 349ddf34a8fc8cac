"""Reports whose day, week or month is over, and which nobody was sent yet."""

import dagster as dg

from monitoring_pipeline.app import Monitoring

__all__ = ["report_job", "reports"]


@dg.op(description="Makes and sends the reports that are due.")
def send_reports(context: dg.OpExecutionContext, monitoring: dg.ResourceParam[Monitoring]) -> None:
    tried = monitoring.reporting.send_due()
    failed = [f"{each.name} ({each.period}): {each.error}" for each in tried if each.error]
    context.add_output_metadata({"sent": len(tried) - len(failed), "failed": len(failed)})
    if failed:
        raise dg.Failure(f"not sent, will be tried again: {'; '.join(failed)}", allow_retries=False)


@dg.job(
    description="Sends the reports that `reports:` names, each once per period.",
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "900"},
)
def report_job() -> None:
    send_reports()


@dg.sensor(
    job_name=report_job.name,
    name="reports",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches the report job when a report is due.",
)
def reports(
    context: dg.SensorEvaluationContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.RunRequest | dg.SkipReason:
    due = monitoring.reporting.due() if monitoring.config.reports else []
    if not due:
        return dg.SkipReason("no report is due")
    return dg.RunRequest(run_key=f"{monitoring.clock().timestamp():.0f}", tags={"monitoring/why": ", ".join(due)[:200]})
