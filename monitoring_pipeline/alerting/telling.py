"""Builds the message of a bundle out of alerts: plain facts, frozen when its row is written.

How a channel puts them into words is `wording.py` and the channel's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from monitoring_pipeline.alerting.message import AlertFacts, Kind, Message
from monitoring_pipeline.alerting.rules.threshold import with_unit
from monitoring_pipeline.alerting.stage import Bundle
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.records import Alert, AlertState, Severity
from monitoring_pipeline.store.told import newest_changes

__all__ = ["Telling", "digest_title", "key_of", "title"]

_LISTED = 50
_AFFECTED = 20
_NAMED = 5
_LONGEST = 300
_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
_SPACE = re.compile(r"\s+")


def key_of(*parts: str) -> str:
    """The idempotency key of a message: 32 characters, the same for the same parts."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


class Telling:
    """Writes messages; what it looked up about an alert it keeps for the next one."""

    def __init__(self, connection: Connection, world: World, now: datetime, alerts: Iterable[Alert]) -> None:
        """`alerts` are all that messages may be about."""
        self._world, self._now = world, now
        self._changes = newest_changes(connection, {alert.source for alert in alerts})
        self._facts: dict[int, AlertFacts] = {}

    def message(self, bundle: Bundle) -> Message:
        """The message of a bundle, without its key: that is each recipient's own."""
        return self._message(
            bundle.alerts, thread=bundle.thread, kind=bundle.kind, reason=bundle.why, severity=bundle.severity,
            title=title(bundle.alerts), level=bundle.level, note=bundle.note,
        )  # fmt: skip

    def digest(self, key: str, thread: str, severity: Severity, alerts: Sequence[Alert]) -> Message:
        """The message that stands for many."""
        return self._message(
            alerts, thread=thread, kind=Kind.DIGEST, reason="storm", severity=severity, title=digest_title(alerts)
        ).model_copy(update={"key": key})

    def _message(
        self, alerts: Sequence[Alert], *, thread: str, kind: Kind, reason: str, severity: Severity, title: str,
        level: int = 0, note: str = "",
    ) -> Message:  # fmt: skip
        listed = sorted(alerts, key=_worst_first)[:_LISTED]
        return Message(
            key="", thread=thread, kind=kind, reason=reason, title=title, severity=severity, at=self._now,
            installation=self._world.installation, alerts=tuple(self.facts(alert) for alert in listed),
            more=len(alerts) - len(listed), level=level, note=note,
            url=self._url(listed[0]) if len(alerts) == 1 else "",
        )  # fmt: skip

    def facts(self, alert: Alert) -> AlertFacts:
        """One alert as messages tell it."""
        if alert.id not in self._facts:
            self._facts[alert.id] = self._look(alert)
        return self._facts[alert.id]

    def _look(self, alert: Alert) -> AlertFacts:
        source, rule, notes = self._world.source_of(alert), self._world.rules.get(alert.rule), alert.annotations
        links = self._world.links
        return AlertFacts(
            id=alert.id, rule=alert.rule, source=alert.source, name=source.name or source.id, check=alert.check,
            component=alert.component, owner=source.owner, severity=alert.severity, state=alert.state,
            summary=alert.summary, text=alert.text, value=alert.value, unit=_text(notes.get("unit")),
            metric=_text(notes.get("metric")), expected=_expected(notes),
            threshold=_threshold(notes.get("threshold"), alert.severity), started=alert.started,
            fired=alert.fired, resolved=alert.resolved, acknowledged_by=alert.acknowledged_by, count=alert.count,
            flapping=alert.flapping, affects=self._affects(alert), last_change=self._last_change(alert),
            description=_text(notes.get("description")) or (rule.description if rule else ""),
            runbook=_text(notes.get("runbook")) or (rule.runbook if rule else ""), labels=dict(alert.labels),
            url=self._url(alert),
            acknowledge_url=links.acknowledge(alert.id) if links and alert.state is AlertState.FIRING else "",
        )  # fmt: skip

    def _affects(self, alert: Alert) -> tuple[str, ...]:
        downstream = self._world.dependents.get(alert.source, ())
        more = len(downstream) - _AFFECTED
        return (*downstream[:_AFFECTED], f"and {more} more") if more > 0 else downstream

    def _last_change(self, alert: Alert) -> str:
        if alert.source not in self._changes:
            return ""
        at, before, after = self._changes[alert.source]
        return f"{after} since {at:%Y-%m-%d %H:%M:%S} UTC, {before} before"

    def _url(self, alert: Alert) -> str:
        return self._world.links.alert(alert.id) if self._world.links else ""


def title(alerts: Sequence[Alert]) -> str:
    """What a message is about, on one line: the one alert's summary, or how many there are, and about what."""
    live = [alert for alert in alerts if alert.state is not AlertState.RESOLVED]
    about = live or alerts
    over = len(alerts) - len(live)
    also = f"; {over} more {'is' if over == 1 else 'are'} over" if live and over else ""
    if len(about) == 1:
        return _line(about[0].summary or about[0].text or f"{about[0].source}: {about[0].rule}", also)
    return _line(f"{len(about)} alerts: {_names(about)}", also)


def digest_title(alerts: Sequence[Alert]) -> str:
    """Such as `970 more alerts: 900 critical, 70 warning (db, api, cache and 12 more)`."""
    live = [alert for alert in alerts if alert.state is not AlertState.RESOLVED]
    over = len(alerts) - len(live)
    parts = []
    if live:
        counts = {severity: sum(alert.severity is severity for alert in live) for severity in reversed(Severity)}
        worst = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
        parts.append(f"{len(live)} more {'alert' if len(live) == 1 else 'alerts'}: {worst}")
    if over:
        parts.append(f"{over} {'alert is' if over == 1 else 'alerts are'} over")
    return _line(f"{'; '.join(parts)} ({_names(live or alerts)})")


def _names(alerts: Collection[Alert]) -> str:
    """The sources of alerts, those with the worst first."""
    names = list(dict.fromkeys(alert.source for alert in sorted(alerts, key=_worst_first)))
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _worst_first(alert: Alert) -> tuple[bool, int, int]:
    return alert.state is AlertState.RESOLVED, -alert.severity.rank, alert.id


def _line(text: str, end: str = "") -> str:
    line = _SPACE.sub(" ", text).strip()
    room = _LONGEST - len(end)
    return (line if len(line) <= room else line[: room - 3].rstrip() + "...") + end


def _expected(notes: Mapping[str, Any]) -> str:
    """The normal range: the one that was observed, else what the rule lets pass."""
    operator, limits = notes.get("operator"), notes.get("threshold")
    kinds = [each for each in Severity if isinstance(limits, Mapping) and each.value in limits]
    mildest = _threshold(limits, kinds[0] if kinds else Severity.INFO)
    if notes.get("expected") or mildest is None or operator not in _OPPOSITE:
        return _text(notes.get("expected"))
    return f"{_OPPOSITE[operator]} {with_unit(mildest, _text(notes.get('unit')))}"


def _threshold(limits: object, severity: Severity) -> float | None:
    """The limit that was passed: the only one, or the severity's."""
    limit = limits.get(severity.value) if isinstance(limits, Mapping) else limits
    return float(limit) if isinstance(limit, int | float) and not isinstance(limit, bool) else None


def _text(value: object) -> str:
    return "" if value is None else str(value)
