"""The front door: examines a suite, and records what came of it.

    found = look(name, suite, workshop, around)      # takes as long as the data are large
    samples = record(connection, found, siblings)    # quick, in the transaction that also judges the samples

Between the two nothing is kept, so a run that is killed leaves nothing half recorded and is simply due again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from monitoring_pipeline.clock import Clock
from monitoring_pipeline.quality.dimension import Dimension
from monitoring_pipeline.quality.drift import schema_changes
from monitoring_pipeline.quality.due import REPORT_HOLDS, is_overdue
from monitoring_pipeline.quality.examine import Order
from monitoring_pipeline.quality.outcome import Examination, Finding, Profile, SchemaChange
from monitoring_pipeline.quality.score import composite, dimension_scores
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.quality.thresholds import judged
from monitoring_pipeline.quality.workshop import Workshop
from monitoring_pipeline.reach.spec import NetworksSpec
from monitoring_pipeline.records import Event, QualityRun, Sample, Severity, Status, worst
from monitoring_pipeline.store.events import insert_events
from monitoring_pipeline.store.quality import insert_run, latest_runs

__all__ = ["Around", "Look", "look", "record", "redacted"]

_LONGEST_METRIC = 200
_TOLD = 3
_UNSAID = {None: "it could not be judged", False: "it is not met", True: "it is met"}


@dataclass(frozen=True, slots=True)
class Around:
    """What looking at data needs besides the suite."""

    clock: Clock
    networks: NetworksSpec = field(default_factory=NetworksSpec)
    redact: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the data of `source`, by a suite or by somebody who reported it; `ended` is the moment it is of.

    `reported` tells the latter; `key` is what they call it, so that it counts once.
    """

    suite: str
    source: str
    started: datetime
    ended: datetime
    found: Examination
    weights: Mapping[Dimension, float] = field(default_factory=dict)
    key: str = ""
    reported: bool = False


def look(name: str, suite: SuiteSpec, workshop: Workshop, around: Around) -> Look:
    """Examines the data now. What goes wrong is part of what was found."""
    started = around.clock()
    found = redacted(workshop.examine(Order(suite, started, around.networks)), around.redact)
    return Look(name, suite.source, started, around.clock(), judged(found, suite), suite.dimension_weights)


def redacted(found: Examination, redact: Callable[[str], str]) -> Examination:
    """What was found with secrets of the configuration taken out of all texts."""
    findings = tuple(replace(finding, text=redact(finding.text)) for finding in found.findings)
    return replace(found, problem=redact(found.problem), findings=findings)


def record(connection: Connection, looked: Look, siblings: Mapping[str, SuiteSpec]) -> tuple[QualityRun, list[Sample]]:
    """Appends the run and its events; answers with the run and with the samples that follow from it.

    `siblings` are the suites of the source: its score is made of the newest runs of all that are not overdue, and of
    what others reported lately.
    """
    newest = latest_runs(connection, source=looked.source)
    others = [run for run in newest if run.suite != looked.suite]
    before = next((run for run in newest if run.suite == looked.suite), None)
    changes = schema_changes(_schema_of(before), looked.found.schema)
    run = _run(looked, changes, before)
    insert_run(connection, run, looked.key)
    insert_events(connection, [_event(run, change) for change in changes])
    runs = [run, *(other for other in others if _counts(other, siblings, run.at))]
    samples = [*_figures(run, looked, len(changes)), *_scores_of_suite(run), *_scores_of_source(runs)]
    return run, samples


def _counts(run: QualityRun, siblings: Mapping[str, SuiteSpec], now: datetime) -> bool:
    if run.suite not in siblings:
        return run.reported and run.at >= now - REPORT_HOLDS
    suite = siblings[run.suite]
    return suite.enabled and not is_overdue(suite, run.started, now)


def _schema_of(run: QualityRun | None) -> Mapping[str, str]:
    return run.profile.get("schema", {}) if run is not None else {}


def _run(looked: Look, changes: Sequence[SchemaChange], before: QualityRun | None) -> QualityRun:
    found = looked.found
    scores = dimension_scores(found.findings, found.scores)
    return QualityRun(
        source=looked.source, suite=looked.suite, started=looked.started, at=looked.ended, status=found.status,
        score=composite(scores, looked.weights), rows=found.rows, expectations=len(found.findings),
        failed=sum(finding.met is False for finding in found.findings),
        errors=sum(finding.met is None for finding in found.findings), message=_message(found, changes),
        dimensions={dimension.value: score for dimension, score in scores.items()},
        # A look that saw no columns must not make the next one call them all new.
        profile={**_profile(found), "schema": dict(found.schema or _schema_of(before)),
                 "changes": [change.text for change in changes], "known": _known(before), "reported": looked.reported},
        findings=[_plain(finding) for finding in found.findings],
    )  # fmt: skip


def _profile(found: Examination) -> dict[str, Any]:
    profile = found.profile or Profile(0)
    return {
        "columns": [asdict(column) for column in profile.columns], "examined": found.examined,
        "newest": profile.newest, "seconds": dict(found.seconds), "metrics": dict(found.metrics),
        "problem": found.problem,
    }  # fmt: skip


def _plain(finding: Finding) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(asdict(finding), default=str))
    return document | {"status": finding.status.value}


def _message(found: Examination, changes: Sequence[SchemaChange]) -> str:
    """Why the status is what it is, the worst first."""
    bad = sorted((f for f in found.findings if f.status is not Status.HEALTHY), key=lambda f: -f.status.rank)
    parts = [found.problem] if found.problem else []
    parts += [f"{finding.name}: {finding.text or _UNSAID[finding.met]}" for finding in bad[:_TOLD]]
    parts += [f"and {len(bad) - _TOLD} more"] if len(bad) > _TOLD else []
    return "; ".join(parts or [change.text for change in changes[:_TOLD]])[:1000]


def _event(run: QualityRun, change: SchemaChange) -> Event:
    severity = Severity.INFO if change.kind == "added" else Severity.WARNING
    return Event(
        run.source, "schema_drift", change.column, run.at, change.text, severity, run.suite, detail=asdict(change)
    )


def _known(run: QualityRun | None) -> dict[str, Any]:
    """Status, score and dimensions of a run; what it could not find out is as it was when it last could."""
    before: dict[str, Any] = {"status": None, "score": None, "dimensions": {}}
    if run is None:
        return before
    before |= run.profile.get("known", {})
    return {
        "status": before["status"] if run.status is Status.UNKNOWN else run.status.value,
        "score": before["score"] if run.score is None and run.status is Status.UNKNOWN else run.score,
        "dimensions": dict(run.dimensions or (before["dimensions"] if run.status is Status.UNKNOWN else {})),
    }


def _scores_of_suite(run: QualityRun) -> Iterator[Sample]:
    """`quality` and `quality.DIMENSION` of one suite."""
    scores = {"quality": run.score, **{f"quality.{name}": score for name, score in run.dimensions.items()}}
    for metric, score in scores.items():
        if score is not None:
            yield Sample(run.source, metric, run.at, score, "", run.suite)


def _scores_of_source(runs: Sequence[QualityRun]) -> Iterator[Sample]:
    """The means over all suites of a source, and `quality_status`, the worst: 0 healthy, 2 warning, 3 critical.

    They name no check and come last, so to whoever asks for any check they are the newest. A suite that cannot be
    judged now counts as it was when it could: not knowing must neither raise an alert nor end one.
    """
    newest, found = runs[0], [_known(run) for run in runs]
    scores: dict[str, list[float]] = {"quality": [known["score"] for known in found if known["score"] is not None]}
    for known in found:
        for dimension, score in known["dimensions"].items():
            scores.setdefault(f"quality.{dimension}", []).append(score)
    statuses = [Status(known["status"]) for known in found if known["status"] is not None]
    if statuses:
        yield Sample(newest.source, "quality_status", newest.at, worst(statuses).rank)
    for metric, each in scores.items():
        if each:
            yield Sample(newest.source, metric, newest.at, sum(each) / len(each))


def _figures(run: QualityRun, looked: Look, changes: int) -> Iterator[Sample]:
    numbers: dict[str, tuple[float | None, str]] = {
        "rows": (run.rows, "rows"),
        "schema_changes": (changes if looked.found.schema else None, ""),
        "expectations_failed": (run.failed, ""),
        "expectations_unknown": (run.errors, ""),
        **{name: (value, "") for name, value in looked.found.metrics.items()},
    }
    if looked.found.profile is not None:
        numbers |= _of_columns(looked.found.profile, looked.ended)
    for metric, (value, unit) in numbers.items():
        if value is not None and len(metric) <= _LONGEST_METRIC:
            yield Sample(run.source, metric, run.at, float(value), unit, run.suite)


def _of_columns(profile: Profile, now: datetime) -> dict[str, tuple[float | None, str]]:
    age = None if profile.newest is None else (now - profile.newest).total_seconds()
    numbers: dict[str, tuple[float | None, str]] = {"freshness_s": (age, "s")}
    for column in profile.columns:
        if profile.rows:
            numbers[f"nulls.{column.name}"] = (100 * column.nulls / profile.rows, "%")
        numbers[f"distinct.{column.name}"] = (column.distinct, "")
        for name, value in (("min", column.minimum), ("max", column.maximum)):
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                numbers[f"{name}.{column.name}"] = (value, "")
    return numbers
