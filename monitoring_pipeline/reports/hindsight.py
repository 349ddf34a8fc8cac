"""Why a source did, or did not, alert at a moment: the rules asked again, of the history up to then.

It decides nothing. What was decided and told around that moment is read; what the rules saw is observed
anew by the same code that judges.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring_pipeline.alerting.rules.condition import Answer, Observation, Query, Subject, Truth
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.selector import Matcher
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.records import Alert, AlertState, Severity, Source, Status, Transition
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import deliveries, history, past, silences
from monitoring_pipeline.store.alerts import Decision
from monitoring_pipeline.store.deliveries import Notified
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.past import Stood

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from sqlalchemy import Connection

__all__ = ["AlertThen", "Installed", "Muting", "RuleThen", "SourceThen", "Verdict", "explain_source"]

_AROUND = timedelta(minutes=5)
_LOOK_BACK = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Installed:
    """What there is to explain: the store, the published warehouse, what is configured."""

    store: OperationalStore
    published: Path
    sources: Sequence[Source]
    checks: Mapping[str, Sequence[str]]
    plan: Plan


class Verdict(StrEnum):
    """What a rule made of a source."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does_not_hold"
    UNKNOWN = "unknown"
    NOT_SELECTED = "not_selected"
    OFF = "off"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RuleThen:
    """One rule about the source, or one of its checks: what it saw, and the words for why that was all."""

    rule: str
    check: str
    mode: str
    verdict: Verdict
    text: str
    severity: Severity | None = None
    value: float | None = None
    alert: int | None = None


@dataclass(frozen=True, slots=True)
class AlertThen:
    """An alert that was open, its state and its severity at that moment."""

    alert: Alert
    state: AlertState
    severity: Severity


@dataclass(frozen=True, slots=True)
class Muting:
    """What muted something about the source: a silence, a maintenance; `whole` tells that it meant all of it."""

    kind: str
    text: str
    until: datetime | None
    whole: bool


@dataclass(frozen=True, slots=True)
class SourceThen:
    """How a source stood at a moment, what every rule made of it, and what was decided and told around it.

    Rules that mean other sources come in `others`, by id.
    """

    source: str
    at: datetime
    stood: Stood
    rules: tuple[RuleThen, ...]
    others: tuple[str, ...]
    alerts: tuple[AlertThen, ...]
    mutes: tuple[Muting, ...]
    decisions: tuple[Decision, ...]
    notifications: tuple[Notified, ...]

    @property
    def answer(self) -> list[str]:
        """Why nothing was told, or what was, in sentences."""
        return list(_answer(self))


def explain_source(here: Installed, source: Source, at: datetime, now: datetime) -> SourceThen:
    """How it was at a moment up to now, out of history. Raises StoreError where that cannot be read."""
    with here.store.read() as connection:
        found = stored.find_alerts(connection, sources=[source.id], since=at, until=at)
        then = _alerts_then(connection, found, at)
        mutes = [*_silences(connection, source, at), *_windows(here.plan, source, at)]
        decisions = stored.decisions_about(connection, source.id, at - _AROUND, at + _AROUND)
        told = deliveries.notifications_of(connection, [each.id for each in found])
    with contextlib.ExitStack() as stack:
        facts = _Past(here, at, now, stack)
        rules = list(_rules(here, source, at, now, facts, then))
        stood = facts.stood(source.id)
    others = tuple(rule.id for rule in here.plan.rules if not rule.sources.admits(source))
    near = [each for each in told if at - _AROUND <= each.created <= at + _AROUND]
    return SourceThen(
        source.id, at, stood, tuple(rules), others, tuple(then), tuple(mutes), tuple(decisions), tuple(near)
    )


def _alerts_then(connection: Connection, found: Sequence[Alert], at: datetime) -> list[AlertThen]:
    """The alerts with the state each had; those that had none yet are left out."""
    last: dict[int, Transition] = {}
    for each in stored.transitions_of(connection, [alert.id for alert in found]):
        if each.at <= at:
            last[each.alert] = each
    return [AlertThen(each, last[each.id].after, last[each.id].severity) for each in found if each.id in last]


class _Past:
    """The `Facts` of a moment, each read from history when first asked."""

    def __init__(self, here: Installed, at: datetime, now: datetime, stack: contextlib.ExitStack) -> None:
        self._here, self._at, self._now, self._stack = here, at, now, stack
        self._views: dict[str, DuckDBPyConnection] = {}
        self._known: dict[tuple[str, str], Stood] = {}

    def stood(self, source: str, check: str = "") -> Stood:
        if (source, check) not in self._known:
            if check:
                found = past.check_at(self._view("results", self._at - _LOOK_BACK), source, check, self._at)
            else:
                found = past.source_at(self._view("status_changes", None), source, self._at)
            self._known[source, check] = found
        return self._known[source, check]

    def _view(self, table: str, since: datetime | None) -> DuckDBPyConnection:
        if table not in self._views:
            opened = history.connect(
                self._here.store, self._here.published, now=self._now, since=since, tables=(table,)
            )
            self._views[table] = self._stack.enter_context(opened)
        return self._views[table]

    def status(self, source: str, check: str = "") -> Status:
        return self.stood(source, check).status

    def since(self, source: str, check: str = "") -> datetime | None:
        return self.stood(source, check).since

    def reason(self, source: str, check: str = "") -> str:
        return self.stood(source, check).reason

    def score(self, source: str) -> float | None:
        return self.stood(source).score


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule about a subject, with what it wants to know."""

    rule: Rule
    subject: Subject
    queries: tuple[Query, ...]


def _rules(
    here: Installed, source: Source, at: datetime, now: datetime, facts: _Past, then: Sequence[AlertThen]
) -> list[RuleThen]:
    from monitoring_pipeline.alerting.rules.observe import Windows

    meant = [rule for rule in here.plan.rules if rule.sources.admits(source)]
    off = [rule for rule in meant if rule.mode == "off"]
    found = [RuleThen(rule.id, "", "off", Verdict.OFF, "the rule is switched off (mode: off)") for rule in off]
    asked = [each for rule in meant if rule.mode != "off" for each in _instances(here, rule, source)]
    queries = [query for each in asked for query in each.queries]
    with contextlib.closing(Windows.open(here.store, here.published, queries, now, since=at)) as windows:
        answers = iter(windows.answer([(query, at) for query in queries]))
        for each in asked:
            own = [next(answers) for _ in each.queries]
            found.append(_observed(each, own, facts, _alert_of(each, then), at))
    return found


def _instances(here: Installed, rule: Rule, source: Source) -> Iterator[_Asked]:
    for check in here.checks.get(source.id, ()) if rule.per == "check" else ("",):
        subject = Subject(source, check)
        yield _Asked(rule, subject, tuple(rule.when.queries(subject)))


def _observed(
    asked: _Asked, answers: Sequence[Answer], facts: _Past, alert: AlertThen | None, at: datetime
) -> RuleThen:
    rule, held = asked.rule, None
    if alert is not None and alert.state is not AlertState.PENDING:
        held = alert.severity
    try:
        seen = rule.when.observe(asked.subject, answers, facts, at, held)
    except Exception as error:
        text = f"the condition failed: {type(error).__name__}: {error}"
        return RuleThen(rule.id, asked.subject.check, rule.mode, Verdict.FAILED, text)
    return _seen(rule, asked.subject, seen, alert, at)


def _alert_of(asked: _Asked, then: Sequence[AlertThen]) -> AlertThen | None:
    about = (asked.rule.id, asked.subject.check)
    return next((each for each in then if (each.alert.rule, each.alert.check) == about), None)


def _seen(rule: Rule, subject: Subject, seen: Observation, alert: AlertThen | None, at: datetime) -> RuleThen:
    truths = {severity or rule.severity: truth for severity, truth in seen.truths.items()}
    holding = max((each for each, truth in truths.items() if truth), key=lambda each: each.rank, default=None)
    verdict = _verdict(list(truths.values()))
    words = {
        Verdict.HOLDS: f"holds as {holding}",
        Verdict.DOES_NOT_HOLD: "does not hold",
        Verdict.UNKNOWN: f"cannot be told (unknown: {rule.unknown})",
    }[verdict]
    parts = [f"{seen.text}: {words}", _stands(rule, alert, at, holds=verdict is Verdict.HOLDS)]
    number = None if alert is None else alert.alert.id
    text = "; ".join(filter(None, parts))
    return RuleThen(rule.id, subject.check, rule.mode, verdict, text, holding, seen.value, number)


def _verdict(truths: Sequence[Truth]) -> Verdict:
    if any(truths):
        return Verdict.HOLDS
    return Verdict.UNKNOWN if None in truths else Verdict.DOES_NOT_HOLD


def _stands(rule: Rule, then: AlertThen | None, at: datetime, *, holds: bool) -> str:
    """How far the rule's alert had come."""
    shadow = "shadow: nothing is sent" if rule.mode == "shadow" else ""
    if then is None:
        cooldown = f"no alert was open (cooldown {format_duration(rule.cooldown)})" if rule.cooldown else ""
        return "; ".join(filter(None, [(cooldown or "no alert was open yet") if holds else "", shadow]))
    alert = then.alert
    words = f"alert {alert.id} was {then.state}"
    if then.state is AlertState.PENDING:
        words += f" for {_whole(at - alert.started)} of {format_duration(rule.hold)}"
    return "; ".join(filter(None, [words, shadow]))


def _silences(connection: Connection, source: Source, at: datetime) -> Iterator[Muting]:
    for each in reversed(silences.find(connection, limit=10_000)):
        if not each.is_active(at):
            continue
        matcher = Matcher.model_validate(dict(each.matchers))
        if matcher.admits(source):
            whole = not (matcher.rule or matcher.check or matcher.severity or matcher.labels)
            until = "" if each.ends is None else f" until {_moment(each.ends)}"
            word = "silenced" if each.kind is silences.SilenceKind.SILENCE else "in maintenance"
            about = "" if whole else f" ({_meant(each.matchers)})"
            text = f"{word} by {each.author}{until}{about}, because: {each.reason}"
            yield Muting(each.kind.value, text, each.ends, whole)


def _windows(plan: Plan, source: Source, at: datetime) -> Iterator[Muting]:
    from monitoring_pipeline.alerting.people import windows

    if not plan.maintenance:
        return
    window = windows.active(plan.maintenance, source, at)
    if window is not None:
        text = f"in the maintenance window {window.name} until {_moment(window.end)}"
        yield Muting("window", text, window.end, whole=True)


def _meant(matchers: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name} {' or '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in matchers.items()
    )


def _answer(then: SourceThen) -> Iterator[str]:
    since = f" since {_moment(then.stood.since)}" if then.stood.since else ""
    reason = f": {then.stood.reason}" if then.stood.reason else ""
    yield f"{then.source} was {then.stood.status}{since}{reason}"
    if not then.rules:
        yield "no rule selects it" if then.others else "there are no rules"
    elif all(rule.verdict is not Verdict.HOLDS for rule in then.rules) and not then.alerts:
        yield "no rule held, so there was nothing to tell"
    for each in then.alerts:
        yield _told_of(each, then)
    yield from (mute.text for mute in then.mutes)


def _told_of(each: AlertThen, then: SourceThen) -> str:
    alert = each.alert
    words = f"alert {alert.id} of {alert.rule} was {each.state}"
    sent = [told for told in then.notifications if alert.id in told.alerts]
    if sent:
        return (
            f"{words}; told around then: {', '.join(f'{told.kind} to {told.channel} ({told.state})' for told in sent)}"
        )
    held = [made for made in then.decisions if made.alert == alert.id]
    why = f", last decision {held[-1].stage}: {_words(held[-1].verdict)} {held[-1].detail}".rstrip() if held else ""
    return f"{words}; nothing was told of it around then{why}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _whole(duration: timedelta) -> str:
    return format_duration(timedelta(seconds=int(duration.total_seconds())))


def _words(text: str) -> str:
    return text.replace("_", " ")
