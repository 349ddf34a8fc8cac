"""Rollups: history in buckets of a minute, an hour, a day and a week."""

import base64
from datetime import datetime

import dagster as dg

from assets.days import DAYS, span
from assets.history import POOL, history_load, metadata_of
from monitoring_pipeline.alerting.delivery.plot import series_png
from monitoring_pipeline.app import Monitoring

__all__ = ["daily_rollups", "daily_rollups_job", "daily_rollups_schedule", "rollups"]


@dg.asset(
    group_name="analysis",
    deps=[history_load],
    kinds={"duckdb"},
    pool=POOL,
    description="Builds the buckets of history that ended since the last run, and those that late rows touched.",
)
def rollups(monitoring: dg.ResourceParam[Monitoring]) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata=metadata_of(monitoring.roll_up()))


@dg.asset(
    group_name="analysis",
    deps=[rollups],
    kinds={"duckdb"},
    pool=POOL,
    partitions_def=DAYS,
    description="Builds the buckets of whole days anew from their rows, and lays them in the order of series.",
)
def daily_rollups(
    context: dg.AssetExecutionContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.MaterializeResult[None]:
    start, end = span(context)
    built = metadata_of(monitoring.rebuild_rollups(start, end))
    return dg.MaterializeResult(metadata=built | {"measured per hour": _plot(monitoring, start, end)})


def _plot(monitoring: Monitoring, start: datetime, end: datetime) -> dg.MarkdownMetadataValue:
    counts = [(at, float(count)) for at, count in monitoring.measured_per_hour(start, end)]
    picture = series_png("numbers measured per hour", counts)
    image = f"![per hour](data:image/png;base64,{base64.b64encode(picture).decode()})" if picture else "nothing"
    return dg.MetadataValue.md(image)


daily_rollups_job = dg.define_asset_job(
    "daily_rollups_job",
    selection=[daily_rollups],
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "3600"},
)
daily_rollups_schedule = dg.build_schedule_from_partitioned_job(
    daily_rollups_job,
    name="daily_rollups_schedule",
    hour_of_day=0,
    minute_of_hour=22,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
