"""A source's status as an evaluation of its asset check `health`.

Reported when the status moves, and for what is not healthy once an hour: an evaluation costs some 15 ms of
CPU and 4 KB, so telling Dagster every result is out of the question. Which status was told last is
remembered beside the status itself, so nothing is lost and little is told twice, whoever is killed.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

# A part of AssetCheckEvaluation's public signature that Dagster exports nowhere else.
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from monitoring_pipeline.records import SourceState, Status
from monitoring_pipeline.reports import SourceView

__all__ = ["CHECK_NAME", "Reporter", "Verdict", "due_now", "verdict"]

CHECK_NAME = "health"
_MOST_REMINDERS = 20


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


def verdict(of: SourceView | SourceState) -> Verdict:
    """What to say of a source."""
    return Verdict(of.status, of.reason, of.score, of.since)


def due_now(sources: Iterable[str], minute: int) -> frozenset[str]:
    """The sources whose hourly report falls into this minute (0-59) of the hour; the same one every hour."""
    return frozenset(source for source in sources if zlib.crc32(source.encode()) % 60 == minute)


class Reporter:
    """Reports statuses to a Dagster instance, in the thread that asks.

    `keys` are the asset keys by source id; what is not among them is a source removed meanwhile.
    """

    def __init__(self, instance: dg.DagsterInstance, keys: Mapping[str, dg.AssetKey]) -> None:
        self._instance = instance
        self._keys = keys
        self.reported = 0

    def tell(self, states: Sequence[SourceState]) -> None:
        """Reports statuses that moved, and sources that Dagster meets for the first time."""
        for state in states:
            if state.source in self._keys:
                self._report(state.source, verdict(state), first=state.told is None)

    def remind(self, views: Iterable[SourceView]) -> None:
        """Reports again what is still not healthy, the worst first and not all of very many."""
        bad = [view for view in views if view.status is not Status.HEALTHY and view.source.id in self._keys]
        for view in sorted(bad, key=lambda view: -view.status.rank)[:_MOST_REMINDERS]:
            self._report(view.source.id, verdict(view), first=False)

    def has_forgotten(self, sources: Iterable[str]) -> bool:
        """Whether Dagster knows nothing of sources it was told of: its home is a new one."""
        keys = [dg.AssetCheckKey(self._keys[source], CHECK_NAME) for source in sources if source in self._keys]
        return bool(keys) and not self._instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)

    def _report(self, source: str, verdict: Verdict, *, first: bool) -> None:
        key = self._keys[source]
        target = self._introduce(key) if first else None
        self._instance.report_runless_asset_event(verdict.evaluation(key, target))
        self.reported += 1

    def _introduce(self, key: dg.AssetKey) -> Target:
        """Materializes a source that Dagster meets for the first time, so that the graph does not show
        what is well like something that was never built; answers what the evaluation then is about.
        """
        self._instance.report_runless_asset_event(dg.AssetMaterialization(key, description="First seen."))
        record = self._instance.fetch_materializations(key, limit=1).records[0]
        return Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)
