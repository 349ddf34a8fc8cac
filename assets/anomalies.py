"""Anomaly scores of history, day by day, and what is normal for each series."""

import base64
from datetime import datetime

import dagster as dg

from assets.days import DAYS, span
from assets.history import POOL, history_load, metadata_of
from monitoring_pipeline.alerting.delivery.plot import series_png
from monitoring_pipeline.app import Monitoring

__all__ = [
    "anomaly_scores",
    "anomaly_scores_job",
    "anomaly_scores_schedule",
    "baselines",
    "baselines_job",
    "baselines_schedule",
]


@dg.asset(
    group_name="analysis",
    deps=[history_load],
    kinds={"duckdb"},
    pool=POOL,
    partitions_def=DAYS,
    description="Scores whole days again, as they were scored while they passed, and keeps that for looking back. "
    "Confirms or withdraws the new levels that were told of lately.",
)
def anomaly_scores(
    context: dg.AssetExecutionContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.MaterializeResult[None]:
    start, end = span(context)
    facts = {**monitoring.scoring.score_span(start, end), **monitoring.scoring.confirm_shifts()}
    alarms = [(at, float(count)) for at, count in monitoring.scoring.alarms_per_hour(start, end)]
    return dg.MaterializeResult(metadata={**metadata_of(facts), "alarms per hour": _picture("alarms", alarms)})


@dg.asset(
    group_name="analysis",
    deps=[history_load],
    kinds={"duckdb"},
    pool=POOL,
    description="Writes down what is normal for each series by hour of the week; learns it from history where it must.",
)
def baselines(monitoring: dg.ResourceParam[Monitoring]) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata=metadata_of(monitoring.scoring.keep_baselines()))


def _picture(title: str, values: list[tuple[datetime, float]]) -> dg.MarkdownMetadataValue:
    picture = series_png(title, values)
    image = f"![{title}](data:image/png;base64,{base64.b64encode(picture).decode()})" if picture else "none"
    return dg.MetadataValue.md(image)


anomaly_scores_job = dg.define_asset_job(
    "anomaly_scores_job",
    selection=[anomaly_scores],
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "3600"},
)
anomaly_scores_schedule = dg.build_schedule_from_partitioned_job(
    anomaly_scores_job,
    name="anomaly_scores_schedule",
    hour_of_day=0,
    minute_of_hour=42,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
baselines_job = dg.define_asset_job(
    "baselines_job",
    selection=[baselines],
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "3600"},
)
baselines_schedule = dg.ScheduleDefinition(
    name="baselines_schedule",
    job=baselines_job,
    cron_schedule="52 */6 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
