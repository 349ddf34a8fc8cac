"""Evaluates rules inside a transaction: asks the conditions, moves the alerts, writes down what changed.

An instance is one rule about one subject. Evaluated are the instances whose source just recorded
something, those one of whose alert's clocks ran out, and every few seconds those that may change
without anything being recorded.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from monitoring_pipeline.alerting.rules import life
from monitoring_pipeline.alerting.rules.condition import Answer, Facts, Observation, Query, Subject
from monitoring_pipeline.alerting.rules.observe import Windows
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.rules.summary import summary_of
from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.records import Severity, Source, Status
from monitoring_pipeline.store import alerts as stored
from monitoring_pipeline.store import states

__all__ = ["Evaluator", "Instance", "StoredFacts", "instances_of"]

log = structlog.get_logger(__name__)
_NOTHING = Observation({None: None}, "")


@dataclass(frozen=True, slots=True)
class Instance:
    """One rule about one subject."""

    rule: Rule
    subject: Subject
    fingerprint: str
    queries: tuple[Query, ...]

    @property
    def watches_status_only(self) -> bool:
        """Whether nothing but a change of a status can move it."""
        return not self.queries and not self.rule.when.needs_clock


def instances_of(rule: Rule, sources: Iterable[Source], checks: Mapping[str, Sequence[str]]) -> Iterator[Instance]:
    """The instances of a rule; `checks` are the ids of each source's checks."""
    if rule.mode == "off":
        return
    for source in sources:
        if rule.sources.admits(source):
            for check in checks.get(source.id, ()) if rule.per == "check" else ("",):
                yield instance(rule, Subject(source, check))


def instance(rule: Rule, subject: Subject) -> Instance:
    """A rule about a subject."""
    name = _fingerprint(rule, subject.source.id, subject.check)
    return Instance(rule, subject, name, tuple(rule.when.queries(subject)))


def _fingerprint(rule: Rule, source: str, check: str) -> str:
    return "|".join((rule.id, source, check))


def _is_plain(rule: Rule) -> bool:
    """Whether nothing but the status of its own source, or of that's checks, can move it."""
    subject, when = Subject(Source("any")), rule.when
    return not when.queries(subject) and not when.needs_clock and when.watches(subject) == {"any"}


class StoredFacts:
    """How sources and checks stand in the operational store, read when first asked."""

    def __init__(self, connection: Connection, sources: Collection[str]) -> None:
        self._connection = connection
        self._wanted = set(sources)
        self._sources: dict[str, dict[str, Any]] = {}
        self._checks: dict[str, dict[str, dict[str, Any]]] = {}

    def status(self, source: str, check: str = "") -> Status:
        row = self._row(source, check)
        return Status.UNKNOWN if row is None else Status(row["status"])

    def since(self, source: str, check: str = "") -> datetime | None:
        row = self._row(source, check)
        return None if row is None or row["since"] is None else from_us(row["since"])

    def reason(self, source: str, check: str = "") -> str:
        row = self._row(source, check)
        return "" if row is None else str(row["message" if check else "reason"])

    def score(self, source: str) -> float | None:
        row = self._row(source, "")
        return None if row is None else row["score"]

    def _row(self, source: str, check: str) -> dict[str, Any] | None:
        if check:
            if source not in self._checks:
                self._read_checks({source, *self._wanted} - self._checks.keys())
            return self._checks[source].get(check)
        if source not in self._sources and (source not in self._wanted or not self._sources):
            self._sources.update(states.source_rows(self._connection, {source, *self._wanted} - self._sources.keys()))
        return self._sources.get(source)

    def _read_checks(self, sources: Collection[str]) -> None:
        self._checks.update({source: {} for source in sources})
        for row in states.check_rows(self._connection, sources).values():
            self._checks[row["source"]][row["check_id"]] = row


class Evaluator:
    """All instances of an installation's rules. One process has one; what it knows is rebuilt at its start.

    Rules that watch nothing but their own source's status are by far the most common, and a process that lives
    for a minute meets few changes: their instances are made when a source changes.
    """

    def __init__(
        self, rules: Sequence[Rule], sources: Sequence[Source], checks: Mapping[str, Sequence[str]],
        dynamic: Sequence[Source] = (),
    ) -> None:  # fmt: skip
        """`dynamic` are sources of our own whose checks are not configured; only rules that name them mean them."""
        used = [rule for rule in rules if rule.mode != "off"]
        self._plain = [rule for rule in used if _is_plain(rule)]
        self._others = [rule for rule in used if not _is_plain(rule)]
        self._sources, self._checks = {source.id: source for source in sources}, checks
        self._dynamic = {source.id: source for source in dynamic}
        self._made: dict[str, Instance] = {}
        self._lazy: dict[str, list[Instance]] = {}
        self._by_source: dict[str, list[Instance]] = defaultdict(list)
        self._clocked: dict[str, Instance] = {}
        for rule in self._others:
            for each in instances_of(rule, sources, checks):
                self._add(each)
            if rule.per == "source":
                for source in dynamic:
                    if _names(rule, source):
                        self._add(instance(rule, Subject(source)))

    def _add(self, each: Instance) -> None:
        self._made[each.fingerprint] = each
        for source in each.rule.when.watches(each.subject):
            self._by_source[source].append(each)
        if each.rule.when.needs_clock:
            self._clocked[each.fingerprint] = each

    def _plain_of(self, source_id: str) -> list[Instance]:
        found = self._lazy.get(source_id)
        if found is None:
            source = self._sources.get(source_id)
            found = [each for rule in self._plain if source for each in instances_of(rule, [source], self._checks)]
            self._lazy[source_id] = found
        return found

    @property
    def queries(self) -> Iterator[Query]:
        """Everything that may be asked."""
        for each in self._made.values():
            yield from each.queries
        for rule in self._others:
            if rule.per == "check":
                for source in self._dynamic.values():
                    if _names(rule, source):
                        yield from rule.when.queries(Subject(source))

    def meet(self, touched: Iterable[tuple[str, str]]) -> None:
        """Adds instances of rules about checks that no configuration names."""
        for source_id, check in touched:
            source = self._dynamic.get(source_id)
            if source is None or not check:
                continue
            for rule in self._others:
                fingerprint = _fingerprint(rule, source_id, check)
                if rule.per == "check" and fingerprint not in self._made and _names(rule, source):
                    self._add(instance(rule, Subject(source, check)))

    def find(self, fingerprint: str) -> Instance | None:
        """The instance of this fingerprint; None when no rule or no source makes it any more."""
        found = self._made.get(fingerprint)
        if found is None:
            source = fingerprint.split("|", 2)[1]
            found = next((each for each in self._plain_of(source) if each.fingerprint == fingerprint), None)
        return found

    def about(self, touched: Collection[str], changed: Collection[str]) -> dict[str, Instance]:
        """Instances that what was recorded of these sources may move; `changed` are those whose status moved."""
        moved = {*touched, *changed}
        found = [each for source in moved for each in self._by_source.get(source, ())]
        found += [
            each for source in (moved if self._plain else ()) for each in self._plain_of(source)
            if source in changed or each.subject.check
        ]  # fmt: skip
        return {each.fingerprint: each for each in found}

    def everything(self) -> dict[str, Instance]:
        """All instances."""
        plain = (each for source in self._sources for each in self._plain_of(source))
        return {**self._made, **{each.fingerprint: each for each in plain}}

    def clocked(self) -> dict[str, Instance]:
        """Instances that time alone may move."""
        return self._clocked

    def evaluate(
        self, connection: Connection, windows: Windows, instances: Mapping[str, Instance], now: datetime
    ) -> int:
        """Evaluates instances and those whose alert is due; answers how many transitions were written."""
        chosen = dict(instances)
        for fingerprint in stored.due_alerts(connection, now):
            if (each := self.find(fingerprint)) is not None:
                chosen[fingerprint] = each
        if not chosen:
            return 0
        rows = stored.open_rows(connection, chosen)
        observations = self._observe(connection, windows, chosen.values(), rows, now)
        return self._move(connection, chosen, rows, observations, now)

    def _observe(
        self, connection: Connection, windows: Windows, instances: Iterable[Instance],
        rows: Mapping[str, Mapping[str, Any]], now: datetime,
    ) -> dict[str, Observation]:  # fmt: skip
        chosen = list(instances)
        asked = [(query, now) for each in chosen for query in each.queries]
        answers = iter(windows.answer(asked) if asked else ())
        facts = StoredFacts(connection, {each.subject.source.id for each in chosen})
        found = {}
        for each in chosen:
            own = [next(answers) for _ in each.queries]
            row = rows.get(each.fingerprint)
            held = Severity(row["severity"]) if row is not None and row["fired"] is not None else None
            found[each.fingerprint] = observed(each, own, facts, now, held)
        return found

    def _move(
        self, connection: Connection, chosen: Mapping[str, Instance], rows: Mapping[str, dict[str, Any]],
        observations: Mapping[str, Observation], now: datetime,
    ) -> int:  # fmt: skip
        interesting = {name for name, seen in observations.items() if name in rows or any(seen.truths.values())}
        interesting |= {name for name in observations if chosen[name].rule.unknown == "fire"}
        past = stored.recent_firings(connection, interesting, now - self._memory(chosen, interesting))
        moved: list[tuple[dict[str, Any], tuple[life.Change, ...]]] = []
        for name in interesting:
            each, row = chosen[name], rows.get(name)
            born = None if row is not None else _born(each, observations[name])
            outcome = life.advance(each.rule, row, observations[name], past.get(name, ()), to_us(now), born=born)
            if outcome.row is not None:
                moved.append((_worded(each, outcome.row, observations[name]), outcome.changes))
        return write(connection, moved, now)

    def _memory(self, chosen: Mapping[str, Instance], names: Iterable[str]) -> timedelta:
        spans = [timedelta(0)]
        for name in names:
            rule = chosen[name].rule
            spans += [rule.cooldown, rule.flapping.within if rule.flapping else timedelta(0)]
        return max(spans)

    def close_orphans(self, connection: Connection, now: datetime) -> int:
        """Ends open alerts of rules and sources that are no longer configured."""
        rows = stored.open_rows(connection)
        self.meet((row["source"], row["check_id"]) for row in rows.values())
        gone = [row for name, row in rows.items() if self.find(name) is None]
        moved = [life.close(row, life.Reason.RULE_GONE, to_us(now)) for row in gone]
        return write(connection, [(each.row, each.changes) for each in moved if each.row is not None], now)


def observed(
    each: Instance, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
) -> Observation:
    """What the rule's condition sees; one that fails sees nothing, which is unknown."""
    try:
        return each.rule.when.observe(each.subject, answers, facts, now, held)
    except Exception as error:
        log.warning("a condition failed", rule=each.rule.id, source=each.subject.source.id, error=str(error))
        return Observation(_NOTHING.truths, f"the condition failed: {type(error).__name__}: {error}")


def write(
    connection: Connection, moved: Sequence[tuple[dict[str, Any], tuple[life.Change, ...]]], now: datetime
) -> int:
    """Writes alerts' rows and their transitions."""
    known = [row for row, _ in moved if "id" in row]
    stored.insert_alerts(connection, [row for row, _ in moved if "id" not in row])
    stored.update_alerts(connection, known)
    changes = [
        {
            "alert_id": row["id"], "at": to_us(now), "before": change.before.value if change.before else None,
            "after": change.after.value, "severity": change.severity.value, "reason": change.reason.value,
            "text": change.text, "by": "", "handled": None,
        }
        for row, found in moved for change in found
    ]  # fmt: skip
    stored.append_transitions(connection, changes)
    return len(changes)


def _born(each: Instance, seen: Observation) -> dict[str, Any]:
    source = each.subject.source
    labels = {**each.rule.labels}
    return {
        "fingerprint": each.fingerprint, "open_key": each.fingerprint, "source": source.id,
        "check_id": each.subject.check, "component": source.component,
        "labels": json.dumps(labels, ensure_ascii=False, sort_keys=True),
    }  # fmt: skip


def _worded(each: Instance, row: dict[str, Any], seen: Observation) -> dict[str, Any]:
    """The row with what people read: summary and annotations of the rule and of what was seen."""
    rule = each.rule
    first = next(iter(each.queries), None)
    notes = {
        "description": rule.description, "runbook": rule.runbook, "unit": seen.unit,
        "metric": first.metric if first is not None else "", **seen.details,
    }  # fmt: skip
    row["summary"] = summary_of(
        rule.summary, each.subject, rule=rule.id, severity=Severity(row["severity"]), text=row["text"],
        value=seen.value, unit=seen.unit, labels=rule.labels,
    )  # fmt: skip
    known = {key: note for key, note in notes.items() if note not in ("", None)}
    row["annotations"] = json.dumps(known, ensure_ascii=False, default=str)
    return row


def _names(rule: Rule, source: Source) -> bool:
    """Whether a rule means a source of our own: it has to name it."""
    selector = rule.sources
    return bool(selector.source or selector.component) and selector.admits(source)
