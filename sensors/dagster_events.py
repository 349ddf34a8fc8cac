"""Asset checks and runs of any code location of this Dagster instance, as facts that rules can be about.

A failed asset check does not fail a run, so both are read: evaluations of asset checks, and runs that failed
or succeeded. Our own are left out: a source's health reaches the rules without Dagster.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterEventType, EventLogRecord, EventRecordsFilter
from dagster._core.storage.event_log import SqlEventLogStorage

from assets.quality import QUALITY_JOB, quality_check_names
from assets.sources import source_keys
from assets.status_reports import CHECK_NAME
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.records import Sample

__all__ = ["SOURCE", "dagster_events"]

SOURCE = "dagster-events"
_LIMIT = 500
_KINDS = {
    "checks": DagsterEventType.ASSET_CHECK_EVALUATION,
    "failures": DagsterEventType.RUN_FAILURE,
    "successes": DagsterEventType.RUN_SUCCESS,
}


@dg.sensor(
    name="dagster_events",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes facts of asset check evaluations and finished runs of every code location.",
)
def dagster_events(
    context: dg.SensorEvaluationContext, monitoring: dg.ResourceParam[Monitoring]
) -> dg.SkipReason | dg.SensorResult:
    seen = _cursor(context.cursor)
    if seen is None:  # the first time: what happened before nobody asked about
        return dg.SensorResult(cursor=_text({name: _newest(context.instance, kind) for name, kind in _KINDS.items()}))
    samples: list[Sample] = []
    own = _own_names(monitoring)
    for name, kind in _KINDS.items():
        records = _after(context.instance, kind, seen[name])
        samples += [sample for record in records for sample in _samples(record) if sample.check not in own]
        seen[name] = max((record.storage_id for record in records), default=seen[name])
    monitoring.report(sorted(samples, key=lambda sample: sample.time))
    return dg.SensorResult(skip_reason=dg.SkipReason(f"{len(samples)} facts"), cursor=_text(seen))


def _cursor(text: str | None) -> dict[str, int] | None:
    numbers = (text or "").split(",")
    return dict(zip(_KINDS, map(int, numbers), strict=True)) if len(numbers) == len(_KINDS) else None


def _text(seen: dict[str, int]) -> str:
    return ",".join(str(seen[name]) for name in _KINDS)


def _newest(instance: dg.DagsterInstance, kind: DagsterEventType) -> int:
    records = _records(instance, EventRecordsFilter(kind), 1, ascending=False)
    return records[0].storage_id if records else 0


def _after(instance: dg.DagsterInstance, kind: DagsterEventType, seen: int) -> Sequence[EventLogRecord]:
    return _records(instance, EventRecordsFilter(kind, after_cursor=seen), _LIMIT, ascending=True)


def _records(
    instance: dg.DagsterInstance, wanted: EventRecordsFilter, limit: int, *, ascending: bool
) -> Sequence[EventLogRecord]:
    # SQLite keeps a database per run and mirrors these events into one of them all, whose ids grow. Its own
    # method of this name asks run by run and takes no id; Dagster reads the mirror as we do here.
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        return SqlEventLogStorage.get_event_records(storage, wanted, limit, ascending)
    return storage.get_event_records(wanted, limit, ascending)


def _samples(record: EventLogRecord) -> Iterator[Sample]:
    entry = record.event_log_entry
    event, at = entry.get_dagster_event(), datetime.fromtimestamp(entry.timestamp, UTC)
    if event.event_type is not DagsterEventType.ASSET_CHECK_EVALUATION:
        failed = event.event_type is DagsterEventType.RUN_FAILURE
        tags = {"run_id": entry.run_id, "message": (event.message or "")[:500] if failed else ""}
        yield Sample(SOURCE, "run_failed", at, float(failed), "", f"job:{event.job_name}", tags)
        return
    found = event.asset_check_evaluation_data
    level = 0.0 if found.passed else 1.0 if found.severity is dg.AssetCheckSeverity.WARN else 2.0
    name = f"{found.asset_key.to_user_string()}:{found.check_name}"
    yield Sample(SOURCE, "asset_check_failed", at, level, "", name, {"message": (found.description or "")[:500]})


def _own_names(monitoring: Monitoring) -> frozenset[str]:
    """What is ours: jobs whose failures the sensor `run_failures` notes, health and quality of our sources."""
    checks = {f"{key.to_user_string()}:{CHECK_NAME}" for key in source_keys(monitoring.config.sources).values()}
    return frozenset({*(f"job:{name}" for name in _OWN_JOBS), *checks, *quality_check_names(monitoring.config)})


_OWN_JOBS = ("health_checks_job", "history_job", "retention_job", "alert_job", "escalation_job", QUALITY_JOB)
