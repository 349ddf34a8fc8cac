"""`health_checks`: a run per minute that serves one minute of slots, in one process.

The run scheduled for 12:00 serves 12:00:10 to 12:01:10, so its start never delays a slot: the run before
covers until it takes over, and the store sees to it that no slot is executed twice.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.interrupts import stoppable
from assets.markdown import table
from assets.sources import source_keys
from assets.status_reports import Reporter, due_now
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.checks.run import Served
from monitoring_pipeline.records import Status
from monitoring_pipeline.reports import Overview

__all__ = ["health_checks", "health_checks_job", "health_checks_schedule", "window"]

SCHEDULED_FOR = "monitoring/scheduled_for"
HANDOVER = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
_MAX_ROWS = 20


def window(scheduled: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """From when to when a run serves slots.

    A run that no schedule launched, or one that comes after its time, serves what the schedule's newest
    run would. That lasts ten seconds at least, until the next run is there: where the schedule was started
    only now, nobody else was launched for this minute.
    """
    if scheduled is None or now >= scheduled + HANDOVER + MINUTE:
        scheduled = now.replace(second=0, microsecond=0)
    return scheduled + HANDOVER, scheduled + HANDOVER + MINUTE


@dg.asset(
    group_name="monitoring",
    kinds={"python"},
    description="Executes every check whose slot falls due within one minute; launched each minute.",
)
def health_checks(
    context: dg.AssetExecutionContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.MaterializeResult[None]:
    config = monitoring.config
    start, end = window(_scheduled(context.run.tags), monitoring.clock())
    reporter = Reporter(context.instance, source_keys(config.sources))
    if reporter.has_forgotten(monitoring.told_sources()):
        monitoring.tell_again()
    with stoppable(context):
        served = monitoring.serve(start, end, reporter.tell)
    burning = _report_burn_rates(context, monitoring)
    overview = monitoring.overview()
    due = due_now((view.source.id for view in overview.sources), end.minute)
    reporter.remind(view for view in overview.sources if view.source.id in due)
    return dg.MaterializeResult(
        metadata={
            "status": f"{overview.status.value}: {overview.reason}" if overview.reason else overview.status.value,
            "components": dg.MetadataValue.md(component_table(overview)),
            "not healthy": dg.MetadataValue.md(worst_table(overview)),
            "window": f"{start:%H:%M:%S} - {end:%H:%M:%S} UTC",
            **_numbers(served),
            "reported": reporter.reported,
            "burn rates": burning,
        }
    )


def _report_burn_rates(context: dg.AssetExecutionContext, monitoring: Monitoring) -> int:
    """Once a minute, when the next run has taken over: no slot waits for it, and its failure fails no checks."""
    try:
        return monitoring.sla.report_burn_rates()
    except Exception:
        context.log.exception("burn rates could not be computed; the next run tries again")
        return 0


def _scheduled(tags: Mapping[str, str]) -> datetime | None:
    text = tags.get(SCHEDULED_FOR)
    return datetime.fromisoformat(text) if text else None


def _numbers(served: Served) -> dict[str, int | float]:
    """The run's figures by name."""
    return {name: value for name, value in asdict(served).items() if isinstance(value, (int, float))}


def component_table(overview: Overview) -> str:
    """Markdown: status, score and counts of every component."""
    rows = [
        (view.component.id, view.status.value, _score(view.score), _counts(view.counts)) for view in overview.components
    ]
    return table(("component", "status", "score", "sources"), rows)


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.0f}"


def _counts(counts: Mapping[str, int]) -> str:
    worst_first = sorted(Status, key=lambda status: -status.rank)
    return ", ".join(f"{counts[status]} {status.value}" for status in worst_first if counts.get(status)) or "none"


def worst_table(overview: Overview) -> str:
    """Markdown: the sources that are not healthy, the worst and weightiest first, at most twenty."""
    bad = [view for view in overview.sources if view.status is not Status.HEALTHY]
    if not bad:
        return "Every source is healthy."
    bad.sort(key=lambda view: (-view.status.rank, -view.source.criticality.weight, view.source.id))
    rows = [
        (view.source.id, view.source.component, view.status.value, _moment(view.since), view.reason)
        for view in bad[:_MAX_ROWS]
    ]
    more = f"\n\nand {len(bad) - _MAX_ROWS} more" if len(bad) > _MAX_ROWS else ""
    return table(("source", "component", "status", "since (UTC)", "reason"), rows) + more


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


health_checks_job = dg.define_asset_job(
    "health_checks_job",
    selection=[health_checks],
    executor_def=dg.in_process_executor,
    description="Serves one minute of check slots.",
    # Above every other run in the queue; a record older than this belongs to a process that died.
    run_tags={"dagster/priority": "10", dg.MAX_RUNTIME_SECONDS_TAG: "180"},
)


@dg.schedule(
    cron_schedule="* * * * *",
    name="health_checks_schedule",
    job=health_checks_job,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every minute. Minutes missed long ago are not made up for: their slots are gaps.",
)
def health_checks_schedule(
    context: dg.ScheduleEvaluationContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.RunRequest | dg.SkipReason:
    scheduled = context.scheduled_execution_time.astimezone(UTC)
    if monitoring.clock() >= scheduled + HANDOVER + MINUTE:
        return dg.SkipReason("its slots are over; the newest minute is served instead")
    moment = scheduled.isoformat()
    return dg.RunRequest(run_key=moment, tags={SCHEDULED_FOR: moment})
