"""How everything is right now: the system, its components, their sources, their checks.

What the store remembers is judged against the clock: a check that is overdue is unknown, whatever
its last result was, so a monitor that stopped never shows green.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitoring_pipeline.checks.health import CheckHealth, Health, combined, of_source, overdue_since
from monitoring_pipeline.clock import format_duration, from_us, to_us
from monitoring_pipeline.records import BreakerState, CheckState, Component, Source, SourceState, Status
from monitoring_pipeline.store import slots, states
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["CheckView", "ComponentView", "Overview", "SourceView", "Watch", "overview"]

_WATCHING = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check as it counts now; `overdue` tells how long it should have had a result, in seconds."""

    state: CheckState
    status: Status
    message: str
    overdue_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source with its checks, worst first."""

    source: Source
    status: Status
    score: float | None
    reason: str
    since: datetime | None
    checks: tuple[CheckView, ...]
    breaker: BreakerState = BreakerState.CLOSED
    breaker_until: datetime | None = None

    @property
    def response_time_ms(self) -> float | None:
        """The slowest of its checks' last answers."""
        times = [view.state.response_time_ms for view in self.checks if view.state.response_time_ms is not None]
        return max(times, default=None)

    @property
    def last_checked(self) -> datetime | None:
        """When one of its checks last finished."""
        return max((v.state.last_finished for v in self.checks if v.state.last_finished is not None), default=None)


@dataclass(frozen=True, slots=True)
class ComponentView:
    """One component with the number of its sources per status."""

    component: Component
    status: Status
    score: float | None
    reason: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Watch:
    """Whether anybody is watching: a runner that heartbeats, and its last sign of life."""

    alive: bool
    heartbeat: datetime | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything at one moment. Sources come in the order of the configuration."""

    at: datetime
    status: Status
    score: float | None
    reason: str
    components: tuple[ComponentView, ...]
    sources: tuple[SourceView, ...]
    watch: Watch

    @property
    def counts(self) -> dict[str, int]:
        """The number of sources per status."""
        return _counts(self.sources)


def overview(
    store: OperationalStore, sources: Sequence[Source], components: Sequence[Component], now: datetime
) -> Overview:
    """Reads the states of all sources and judges them at `now`."""
    with store.read() as connection:
        checks = states.check_states(connection)
        kept = states.source_states(connection)
        runners = slots.live_runners(connection, since_us=to_us(now - timedelta(days=1)))
    by_source: dict[str, list[CheckView]] = defaultdict(list)
    for state in checks.values():
        if state.enabled:
            by_source[state.source].append(_check_view(state, now))
    views = tuple(_source_view(source, kept.get(source.id), by_source[source.id], now) for source in sources)
    health = combined([(v.source.id, Health(v.status, v.score), v.source.criticality) for v in views])
    beat = max((row["heartbeat"] for row in runners), default=None)
    return Overview(
        at=now, status=health.status, score=health.score, reason=health.reason,
        components=_component_views(components, views), sources=views,
        watch=_watch(beat, now),
    )  # fmt: skip


def _watch(beat_us: int | None, now: datetime) -> Watch:
    if beat_us is None:
        return Watch(False, None)
    return Watch(from_us(beat_us) >= now - _WATCHING, from_us(beat_us))


def _check_view(state: CheckState, now: datetime) -> CheckView:
    due = overdue_since(state, now)
    if due is None or state.last_finished is None:
        return CheckView(state, state.status, state.message)
    age_s = int((now - state.last_finished).total_seconds())
    # Whole minutes: a text that changes every second would have to be drawn and sent every second.
    age = format_duration(timedelta(seconds=age_s if age_s < 120 else age_s // 60 * 60))
    return CheckView(
        state, Status.UNKNOWN, f"no result for {age}; the last was {state.status}", (now - due).total_seconds()
    )


def _source_view(source: Source, kept: SourceState | None, checks: list[CheckView], now: datetime) -> SourceView:
    checks.sort(key=lambda view: (-view.status.rank, view.state.check))
    health = of_source([CheckHealth(v.state.check, v.status, v.state.critical, v.message) for v in checks])
    view = SourceView(source, health.status, health.score, health.reason, None, tuple(checks))
    if kept is None:  # configured, but nobody has served since
        return replace(view, reason="not checked yet")
    breaker = kept.breaker
    if breaker is BreakerState.OPEN and (kept.breaker_until is None or kept.breaker_until <= now):
        breaker = BreakerState.HALF_OPEN
    since = kept.since if kept.status is view.status else None
    return replace(view, since=since, breaker=breaker, breaker_until=kept.breaker_until)


def _component_views(components: Iterable[Component], views: Sequence[SourceView]) -> tuple[ComponentView, ...]:
    members: dict[str, list[SourceView]] = defaultdict(list)
    for view in views:
        members[view.source.component].append(view)
    found = []
    for component in components:
        inside = members.pop(component.id, [])
        health = combined(
            [(v.source.id, Health(v.status, v.score), v.source.criticality) for v in inside], component.aggregation
        )
        found.append(ComponentView(component, health.status, health.score, health.reason, _counts(inside)))
    return tuple(found)


def _counts(views: Iterable[SourceView]) -> dict[str, int]:
    counts = {status.value: 0 for status in Status}
    for view in views:
        counts[view.status.value] += 1
    return counts
