"""How a collector does: a status with its reason, of what it reported and the present moment. Pure.

Silence is unknown, whatever the last report said: nobody knows how it does now. Otherwise the worst of its
thresholds counts; doing worse than usual is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.collection.habits import deviations
from monitoring_pipeline.collection.spec import CollectorSpec, Levels
from monitoring_pipeline.records import Status
from monitoring_pipeline.store.activity import HOUR, SPANS, Activity, Stretch

__all__ = ["CollectorHealth", "collectors_health", "judge", "span_of"]

_EXPECTED = 10
_UNDECLARED = CollectorSpec(source="")


@dataclass(frozen=True, slots=True)
class CollectorHealth:
    """One collector now. `spec` is None when nobody declared it, `activity` when it never reported.

    `span` is the window its thresholds are about; `unusual` tells in what it does worse than usual.
    """

    collector: str
    source: str
    status: Status
    reason: str
    span: timedelta
    spec: CollectorSpec | None
    activity: Activity | None
    silent_for: timedelta | None
    unusual: tuple[str, ...] = ()

    @property
    def window(self) -> Stretch:
        """What was reported in the window that is judged."""
        return self.activity.windows[self.span] if self.activity is not None else Stretch(0, 0)


def collectors_health(
    declared: Mapping[str, CollectorSpec], found: Mapping[str, Activity], now: datetime
) -> list[CollectorHealth]:
    """All collectors that are declared or reported, the worst first, then by name."""
    names = declared.keys() | found.keys()
    views = [judge(name, declared.get(name), found.get(name), now) for name in names]
    return sorted(views, key=lambda view: (-view.status.rank, view.collector))


def judge(collector: str, spec: CollectorSpec | None, activity: Activity | None, now: datetime) -> CollectorHealth:
    """How one collector does."""
    wanted = spec or _UNDECLARED
    span = span_of(wanted)
    source = activity.state.source if activity is not None else wanted.source
    silent_for = None if activity is None else max(timedelta(0), now - activity.state.last)
    unusual = tuple(_unusual(wanted, activity))
    status, reason = Status.HEALTHY, ""
    for level, sentence in _troubles(spec, activity, span, silent_for, unusual):
        if reason == "" or level is Status.UNKNOWN or (status is not Status.UNKNOWN and level.rank > status.rank):
            status, reason = level, sentence
    return CollectorHealth(collector, source, status, reason, span, spec, activity, silent_for, unusual)


def span_of(spec: CollectorSpec) -> timedelta:
    """The window its thresholds are about."""
    if spec.window is not None:
        return spec.window
    return next((span for span in SPANS if span >= _EXPECTED * spec.every), SPANS[-1])


def _unusual(spec: CollectorSpec, activity: Activity | None) -> list[str]:
    if activity is None or not spec.compare:
        return []
    return deviations(activity.windows[HOUR], activity.habits)


def _troubles(
    spec: CollectorSpec | None,
    activity: Activity | None,
    span: timedelta,
    silent_for: timedelta | None,
    unusual: tuple[str, ...],
) -> Iterator[tuple[Status, str]]:
    if activity is None or silent_for is None:
        yield Status.UNKNOWN, "it never reported"
        return
    whole = format_duration(timedelta(seconds=int(silent_for.total_seconds())))
    if spec is not None and silent_for > spec.patience:
        yield Status.UNKNOWN, f"no report for {whole}, expected every {format_duration(spec.every)}"
        return
    if silent_for > SPANS[-1] and spec is None:
        yield Status.UNKNOWN, f"no report for {whole}"
        return
    yield from _beyond(spec or _UNDECLARED, activity, span)
    if unusual:
        yield Status.WARNING, "; ".join(unusual)


def _beyond(spec: CollectorSpec, activity: Activity, span: timedelta) -> Iterator[tuple[Status, str]]:
    window, limits = activity.windows[span], spec.thresholds
    within = f"in the last {format_duration(span)}"
    last = f": {activity.state.last_error}" if activity.state.last_error else ""
    row = activity.state.failures
    if level := _level(row, limits.failures_in_row):
        yield level, f"{row} failures in a row{last}"
    rate = window.failure_rate
    if rate is not None and window.attempts >= limits.min_attempts and (level := _level(rate, limits.failure_rate)):
        yield level, f"{window.failures:.0f} of {window.attempts:.0f} attempts failed {within}{last}"
    if window.quality is not None and (level := _level(-window.quality, _negated(limits.quality))):
        yield level, f"quality {window.quality:.1f} {within}"
    if window.p95_ms is not None and (level := _level(window.p95_ms, limits.p95_ms)):
        yield level, f"95 % of attempts took up to {window.p95_ms:.0f} ms {within}"


def _level(value: float, levels: Levels) -> Status | None:
    if levels.critical is not None and value >= levels.critical:
        return Status.CRITICAL
    if levels.warning is not None and value >= levels.warning:
        return Status.WARNING
    return None


def _negated(levels: Levels) -> Levels:
    return Levels(
        warning=None if levels.warning is None else -levels.warning,
        critical=None if levels.critical is None else -levels.critical,
    )
