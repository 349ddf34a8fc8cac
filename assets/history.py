"""History: hot rows move into the warehouse, readers get a fresh copy, and what is too old goes.

Everything here writes the warehouse, which has one writer: the pool `warehouse` has room for one run.
"""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from assets.health_checks import health_checks
from assets.old_runs import delete_old_runs
from monitoring_pipeline.app import Monitoring

__all__ = [
    "POOL",
    "history_job",
    "history_load",
    "history_publish",
    "history_schedule",
    "metadata_of",
    "retention",
    "retention_job",
    "retention_schedule",
]

POOL = "warehouse"
"""The warehouse has one writer: who writes it takes its turn here."""


@dg.asset(
    group_name="history",
    deps=[health_checks],
    kinds={"duckdb"},
    pool=POOL,
    description="Moves results, samples and status changes from the operational store into the warehouse.",
)
def history_load(monitoring: dg.ResourceParam[Monitoring]) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata=metadata_of(monitoring.load_history()))


@dg.asset(
    group_name="history",
    deps=[history_load],
    kinds={"duckdb"},
    pool=POOL,
    description="Publishes a copy of the warehouse that readers may hold open as long as they like.",
)
def history_publish(monitoring: dg.ResourceParam[Monitoring]) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata=metadata_of(monitoring.publish_history()))


@dg.asset(
    group_name="history",
    deps=[history_load],
    kinds={"duckdb"},
    pool=POOL,
    description="Removes rows and records of runs that are older than the configuration keeps them.",
)
def retention(
    context: dg.AssetExecutionContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.MaterializeResult[None]:
    removed = monitoring.expire()
    runs = delete_old_runs(context.instance, monitoring.clock() - monitoring.config.retention.runs)
    return dg.MaterializeResult(metadata=metadata_of({**removed, "runs": runs}))


def metadata_of(facts: Mapping[str, object]) -> dict[str, int | float | str | Path]:
    """Numbers, texts and paths as they are; anything else as text."""
    return {name: value if isinstance(value, (int, float, str, Path)) else str(value) for name, value in facts.items()}


history_job = dg.define_asset_job(
    "history_job",
    # What follows a load and must not hold up the publishing, whatever befalls it, does not stand before it.
    selection=["history_load", "history_publish", "rollups", "collectors"],
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "1800"},
)
retention_job = dg.define_asset_job(
    "retention_job",
    selection=[retention],
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "3600"},
)
history_schedule = dg.ScheduleDefinition(
    name="history_schedule",
    job=history_job,
    cron_schedule="*/5 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
retention_schedule = dg.ScheduleDefinition(
    name="retention_schedule",
    job=retention_job,
    cron_schedule="37 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
