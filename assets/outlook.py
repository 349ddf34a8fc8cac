"""The outlook: trends, forecasts, patterns and performance each day, capacity and risks each hour."""

import base64
from collections.abc import Mapping

import dagster as dg

from assets.history import POOL, metadata_of
from assets.rollups import rollups
from monitoring_pipeline.app import Monitoring

__all__ = [
    "daily_outlook",
    "daily_outlook_job",
    "daily_outlook_schedule",
    "risks",
    "risks_job",
    "risks_schedule",
]


# Without partitions, on purpose: a trend or a forecast is what could be said at its moment, and everybody asks for the
# newest. One computed today for a day that has passed would know what came after and claim that it was foretold; the
# buckets that it is made of can be built again, and the next run reads those.
@dg.asset(
    group_name="analysis",
    deps=[rollups],
    kinds={"duckdb"},
    pool=POOL,
    description="Trends and forecasts of all metrics, patterns in failures, and how each component performs.",
)
def daily_outlook(monitoring: dg.ResourceParam[Monitoring]) -> dg.MaterializeResult[None]:
    return _result(*monitoring.outlook.refresh_daily(), "performance of components")


@dg.asset(
    group_name="analysis",
    deps=[rollups, daily_outlook],
    kinds={"duckdb"},
    pool=POOL,
    description="When limits will be reached, and how likely each source is to fail within an hour and a day.",
)
def risks(monitoring: dg.ResourceParam[Monitoring]) -> dg.MaterializeResult[None]:
    return _result(*monitoring.outlook.refresh_hourly(), "greatest risks")


def _result(rows: Mapping[str, int], picture: bytes, name: str) -> dg.MaterializeResult[None]:
    image = dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(picture).decode()})")
    return dg.MaterializeResult(metadata=metadata_of(rows) | {name: image})


daily_outlook_job = dg.define_asset_job(
    "daily_outlook_job",
    selection=[daily_outlook],
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "3600"},
)
risks_job = dg.define_asset_job(
    "risks_job",
    selection=[risks],
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "1800"},
)
daily_outlook_schedule = dg.ScheduleDefinition(
    name="daily_outlook_schedule",
    job=daily_outlook_job,
    cron_schedule="47 0 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
risks_schedule = dg.ScheduleDefinition(
    name="risks_schedule",
    job=risks_job,
    cron_schedule="12 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
