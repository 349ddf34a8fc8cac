"""Tests of rules and routes, written in YAML: given values lead to expected alerts and messages.

    tests:
      - name: a slow API pages
        interval: 1m
        given:
          - {source: orders-api, metric: response_time_ms, values: 120x5 900x10}
          - {source: orders-db, status: healthy x5 critical x10}
        expect:
          - {at: 4m, rule: api-slow, source: orders-api, state: none}
          - {at: 9m, rule: api-slow, source: orders-api, state: firing, severity: critical, told: [pager]}

Every test runs through the real evaluator and stages in a store of its own; nothing is sent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from sqlalchemy import Connection

from monitoring_pipeline.alerting.run import Alerting, Surroundings
from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.checks.check import BoundCheck
from monitoring_pipeline.checks.record import record
from monitoring_pipeline.checks.registry import register
from monitoring_pipeline.checks.spec import BreakerSpec
from monitoring_pipeline.clock import Duration, format_duration
from monitoring_pipeline.records import Alert, AlertState, Result, Sample, Severity, Source, Status
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import deliveries
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.results import insert_samples

__all__ = ["Case", "Document", "Outcome", "Subject", "run_cases"]

_START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def _spread(value: Any) -> Any:
    """`100x3 _ 200` as a list: three times 100, nothing, 200."""
    if not isinstance(value, str):
        return value
    found: list[str | None] = []
    for token in value.replace(" x", "x").split():
        text, _, times = (
            token.rpartition("x") if token.rpartition("x")[2].isdigit() and "x" in token else (token, "", "1")
        )
        found += [None if text == "_" else text] * int(times)
    return found


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Given(_Spec):
    """What is recorded of a source, one value per interval: numbers of a metric, or statuses of a check."""

    source: str
    check: str = ""
    metric: str = ""
    values: Annotated[tuple[float | None, ...], BeforeValidator(_spread)] = ()
    status: Annotated[tuple[Status | None, ...], BeforeValidator(_spread)] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> Given:
        if bool(self.metric) != bool(self.values) or bool(self.values) == bool(self.status):
            raise ValueError("give `metric` with `values`, or `status`")
        return self


class Expected(_Spec):
    """How an alert stands at a moment. `told` names the channels that were told of it until then."""

    at: Duration
    rule: str
    source: str
    check: str = ""
    state: Literal["none", "pending", "firing", "acknowledged", "suppressed", "resolved"]
    severity: Severity | None = None
    text: str = ""
    told: tuple[str, ...] | None = None


class Case(_Spec):
    """One test."""

    name: str
    start: datetime = _START
    interval: Duration = timedelta(minutes=1)
    given: tuple[Given, ...] = Field(min_length=1)
    expect: tuple[Expected, ...] = Field(min_length=1)


class Document(_Spec):
    """One file of tests."""

    tests: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one test found; `failures` are sentences, none when everything was as expected."""

    name: str
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tested: the plan with the sources and checks it is about."""

    plan: Plan
    sources: Sequence[Source]
    checks: Sequence[BoundCheck]
    name: str = ""


@dataclass(slots=True)
class _Watch:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class _Run:
    """One test under way."""

    subject: Subject
    case: Case
    store: OperationalStore
    folder: Path
    watch: _Watch
    alerting: Alerting = field(init=False)

    def __post_init__(self) -> None:
        checks: dict[str, list[str]] = {}
        for bound in self.subject.checks:
            checks.setdefault(bound.source.id, []).append(bound.check.id)
        world = World(
            self.subject.plan, {source.id: source for source in self.subject.sources}, None, self.subject.name
        )
        around = Surroundings(
            self.store, self.watch, self.subject.sources, checks, self.folder / "none.duckdb", world
        )  # fmt: skip
        self.alerting = Alerting(self.subject.plan, around)
        register(self.store, self.subject.sources, self.subject.checks, self.watch.now)

    def failures(self) -> Iterator[str]:
        """Goes through time, and says what was not as expected."""
        expected = sorted(self.case.expect, key=lambda each: each.at)
        end = expected[-1].at
        step, at, done = min(self.case.interval, timedelta(seconds=5)), timedelta(0), 0
        number = 0
        while at <= end:
            self.watch.now = self.case.start + at
            due = number * self.case.interval <= at
            with self.store.write() as connection:
                self._record(connection, number if due else None)
            number += due
            while done < len(expected) and expected[done].at < at + step:
                yield from self._compare(expected[done])
                done += 1
            at += step

    def _record(self, connection: Connection, number: int | None) -> None:
        samples, results = [], []
        for given in self.case.given if number is not None else ():
            value = _at(given.values, number)
            if value is not None:
                samples.append(Sample(given.source, given.metric, self.watch.now, value, "", given.check))
            status = _at(given.status, number)
            if status is not None:
                results.append(self._result(given, status))
        insert_samples(connection, samples)
        outcome = record(
            connection, results, runner=None, schedules={}, spec=BreakerSpec(enabled=False), now=self.watch.now
        )
        touched = {(sample.source, sample.check) for sample in samples} | outcome.touched
        self.alerting.judge(connection, touched, outcome.changed, self.watch.now)

    def _result(self, given: Given, status: Status) -> Result:
        now = self.watch.now
        check = given.check or next((b.check.id for b in self.subject.checks if b.source.id == given.source), "")
        return Result(given.source, check, "test", now, now, now, status, message=f"test: {status.value}", manual=True)

    def _compare(self, expected: Expected) -> Iterator[str]:
        with self.store.read() as connection:
            fingerprint = "|".join((expected.rule, expected.source, expected.check))
            found = stored.find_alerts(connection, fingerprint=fingerprint, limit=1)
            alert = next(iter(found), None)
            messages = deliveries.notifications_of(connection, [alert.id]) if alert is not None else []
            told = sorted({message.channel for message in messages})
        about = f"at {format_duration(expected.at)}: {expected.rule} about {expected.source}"
        yield from (f"{about}: {wrong}" for wrong in _differences(expected, alert, told))


def _at(values: Sequence[Any], number: int | None) -> Any:
    return values[number] if number is not None and number < len(values) else None


def _differences(expected: Expected, alert: Alert | None, told: Sequence[str]) -> Iterator[str]:
    state = "none" if alert is None or _never_fired(alert) else alert.state.value
    if state != expected.state:
        yield f"expected {expected.state}, found {state}" + (f" ({alert.text})" if alert is not None else "")
        return
    if alert is None:
        return
    if expected.severity is not None and alert.severity is not expected.severity:
        yield f"expected severity {expected.severity.value}, found {alert.severity.value}"
    if expected.text and expected.text not in alert.text:
        yield f"expected {expected.text!r} in its text, found {alert.text!r}"
    if expected.told is not None and told != sorted(expected.told):
        wanted = ", ".join(sorted(expected.told)) or "nobody"
        yield f"expected to be told: {wanted}; found: {', '.join(told) or 'nobody'}"


def _never_fired(alert: Alert) -> bool:
    return alert.state is AlertState.RESOLVED and alert.fired is None


def run_cases(
    subject: Subject, cases: Sequence[Case], on_done: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Runs tests, each in a store of its own."""
    outcomes = []
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="rules-") as folder:
            store = OperationalStore.open(f"sqlite:///{folder}/test.db", case.start)
            try:
                run = _Run(subject, case, store, Path(folder), _Watch(case.start))
                outcomes.append(Outcome(case.name, (*_unknown(subject, case), *run.failures())))
                run.alerting.close()
            finally:
                store.close()
        if on_done is not None:
            on_done(outcomes[-1])
    return outcomes


def _unknown(subject: Subject, case: Case) -> Iterator[str]:
    """Names in a test that nothing has: such a test would say nothing."""
    rules, sources = {rule.id for rule in subject.plan.rules}, {source.id for source in subject.sources}
    for expected in case.expect:
        if expected.rule not in rules:
            yield f"there is no rule {expected.rule!r}; there are: {', '.join(sorted(rules)) or 'none'}"
    named: Mapping[str, None] = dict.fromkeys([*(g.source for g in case.given), *(e.source for e in case.expect)])
    for name in named:
        if name not in sources and name not in ("monitoring", "dagster-events"):
            yield f"there is no source {name!r}"
