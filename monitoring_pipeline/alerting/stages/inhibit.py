"""Alerts that say enough mute alerts that would only repeat them.

Two ways lead there: a configured inhibition, and a source that the alert's source depends on, however far
away, even through sources that look well. An alert that has ended goes on muting what it muted for a while:
what depended on it needs the time to be found well again, and must not be told meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from monitoring_pipeline.alerting.spec import Inhibition
from monitoring_pipeline.alerting.stage import Batch, Reason, Verdict
from monitoring_pipeline.alerting.stages.mute import ask
from monitoring_pipeline.records import Alert, AlertMode, AlertState
from monitoring_pipeline.store.alerts import alerts_by_id
from monitoring_pipeline.store.groups import resolved_since

__all__ = ["Inhibitions", "inhibit"]


def inhibit(batch: Batch) -> None:
    """Asks which alerts are muted by other alerts."""
    ask(batch, Inhibitions(batch))


class Inhibitions:
    """What alerts are muted by which alerts, with one rule: whoever is muted has somebody unmuted who says it.

    Two alerts that mute each other, or a longer ring of them, would otherwise never be told: links that would
    close a ring are left out. The worst alert of a ring, the oldest of the worst, is the one that is told.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._chosen: dict[int, Alert] = {}
        self._texts: dict[int, str] = {}
        self._ended = {alert.id for alert in _just_ended(batch)}
        muting = [*batch.active(), *(batch.alerts[each] for each in self._ended)]
        spec = batch.world.plan.spec
        self._by_source = _by_source(muting) if spec.inhibit_dependents else {}
        self._rules = [_Indexed(batch, number, each, muting) for number, each in enumerate(spec.inhibitions, 1)]
        if self._by_source or self._rules:
            for alert in sorted(batch.mutable(), key=_told_first, reverse=True):
                self._choose(alert)

    def mutes(self, alert: Alert, now: datetime) -> Reason | None:
        """The alert that says enough already."""
        by = self._chosen.get(alert.id)
        if by is None:
            return None
        over = f", over since {by.resolved:%H:%M:%S} UTC" if by.resolved else ""
        text = f"inhibited by alert {by.id} ({by.rule} of {by.source}, {by.severity}{over}): {self._texts[alert.id]}"
        return Reason(Verdict.INHIBITED, text)

    def _choose(self, alert: Alert) -> None:
        for by, text in self._candidates(alert):
            shadow = by.mode is AlertMode.SHADOW and alert.mode is not AlertMode.SHADOW
            early = by.id in self._ended and alert.state is not AlertState.SUPPRESSED
            if not shadow and not early and not self._leads_to(by, alert):
                self._chosen[alert.id], self._texts[alert.id] = by, text
                return

    def _candidates(self, alert: Alert) -> Iterator[tuple[Alert, str]]:
        above = self._batch.world.ancestors.get(alert.source, frozenset()) & self._by_source.keys()
        parents = (each for source in above for each in self._by_source[source])
        text = f"{alert.source} depends on it"
        for by in sorted(parents, key=_told_first):
            if by.severity.rank >= alert.severity.rank:
                yield by, text
        for rule in self._rules:
            yield from rule.candidates(alert)

    def _leads_to(self, start: Alert, goal: Alert) -> bool:
        step: Alert | None = start
        while step is not None:
            if step.id == goal.id:
                return True
            step = self._chosen.get(step.id)
        return False


class _Indexed:
    """One configured inhibition; the alerts that mute by what they must have in common with the muted."""

    def __init__(self, batch: Batch, number: int, spec: Inhibition, muting: Iterable[Alert]) -> None:
        self._batch, self._spec = batch, spec
        self._text = f"inhibition {number}"
        self._muting: dict[tuple[str, ...], list[Alert]] = defaultdict(list)
        for alert in sorted(muting, key=_told_first):
            if batch.world.matches(spec.by, alert):
                self._muting[self._common(alert)].append(alert)

    def candidates(self, alert: Alert) -> Iterator[tuple[Alert, str]]:
        """Alerts that mute this one by this inhibition, the worst first."""
        world, spec = self._batch.world, self._spec
        found = self._muting.get(self._common(alert)) if self._muting else None
        if not found or not world.matches(spec.mute, alert):
            return
        # Alerts that both sides mean do not mute each other.
        alike = world.matches(spec.by, alert)
        for by in found:
            if by.id != alert.id and not (alike and world.matches(spec.mute, by)):
                yield by, self._text

    def _common(self, alert: Alert) -> tuple[str, ...]:
        return tuple(self._value(alert, name) for name in self._spec.equal)

    def _value(self, alert: Alert, name: str) -> str:
        if name in ("source", "component", "rule", "check"):
            return str(getattr(alert, name))
        return self._batch.world.source_of(alert).owner if name == "owner" else alert.labels.get(name, "")


def _told_first(alert: Alert) -> tuple[int, int]:
    return -alert.severity.rank, alert.id


def _by_source(alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        found[alert.source].append(alert)
    return found


def _just_ended(batch: Batch) -> list[Alert]:
    """Alerts that ended so lately that what they muted stays muted."""
    linger = batch.world.plan.spec.inhibit_linger
    if not linger or not any(alert.state is AlertState.SUPPRESSED for alert in batch.alerts.values()):
        return []
    ids = {*resolved_since(batch.connection, batch.now - linger), *batch.moved}
    batch.alerts.update(alerts_by_id(batch.connection, ids - batch.alerts.keys()))
    found = (batch.alerts[each] for each in ids if each in batch.alerts)
    return [alert for alert in found if alert.resolved is not None and alert.fired is not None
            and alert.resolved > batch.now - linger]  # fmt: skip
