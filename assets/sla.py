"""Promises: the days of every objective in the warehouse, and how the budgets stand.

Every objective is an external asset, `sla/NAME`, that depends on its sources: the graph shows from which sources
to which promises. What a run found out about it is reported as its materialisation.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

import dagster as dg

from assets.days import DAYS, span
from assets.history import POOL, history_load
from assets.markdown import table
from assets.sources import source_keys
from monitoring_pipeline.analysis.objective import promises
from monitoring_pipeline.analysis.sla.days import Computed
from monitoring_pipeline.analysis.sla.standing import Standing
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.config import Config

__all__ = [
    "objective_assets",
    "sla_budgets",
    "sla_days",
    "sla_days_job",
    "sla_days_schedule",
    "sla_job",
    "sla_schedule",
]

GROUP = "sla"
_MAX_ROWS = 30
_MICROSECOND = timedelta(microseconds=1)


def objective_assets(config: Config) -> list[dg.AssetSpec]:
    """One external asset per objective, downstream of the sources it is about."""
    keys = source_keys(config.sources)
    members: dict[str, list[str]] = defaultdict(list)
    for promise in promises(config.objectives, config.sources):
        members[promise.objective] += promise.sources
    return [
        dg.AssetSpec(
            _key(name), group_name=GROUP, deps=[keys[source] for source in members[name]], kinds={"sla"},
            description=spec.description or f"{spec.target:g} % {spec.kind.replace('_', ' ')} per {spec.window}",
        )
        for name, spec in config.objectives.items()
    ]  # fmt: skip


def _key(objective: str) -> dg.AssetKey:
    return dg.AssetKey([GROUP, objective])


@dg.asset(
    group_name=GROUP,
    deps=[history_load],
    kinds={"duckdb"},
    pool=POOL,
    partitions_def=DAYS,
    description="Computes days of all objectives anew, whatever was kept of them; for backfills.",
)
def sla_days(context: dg.AssetExecutionContext, monitoring: dg.ResourceParam[Monitoring]) -> dg.MaterializeResult[None]:
    start, end = span(context)
    return dg.MaterializeResult(
        metadata=_computed(monitoring.sla.recompute(start.date(), (end - _MICROSECOND).date()))
    )  # fmt: skip


@dg.asset(
    group_name=GROUP,
    deps=[history_load],
    kinds={"duckdb"},
    pool=POOL,
    description="Computes the days that are missing or out of date, and tells how all error budgets stand.",
)
def sla_budgets(
    context: dg.AssetExecutionContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.MaterializeResult[None]:
    computed = monitoring.sla.refresh()
    found = monitoring.sla.standings()
    for name, own in _by_objective(found).items():
        context.log_event(dg.AssetMaterialization(_key(name), metadata=_metadata(own)))
    reliable = dg.MetadataValue.md(reliability_table(monitoring))
    return dg.MaterializeResult(metadata=_computed(computed) | _metadata(found) | {"reliability": reliable})


def reliability_table(monitoring: Monitoring) -> str:
    """Markdown: MTBF, MTTR, MTTD and MTTA of the last thirty days, of everything and of every component."""
    now = monitoring.clock()
    view = monitoring.sla.reliability(now - timedelta(days=30), now)
    lines = ["| last 30 days | failures | MTBF | MTTR | MTTD | MTTA |", "| --- | --- | --- | --- | --- | --- |"]
    for name, found in (("everything", view.system), *view.components.items()):
        means = (found.mtbf_us, found.mttr_us, found.mttd_us, found.mtta_us)
        told = ("" if mean is None else format_duration(timedelta(seconds=round(mean / 1e6))) for mean in means)
        lines.append(f"| {name} | {found.failures} | {' | '.join(told)} |")
    return "\n".join(lines)


def _computed(computed: Computed) -> dict[str, dg.MarkdownMetadataValue | int | str]:
    days = f"{computed.first} to {computed.last}" if computed.first else "none"
    return {"days computed": computed.rows, "of": days}


def _by_objective(found: Iterable[Standing]) -> Mapping[str, list[Standing]]:
    grouped: dict[str, list[Standing]] = defaultdict(list)
    for standing in found:
        grouped[standing.promise.objective].append(standing)
    return grouped


def _metadata(found: Sequence[Standing]) -> dict[str, dg.MarkdownMetadataValue | int | str]:
    broken = sum(standing.kept is False for standing in found)
    return {
        "promises": len(found), "broken": broken, "corrections": sum(len(each.entries) for each in found),
        "budgets": dg.MetadataValue.md(budget_table(found)), "plot": dg.MetadataValue.md(_plot(found)),
    }  # fmt: skip


def budget_table(found: Sequence[Standing]) -> str:
    """Markdown: the promises with the least budget left first, at most thirty."""
    if not found:
        return "Nothing was promised: the configuration has no `objectives`."
    head = ("objective", "about", "period", "attained", "at least", "measured", "target", "budget left")
    worst = sorted(found, key=lambda each: 1.0 if each.budget.left_share is None else each.budget.left_share)
    rows = [tuple(_cells(standing)) for standing in worst[:_MAX_ROWS]]
    more = f"\n\nand {len(worst) - _MAX_ROWS} more" if len(worst) > _MAX_ROWS else ""
    return table(head, rows) + more


def _cells(standing: Standing) -> Iterator[str]:
    from monitoring_pipeline.reports.sla import percent_text, subject_name

    account = standing.account
    yield standing.promise.objective
    yield subject_name(standing.promise).replace("|", "\\|")
    yield standing.period.name
    yield percent_text(account.attained)
    yield percent_text(account.at_least)
    yield percent_text(standing.pair.measured.attained)
    yield f"{standing.promise.spec.target:g} %"
    yield "" if standing.budget.left_share is None else f"{standing.budget.left_share:.0%}"


def _plot(found: Sequence[Standing]) -> str:
    if not found:
        return "nothing"
    from monitoring_pipeline.reports.sla_plot import standings_png

    return f"![error budgets](data:image/png;base64,{base64.b64encode(standings_png(found)).decode()})"


sla_job = dg.define_asset_job(
    "sla_job",
    selection=[sla_budgets],
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "3600"},
)
sla_days_job = dg.define_asset_job(
    "sla_days_job",
    selection=[sla_days],
    executor_def=dg.in_process_executor,
    run_tags={dg.MAX_RUNTIME_SECONDS_TAG: "3600"},
)
sla_schedule = dg.ScheduleDefinition(
    name="sla_schedule",
    job=sla_job,
    cron_schedule="14 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
sla_days_schedule = dg.build_schedule_from_partitioned_job(
    sla_days_job,
    name="sla_days_schedule",
    hour_of_day=0,
    minute_of_hour=32,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
