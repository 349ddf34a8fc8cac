"""Quality suites: each is an asset `quality/SUITE` downstream of its source, with an asset check per expectation.

A schedule looks every minute which suites are due, and one run examines them one after the other, in a process
beside it. The check `quality` sums a suite up; with `blocking: true` it holds back what is downstream in the same
run, and what other code locations automate by `AutomationCondition.all_deps_blocking_checks_passed()`. How good the
data of a source are is told to the asset check `quality` of the source itself, too.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

import dagster as dg

# What define_asset_job makes; Dagster exports the name nowhere.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.quality_verdicts import SCHEMA, WHOLE, Verdict, run_metadata, source_verdict, verdicts
from assets.sources import source_keys
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.config import Config
from monitoring_pipeline.quality.judging import titles
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.records import Source, Status

__all__ = ["QUALITY_JOB", "quality_check_names", "quality_checks", "quality_job", "quality_schedule", "suite_assets"]

GROUP = "quality"
QUALITY_JOB = "quality_job"
_START_UP = timedelta(minutes=10)
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING,
]  # fmt: skip


def _key(suite: str) -> dg.AssetKey:
    return dg.AssetKey([GROUP, suite])


def suite_assets(config: Config) -> list[dg.AssetsDefinition]:
    """One asset per suite that runs here."""
    keys = source_keys(config.sources)
    enabled = {name: suite for name, suite in config.suites.items() if suite.runs_here}
    return [_asset(number, name, suite, keys[suite.source]) for number, (name, suite) in enumerate(enabled.items(), 1)]


def _asset(number: int, name: str, suite: SuiteSpec, source: dg.AssetKey) -> dg.AssetsDefinition:
    checks = _checks(suite)
    spec = dg.AssetSpec(
        _key(name), deps=[source], group_name=GROUP, kinds={suite.table.kind if suite.table else "python"},
        description=f"Examines the data of {suite.source}: {len(suite.expectations)} expectations.",
    )  # fmt: skip
    specs = [
        dg.AssetCheckSpec(check, asset=spec.key, blocking=suite.blocking and check == WHOLE, description=about)
        for check, about in checks.items()
    ]

    # Numbered: names of suites may differ in characters that Dagster does not tell apart.
    @dg.multi_asset(specs=[spec], check_specs=specs, name=f"suite_{number}", can_subset=False)
    def examine(
        context: dg.AssetExecutionContext, monitoring: dg.ResourceParam[Monitoring]
    ) -> Iterator[dg.MaterializeResult[None]]:
        (run,) = monitoring.quality.run([name])
        whole = source_verdict(monitoring.quality.of_source(suite.source))
        context.instance.report_runless_asset_event(whole.evaluation(WHOLE, source))
        names = dict(zip(titles(suite.expectations), _expectation_checks(suite), strict=True))
        found = {verdict.check: verdict for verdict in verdicts(run, names)}
        missing = Verdict("", Status.UNKNOWN, run.message or "it was not judged", {})
        results = [found.get(check, missing).result(check, spec.key) for check in checks]
        metadata = run_metadata(run, monitoring.quality.scores(suite.source, name))
        yield dg.MaterializeResult(asset_key=spec.key, metadata=metadata, check_results=results)

    return examine


def _checks(suite: SuiteSpec) -> dict[str, str]:
    """The asset checks of a suite by name, each with what it is about."""
    found = {WHOLE: "Are the data as good as they should be? All expectations together."}
    if suite.table is not None:
        found |= {"rows": f"Are there {suite.min_rows:,} rows or more?"}
        found |= {"freshness": "Is the newest row new enough?"} if suite.max_age is not None else {}
        found |= {SCHEMA: "Are the columns the same as at the last run?"} if suite.drift else {}
    abouts = [each.description or each.title for each in suite.expectations]
    return found | dict(zip(_expectation_checks(suite), abouts, strict=True))


def _expectation_checks(suite: SuiteSpec) -> list[str]:
    """The name of each expectation's check: Dagster allows fewer characters than we do."""
    taken = {WHOLE, "rows", "freshness", SCHEMA}
    names = []
    for title in titles(suite.expectations):
        folded = name = re.sub(r"[^A-Za-z0-9_]+", "_", title).strip("_") or "expectation"
        count = 1
        while name in taken:
            count += 1
            name = f"{folded}_{count}"
        taken.add(name)
        names.append(name)
    return names


def quality_check_names(config: Config) -> frozenset[str]:
    """All asset checks of suites, and those of sources about quality, as `ASSET:CHECK`."""
    keys, names = source_keys(config.sources), set()
    for name, suite in config.suites.items():
        names |= {f"{_key(name).to_user_string()}:{check}" for check in _checks(suite)}
        names.add(f"{keys[suite.source].to_user_string()}:{WHOLE}")
    return frozenset(names)


def quality_checks(config: Config) -> list[dg.AssetChecksDefinition]:
    """The asset check `quality` of every source that has suites; executing it runs them now."""
    with_suites = {suite.source for suite in config.suites.values() if suite.runs_here}
    chosen: list[Source] = [source for source in config.sources if source.id in with_suites]
    keys = source_keys(config.sources)
    return [_source_check(number, source.id, keys[source.id]) for number, source in enumerate(chosen, 1)]


def _source_check(number: int, source: str, key: dg.AssetKey) -> dg.AssetChecksDefinition:
    spec = dg.AssetCheckSpec(WHOLE, asset=key, description="Are its data good? All its quality suites together.")

    @dg.multi_asset_check(specs=[spec], name=f"quality_now_{number}", description="Runs the source's suites now.")
    def quality_now(monitoring: dg.ResourceParam[Monitoring]) -> Iterable[dg.AssetCheckResult]:
        monitoring.quality.run([source])
        yield source_verdict(monitoring.quality.of_source(source)).result(WHOLE, key)

    return quality_now


def quality_job(config: Config) -> list[UnresolvedAssetJobDefinition]:
    """The job that examines suites; none where there are none."""
    suites = [suite for suite in config.suites.values() if suite.runs_here]
    if not suites:
        return []
    longest = sum((suite.timeout for suite in suites), _START_UP)
    return [
        dg.define_asset_job(
            QUALITY_JOB,
            selection=[_key(name) for name, suite in config.suites.items() if suite.runs_here],
            executor_def=dg.in_process_executor,
            description="Examines the suites that are due.",
            run_tags={dg.MAX_RUNTIME_SECONDS_TAG: str(int(longest.total_seconds()))},
        )
    ]


def quality_schedule(config: Config) -> list[dg.ScheduleDefinition]:
    """Every minute: launches the suites that are due and not under way."""
    return [_schedule()] if quality_job(config) else []


def _schedule() -> dg.ScheduleDefinition:
    @dg.schedule(
        cron_schedule="* * * * *",
        name="quality_schedule",
        job_name=QUALITY_JOB,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every minute: examines the suites that are due.",
    )
    def quality_schedule(
        context: dg.ScheduleEvaluationContext, monitoring: dg.ResourceParam[Monitoring]
    ) -> dg.RunRequest | dg.SkipReason:
        busy = _under_way(context.instance)
        due = [key for name in monitoring.quality.due() if (key := _key(name)) not in busy]
        if not due:
            return dg.SkipReason("no suite is due")
        return dg.RunRequest(asset_selection=due)

    return quality_schedule


def _under_way(instance: dg.DagsterInstance) -> frozenset[dg.AssetKey]:
    runs = instance.get_runs(dg.RunsFilter(job_name=QUALITY_JOB, statuses=_UNDER_WAY))
    return frozenset(key for run in runs for key in run.asset_selection or ())
