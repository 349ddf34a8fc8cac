"""Our own runs failing is a health problem of the component `monitoring`."""

import dagster as dg

from monitoring_pipeline.app import Monitoring

__all__ = ["run_failures"]

_ON_PURPOSE = (dg.DagsterExecutionInterruptedError.__name__, "DagsterAssetCheckFailedError")


@dg.run_failure_sensor(
    name="run_failures",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notes every failed run of this deployment in the operational store.",
)
def run_failures(context: dg.RunFailureSensorContext, monitoring: dg.ResourceParam[Monitoring]) -> None:
    run, message = context.dagster_run, context.failure_event.message or "failed without a message"
    if not _stopped_on_purpose(context.failure_event):
        monitoring.note_run_failure(run.run_id, run.job_name, message)


def _stopped_on_purpose(event: dg.DagsterEvent) -> bool:
    """Whether the process was told to end, as when the whole deployment stops, or bad data held back what depends
    on them: no failure of ours."""
    data = event.event_specific_data  # none when a run was marked as failed from outside
    error = getattr(data, "error", None)
    return error is not None and error.cls_name in _ON_PURPOSE
