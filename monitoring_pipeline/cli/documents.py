"""The shapes of `--json`: stable, documented in docs/cli.md, moments in UTC.

Keys are only ever added. Statuses are `healthy`, `unknown`, `warning`, `critical`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitoring_pipeline.records import Result
    from monitoring_pipeline.reports import CheckView, ComponentView, Overview, SourceView

__all__ = ["check_document", "overview_document", "result_document", "source_document"]


def overview_document(overview: Overview, sources: list[SourceView]) -> dict[str, Any]:
    """What `sources health` prints: the system, its components, and the sources asked for."""
    return {
        "at": overview.at,
        "status": overview.status,
        "score": overview.score,
        "reason": overview.reason,
        "watching": {"alive": overview.watch.alive, "heartbeat": overview.watch.heartbeat},
        "counts": overview.counts,
        "components": [component_document(view) for view in overview.components],
        "sources": [source_document(view) for view in sources],
    }


def component_document(view: ComponentView) -> dict[str, Any]:
    """One component."""
    return {
        "id": view.component.id,
        "status": view.status,
        "score": view.score,
        "reason": view.reason,
        "counts": dict(view.counts),
    }


def source_document(view: SourceView) -> dict[str, Any]:
    """One source with its checks."""
    source = view.source
    return {
        "id": source.id,
        "name": source.name,
        "component": source.component,
        "owner": source.owner,
        "criticality": source.criticality,
        "tags": list(source.tags),
        "depends_on": list(source.depends_on),
        "status": view.status,
        "score": view.score,
        "reason": view.reason,
        "since": view.since,
        "last_checked": view.last_checked,
        "response_time_ms": view.response_time_ms,
        "breaker": {"state": view.breaker, "until": view.breaker_until},
        "checks": [check_document(check) for check in view.checks],
    }


def check_document(view: CheckView) -> dict[str, Any]:
    """One check as it stands."""
    state = view.state
    return {
        "id": state.check,
        "kind": state.kind,
        "critical": state.critical,
        "status": view.status,
        "message": view.message,
        "since": state.since,
        "last_finished": state.last_finished,
        "next_slot": state.next_slot,
        "response_time_ms": state.response_time_ms,
        "failures": state.failures,
        "overdue_s": view.overdue_s,
    }


def result_document(result: Result) -> dict[str, Any]:
    """What one execution of a check found."""
    return {
        "source": result.source,
        "check": result.check,
        "kind": result.kind,
        "status": result.status,
        "message": result.message,
        "started": result.started,
        "finished": result.finished,
        "response_time_ms": result.response_time_ms,
        "attempts": result.attempts,
        "errors": list(result.errors),
        "warnings": list(result.warnings),
        "details": dict(result.details),
        "samples": [
            {"metric": sample.metric, "value": sample.value, "unit": sample.unit, "tags": dict(sample.tags)}
            for sample in result.samples
        ],
    }
