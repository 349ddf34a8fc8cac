"""What is told of quality in Dagster: verdicts of asset checks, and what a materialisation shows."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from assets.markdown import table
from monitoring_pipeline.alerting.delivery.plot import series_png
from monitoring_pipeline.records import QualityRun, Status
from monitoring_pipeline.reports.quality import SourceQuality

__all__ = ["SCHEMA", "WHOLE", "Verdict", "run_metadata", "source_verdict", "verdicts"]

WHOLE = "quality"
"""The asset check that sums up a suite, or all suites of a source."""
SCHEMA = "schema"
_MAX_ROWS = 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one asset check says. Unknown has not passed, but holds nobody back: it says nothing of the data."""

    check: str
    status: Status
    text: str
    metadata: Mapping[str, dg.MetadataValue]

    @property
    def passed(self) -> bool:
        return self.status is Status.HEALTHY

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        return dg.AssetCheckSeverity.ERROR if self.status is Status.CRITICAL else dg.AssetCheckSeverity.WARN

    @property
    def description(self) -> str:
        return f"{self.status.value}: {self.text}" if self.text else self.status.value

    def evaluation(self, check: str, key: dg.AssetKey) -> dg.AssetCheckEvaluation:
        """As an event that belongs to no run."""
        return dg.AssetCheckEvaluation(
            asset_key=key, check_name=check, passed=self.passed, severity=self.severity, metadata=self.metadata,
            description=self.description,
        )  # fmt: skip

    def result(self, check: str, key: dg.AssetKey) -> dg.AssetCheckResult:
        """As the result of the step that examined."""
        return dg.AssetCheckResult(
            asset_key=key, check_name=check, passed=self.passed, severity=self.severity, metadata=self.metadata,
            description=self.description,
        )  # fmt: skip


def verdicts(run: QualityRun, names: Mapping[str, str]) -> Iterator[Verdict]:
    """What every check of a suite says after a run; `names` are those of the checks by what findings are called."""
    scores = {name: dg.MetadataValue.float(score) for name, score in run.dimensions.items()}
    yield Verdict(WHOLE, run.status, run.message, scores)
    if run.profile.get("schema"):
        changes = run.profile["changes"]
        yield Verdict(SCHEMA, Status.WARNING if changes else Status.HEALTHY, "; ".join(changes), {})
    for finding in run.findings:
        yield Verdict(
            names.get(finding["name"], finding["name"]), Status(finding["status"]), finding["text"],
            _finding_metadata(finding),
        )  # fmt: skip


def _finding_metadata(finding: Mapping[str, object]) -> dict[str, dg.MetadataValue]:
    values: dict[str, dg.MetadataValue] = {"dimension": dg.MetadataValue.text(str(finding["dimension"]))}
    for name in ("checked", "failed"):
        count = finding[name]
        if isinstance(count, int):
            values[name] = dg.MetadataValue.int(count)
    rows = finding["rows"]
    if isinstance(rows, Sequence) and rows:
        values["rows that fail"] = dg.MetadataValue.md(_rows_table(rows))
    return values


def run_metadata(run: QualityRun, scores: Sequence[tuple[datetime, str, float | None]]) -> dict[str, dg.MetadataValue]:
    """What a materialisation shows: scores, what is not met, rows, columns, and the last scores as a picture."""
    values: dict[str, dg.MetadataValue] = {
        "status": dg.MetadataValue.text(f"{run.status.value}: {run.message}" if run.message else run.status.value),
        "dimensions": dg.MetadataValue.md(
            table(("dimension", "score"), [(name, f"{score:.4g}") for name, score in run.dimensions.items()])
        ),
        "not met": dg.MetadataValue.md(_bad_table(run)),
        "expectations": dg.MetadataValue.int(run.expectations),
        "scores": dg.MetadataValue.md(_plot(run.suite, scores)),
    }
    if run.score is not None:
        values["score"] = dg.MetadataValue.float(run.score)
        values["incomplete"] = dg.MetadataValue.bool(run.incomplete)
    if run.rows is not None:
        values["dagster/row_count"] = dg.MetadataValue.int(int(run.rows))
    if run.profile.get("schema"):
        columns = [dg.TableColumn(name, type_) for name, type_ in run.profile["schema"].items()]
        values["dagster/column_schema"] = dg.MetadataValue.table_schema(dg.TableSchema(columns))
    return values


def _bad_table(run: QualityRun) -> str:
    bad = [finding for finding in run.findings if finding["status"] != Status.HEALTHY]
    bad.sort(key=lambda finding: -Status(finding["status"]).rank)
    rows = [[finding[name] for name in ("name", "status", "dimension", "text")] for finding in bad[:_MAX_ROWS]]
    if not rows:
        return run.message or "Every expectation is met."
    return table(("expectation", "status", "dimension", "found"), rows)


def _rows_table(rows: Sequence[Mapping[str, object]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return table(names, [["" if (value := row.get(name)) is None else str(value) for name in names]
                         for row in rows[:_MAX_ROWS]])  # fmt: skip


def _plot(suite: str, scores: Sequence[tuple[datetime, str, float | None]]) -> str:
    known = [(at, score) for at, _, score in scores if score is not None]
    picture = series_png(f"score of {suite}", known, most=100)
    return f"![scores](data:image/png;base64,{base64.b64encode(picture).decode()})" if picture else "too few runs"


def source_verdict(quality: SourceQuality) -> Verdict:
    """What the asset check of a source says."""
    reasons = [f"{view.suite}: {view.reason}" for view in quality.suites if view.status is not Status.HEALTHY]
    values: dict[str, dg.MetadataValue] = {
        name: dg.MetadataValue.float(score) for name, score in quality.dimensions.items()
    }
    if quality.score is not None:
        values["score"] = dg.MetadataValue.float(quality.score)
        values["incomplete"] = dg.MetadataValue.bool(quality.incomplete)
    return Verdict(WHOLE, quality.status, "; ".join(reasons), values)
