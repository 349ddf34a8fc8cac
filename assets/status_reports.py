"""A source's status as an evaluation of its asset check `health`.

Reported when the status moves, and for what is not healthy (or was never reported) once an hour: an
evaluation costs some 8 ms and 4 KB, so telling Dagster every result is out of the question.
"""

import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

# A part of AssetCheckEvaluation's public signature that Dagster exports nowhere else.
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from monitoring_pipeline.records import Status, StatusChange
from monitoring_pipeline.reports import SourceView

__all__ = ["CHECK_NAME", "Reporter", "Verdict", "due_now", "verdict"]

CHECK_NAME = "health"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the asset check says. Unknown has not passed: nobody knows that the source is well."""

    status: Status
    reason: str
    score: float | None
    since: datetime | None

    @property
    def passed(self) -> bool:
        return self.status is Status.HEALTHY

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        return dg.AssetCheckSeverity.ERROR if self.status is Status.CRITICAL else dg.AssetCheckSeverity.WARN

    @property
    def metadata(self) -> dict[str, dg.MetadataValue]:
        values: dict[str, dg.MetadataValue] = {"status": dg.MetadataValue.text(self.status.value)}
        if self.reason:
            values["reason"] = dg.MetadataValue.text(self.reason)
        if self.score is not None:
            values["score"] = dg.MetadataValue.float(float(self.score))
        if self.since is not None:
            values["since"] = dg.MetadataValue.timestamp(self.since)
        return values

    @property
    def description(self) -> str:
        return f"{self.status.value}: {self.reason}" if self.reason else self.status.value

    def evaluation(self, key: dg.AssetKey, target: Target | None = None) -> dg.AssetCheckEvaluation:
        """As an event that belongs to no run, about the newest materialization or the one given."""
        return dg.AssetCheckEvaluation(
            asset_key=key, check_name=CHECK_NAME, passed=self.passed, severity=self.severity,
            metadata=self.metadata, description=self.description, target_materialization_data=target,
        )  # fmt: skip

    def result(self, key: dg.AssetKey) -> dg.AssetCheckResult:
        """As the result of a step that executed the check."""
        return dg.AssetCheckResult(
            asset_key=key, check_name=CHECK_NAME, passed=self.passed, severity=self.severity,
            metadata=self.metadata, description=self.description,
        )  # fmt: skip


def verdict(of: SourceView | StatusChange) -> Verdict:
    """What to say of a source as it is now, or of a change."""
    if isinstance(of, SourceView):
        return Verdict(of.status, of.reason, of.score, of.since)
    return Verdict(of.after, of.reason, of.score, of.at)


def due_now(sources: Iterable[str], minute: int) -> frozenset[str]:
    """The sources whose hourly report falls into this minute (0-59) of the hour; the same one every hour."""
    return frozenset(source for source in sources if zlib.crc32(source.encode()) % 60 == minute)


class Reporter:
    """Reports statuses to a Dagster instance, in the thread that asks, at most half of its time.

    `keys` are the asset keys by source id; what is not among them is a source removed meanwhile.
    """

    def __init__(self, instance: dg.DagsterInstance, keys: Mapping[str, dg.AssetKey]) -> None:
        self._instance = instance
        self._keys = keys
        self._seen: set[dg.AssetKey] = set()
        self.reported = 0

    def changes(self, changes: Sequence[StatusChange]) -> None:
        """Reports the newest change of each source, the worst first: who flaps is told of once."""
        newest = {change.source: change for change in sorted(changes, key=lambda change: change.id)}
        for change in sorted(newest.values(), key=lambda change: -change.after.rank):
            self._report(change.source, verdict(change))

    def remind(self, sources: Iterable[SourceView]) -> None:
        """Reports what is not healthy, and whatever Dagster was never told about."""
        views = [view for view in sources if view.source.id in self._keys]
        known = self._known(view.source.id for view in views if view.status is Status.HEALTHY)
        for view in views:
            if view.status is not Status.HEALTHY or self._keys[view.source.id] not in known:
                self._report(view.source.id, verdict(view))

    def _known(self, sources: Iterable[str]) -> set[dg.AssetKey]:
        keys = [dg.AssetCheckKey(self._keys[source], CHECK_NAME) for source in sources]
        if not keys:
            return set()
        latest = self._instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        return {key.asset_key for key in latest}

    def _introduced(self, key: dg.AssetKey) -> Target | None:
        """Materializes a source that Dagster meets for the first time, so that the graph does not show
        what is well like something that was never built; answers what the evaluation then is about.
        """
        if key in self._seen:
            return None
        self._seen.add(key)
        if self._instance.fetch_materializations(key, limit=1).records:
            return None
        self._instance.report_runless_asset_event(dg.AssetMaterialization(key, description="First seen."))
        record = self._instance.fetch_materializations(key, limit=1).records[0]
        return Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)

    def _report(self, source: str, verdict: Verdict) -> None:
        key = self._keys.get(source)
        if key is None:
            return
        began = time.perf_counter()
        self._instance.report_runless_asset_event(verdict.evaluation(key, self._introduced(key)))
        self.reported += 1
        # A storm of changes must not take the interpreter away from the checks.
        time.sleep(min(0.1, time.perf_counter() - began))
