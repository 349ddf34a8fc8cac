"""The JSON we answer with, and how it is made of an overview."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from monitoring_pipeline import __version__
from monitoring_pipeline.records import BreakerState, Criticality, Status
from monitoring_pipeline.reports import CheckView, ComponentView, Overview, SourceView

__all__ = [
    "CheckHealth",
    "ComponentHealth",
    "ComponentsHealth",
    "Failure",
    "Live",
    "Ready",
    "SourceHealth",
    "SourceSummary",
    "SystemHealth",
    "Watching",
    "components_health",
    "source_health",
    "system_health",
]

_AT = "2026-11-21T12:03:10.250000Z"
_COUNTS = {"healthy": 23, "unknown": 0, "warning": 1, "critical": 1}
_SUMMARY = {
    "id": "orders-api", "name": "Orders API", "status": "critical", "score": 25.0,
    "reason": "http: response_time_ms (812) < 300", "since": "2026-11-21T11:58:02Z", "response_time_ms": 812.0,
    "last_checked": _AT, "owner": "shop", "criticality": "high", "tags": ["public"],
}  # fmt: skip
_CHECK = {
    "id": "http", "kind": "http", "status": "critical", "message": "response_time_ms (812) < 300", "critical": True,
    "since": "2026-11-21T11:58:02Z", "last_checked": _AT, "next_due": "2026-11-21T12:03:40Z",
    "response_time_ms": 812.0, "interval_s": 30.0, "failures": 10, "overdue_s": 0.0,
}  # fmt: skip


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class SystemHealth(BaseModel):
    """The whole system. Unknown is never healthy: what nobody checked in time counts as unknown."""

    model_config = _example(
        status="critical", score=93.5, reason="orders-api, warehouse", counts=_COUNTS, at=_AT, watching=True,
        name="shop", version="0.1.0",
    )  # fmt: skip

    status: Status
    score: float | None = Field(description="0 to 100, null when nothing is known")
    reason: str = Field(description="what is not healthy, empty when all is")
    counts: dict[str, int] = Field(description="number of sources per status")
    at: datetime = Field(description="the moment this was true (UTC)")
    watching: bool = Field(description="whether anybody executes checks")
    name: str = Field(description="the installation's name")
    version: str


class SourceSummary(BaseModel):
    """One source."""

    model_config = _example(**_SUMMARY)

    id: str
    name: str
    status: Status
    score: float | None
    reason: str = Field(description="why it is not healthy, with values filled in")
    since: datetime | None = Field(description="when its status last changed")
    response_time_ms: float | None = Field(description="the slowest of its checks' last answers")
    last_checked: datetime | None
    owner: str
    criticality: Criticality
    tags: list[str]


class ComponentHealth(BaseModel):
    """One component with its sources."""

    id: str
    status: Status
    score: float | None
    reason: str
    counts: dict[str, int]
    description: str
    owner: str
    sources: list[SourceSummary]


class ComponentsHealth(BaseModel):
    """Every component."""

    model_config = _example(
        at=_AT,
        components=[
            {
                "id": "web", "status": "critical", "score": 25.0, "reason": "orders-api",
                "counts": {"healthy": 0, "unknown": 0, "warning": 0, "critical": 1}, "description": "The shop",
                "owner": "shop", "sources": [_SUMMARY],
            }
        ],
    )  # fmt: skip

    at: datetime
    components: list[ComponentHealth]


class CheckHealth(BaseModel):
    """One check of a source."""

    id: str
    kind: str
    status: Status
    message: str
    critical: bool = Field(description="whether it alone can make its source critical")
    since: datetime | None
    last_checked: datetime | None
    next_due: datetime | None
    response_time_ms: float | None
    interval_s: float | None
    failures: int = Field(description="critical results in a row")
    overdue_s: float = Field(description="for how long it should have had a result")


class SourceHealth(SourceSummary):
    """One source with its checks, worst first."""

    model_config = _example(
        **_SUMMARY, component="web", description="", depends_on=["orders-db"], breaker="closed", breaker_until=None,
        checks=[_CHECK],
    )  # fmt: skip

    component: str
    description: str
    depends_on: list[str]
    breaker: BreakerState
    breaker_until: datetime | None
    checks: list[CheckHealth]


class Live(BaseModel):
    """The process answers."""

    model_config = _example(alive=True, version="0.1.0")

    alive: bool
    version: str


class Ready(BaseModel):
    """Whether requests can be served here."""

    model_config = _example(ready=True, reasons=[])

    ready: bool
    reasons: list[str] = Field(description="why not")


class Watching(BaseModel):
    """Whether anybody executes checks."""

    model_config = _example(watching=True, heartbeat=_AT)

    watching: bool
    heartbeat: datetime | None = Field(description="the last sign of life of who does")


class Failure(BaseModel):
    """What went wrong."""

    model_config = _example(detail="there is no source 'ordres-api'; did you mean 'orders-api'?")

    detail: str


def system_health(overview: Overview, name: str) -> SystemHealth:
    """The answer of /health."""
    return SystemHealth(
        status=overview.status, score=overview.score, reason=overview.reason, counts=overview.counts, at=overview.at,
        watching=overview.watch.alive, name=name, version=__version__,
    )  # fmt: skip


def components_health(overview: Overview) -> ComponentsHealth:
    """The answer of /health/components."""
    members: dict[str, list[SourceSummary]] = {view.component.id: [] for view in overview.components}
    for view in overview.sources:
        members.setdefault(view.source.component, []).append(SourceSummary.model_construct(**_summary(view)))
    components = [_component(view, members[view.component.id]) for view in overview.components]
    return ComponentsHealth.model_construct(at=overview.at, components=components)


def _component(view: ComponentView, sources: list[SourceSummary]) -> ComponentHealth:
    return ComponentHealth.model_construct(
        id=view.component.id, status=view.status, score=view.score, reason=view.reason, counts=dict(view.counts),
        description=view.component.description, owner=view.component.owner, sources=sources,
    )  # fmt: skip


def source_health(view: SourceView) -> SourceHealth:
    """The answer of /health/sources/ID."""
    source = view.source
    return SourceHealth(
        **_summary(view), component=source.component, description=source.description,
        depends_on=list(source.depends_on), breaker=view.breaker, breaker_until=view.breaker_until,
        checks=[_check(check) for check in view.checks],
    )  # fmt: skip


def _summary(view: SourceView) -> dict[str, Any]:
    source = view.source
    return {
        "id": source.id, "name": source.name or source.id, "status": view.status, "score": view.score,
        "reason": view.reason, "since": view.since, "response_time_ms": view.response_time_ms,
        "last_checked": view.last_checked, "owner": source.owner, "criticality": source.criticality,
        "tags": list(source.tags),
    }  # fmt: skip


def _check(view: CheckView) -> CheckHealth:
    state = view.state
    return CheckHealth(
        id=state.check, kind=state.kind, status=view.status, message=view.message, critical=state.critical,
        since=state.since, last_checked=state.last_finished, next_due=state.next_slot,
        response_time_ms=state.response_time_ms, interval_s=state.interval_s, failures=state.failures,
        overdue_s=view.overdue_s,
    )  # fmt: skip
