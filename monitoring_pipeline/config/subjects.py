"""What rules, routes and windows are about: sources, metrics, rules and labels that somebody should have.

A name that fits nothing today may fit tomorrow (a source is added, a plug-in measures more), so most of
what is found here is a warning; only a source or check that a condition names outright must exist.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from monitoring_pipeline.alerting.rules.defaults import OWN_SOURCES
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.selector import Selector
from monitoring_pipeline.checks.check import BoundCheck, Check
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.collection.spec import METRICS
from monitoring_pipeline.config.alerting import AlertingParts, Written
from monitoring_pipeline.config.documents import Document
from monitoring_pipeline.config.nodes import Fields, Items, Mark, Node, Scalar
from monitoring_pipeline.config.problems import Problems, hint, quoted
from monitoring_pipeline.config.targets import fields_in, texts_in
from monitoring_pipeline.records import Source

__all__ = ["Census", "check_subjects"]

_SELECTED = ("source", "component", "tag", "owner")
_GROUPED = ("source", "component", "rule", "check", "severity", "owner")
_EQUAL = ("source", "component", "rule", "check", "owner")
_DYNAMIC = frozenset({"python"})
"""Kinds whose samples have names of the user's own."""


@dataclass(slots=True)
class Census:
    """Sources by what selectors look at, and what their checks, collectors and suites (names by source) measure."""

    sources: Mapping[str, Source]
    checks: Mapping[str, Sequence[Check]]
    unread: Collection[str] = ()
    collectors: Mapping[str, Collection[str]] = field(default_factory=dict)
    suites: Mapping[str, Collection[str]] = field(default_factory=dict)
    by: dict[str, dict[str, set[str]]] = field(default_factory=lambda: {name: {} for name in _SELECTED})
    _chosen: dict[Selector, frozenset[str]] = field(default_factory=dict)
    _metrics: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for source in (*self.sources.values(), *OWN_SOURCES):
            values = {"source": (source.id,), "component": (source.component,), "tag": source.tags}
            for name, words in {**values, "owner": (source.owner,)}.items():
                for word in words:
                    self.by[name].setdefault(word, set()).add(source.id)
        for name in self.unread:
            self.by["source"].setdefault(name, {name})

    def having(self, key: str, pattern: str) -> set[str]:
        """The ids of sources whose id, component, tag or owner fits a pattern."""
        known = self.by[key]
        if pattern in known:
            return known[pattern]
        if not _is_pattern(pattern):
            return set()
        return {name for word, names in known.items() if fnmatchcase(word, pattern) for name in names}

    def chosen(self, selector: Selector) -> frozenset[str]:
        """The ids of the sources that a selector admits. All of them: without our own, which must be named."""
        if selector not in self._chosen:
            found = set(self.sources)
            named = bool(selector.source or selector.component)
            if named:
                found |= {source.id for source in OWN_SOURCES}
            for key in _SELECTED:
                patterns = getattr(selector, key)
                if patterns:
                    found &= set().union(*(self.having(key, pattern) for pattern in patterns))
            self._chosen[selector] = frozenset(found)
        return self._chosen[selector]

    def metrics_of(self, source: str) -> frozenset[str] | None:
        """The names of what a source's checks measure; None when nobody can tell."""
        if source not in self._metrics:
            self._metrics[source] = self._measured(source)
        return self._metrics[source]

    def _measured(self, source: str) -> frozenset[str] | None:
        # Columns and validators give names to what suites measure.
        if source not in self.sources or source in self.unread or source in self.suites:
            return None
        checks = self.checks.get(source, ())
        if any(check.kind in _DYNAMIC or not type(check).__module__.startswith(_OURS) for check in checks):
            return None
        reported = METRICS if self.collectors.get(source) else ()
        return frozenset((*reported, *(metric for check in checks for metric in type(check).metrics)))

    def checks_of(self, source: str) -> set[str]:
        """What measures a source: ids of checks, names of collectors and suites."""
        others = (*self.collectors.get(source, ()), *self.suites.get(source, ()))
        return {*(check.id for check in self.checks.get(source, ())), *others}


_OURS = f"{BoundCheck.__module__.partition('.')[0]}."


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def check_subjects(
    parts: AlertingParts, document: Document, census: Census, owners: Mapping[str, Scalar], problems: Problems
) -> None:
    """Adds what is wrong, and warns of what means nothing. `owners` are where sources name theirs, by id."""
    _Subjects(parts, document, census, owners, problems).check()


@dataclass
class _Subjects:
    parts: AlertingParts
    document: Document
    census: Census
    owners: Mapping[str, Scalar]
    problems: Problems

    def check(self) -> None:
        for rule in self.parts.rules:
            self._rule(rule)
        for window in self.document.listed["maintenance"]:
            self._selector(window.values.get("sources"))
        for name, objective in self.document.named["objectives"].values.items():
            if not self._selector(objective) and isinstance(objective, Fields):
                self._promised(name, objective)
        self._alerting(self.document.head.values.get("alerting"))

    # -- selectors -----------------------------------------------------------------------------------

    def _selector(self, node: Node | None) -> bool:
        """Warns of names that nothing has; whether there were any."""
        if not isinstance(node, Fields):
            return False
        texts = [(key, text) for key in _SELECTED for text in texts_in(node.values.get(key))]
        unknown = [(key, text) for key, text in texts if not self.census.having(key, text.text)]
        for key, text in unknown:
            self.problems.warn(text.mark, self._nobody(key, text))
        return bool(unknown)

    def _promised(self, name: str, objective: Fields) -> None:
        """Warns of a promise about nothing: of sources, or of checks, that do not exist together."""
        found = set(self.census.sources)
        for key in _SELECTED:
            texts = [text.text for text in texts_in(objective.values.get(key))]
            found &= set().union(*(self.census.having(key, text) for text in texts)) if texts else found
        if not found:
            self.problems.warn(objective.mark, f"the objective {name!r} is about no source: nothing fits all of it")
        ids = {check.id for source in found for check in self.census.checks.get(source, ())}
        for text in texts_in(objective.values.get("check")) if found else ():
            if not any(fnmatchcase(each, text.text) for each in ids):
                self.problems.warn(text.mark, f"no source of it has a check {quoted(text)}{hint(text.text, ids)}")

    def _nobody(self, key: str, text: Scalar) -> str:
        known = [word for word in self.census.by[key] if word]
        if key == "source":
            return f"there is no source {quoted(text)}{hint(text.text, known)}"
        return f"no source has the {key} {quoted(text)}{hint(text.text, known)}"

    def _matcher(self, node: Node | None) -> None:
        self._selector(node)
        if not isinstance(node, Fields):
            return
        rules = self._rule_ids()
        for text in texts_in(node.values.get("rule")):
            if not any(fnmatchcase(rule, text.text) for rule in rules):
                self.problems.warn(text.mark, f"there is no rule {quoted(text)}{hint(text.text, rules)}")
        labels = node.values.get("labels")
        for name in labels.values if isinstance(labels, Fields) else ():
            self._label(name, labels.keys[name] if isinstance(labels, Fields) else node.mark, ())

    def _rule_ids(self) -> list[str]:
        return [*(rule.spec.id for rule in self.parts.rules), *(rule.id for rule in self.parts.built_in)]

    def _label(self, name: str, mark: Mark, besides: Collection[str]) -> None:
        known = {*besides, *(label for rule in self.parts.rules for label in rule.spec.labels)}
        if name not in known:
            tail = f", nor is it one of {', '.join(besides)}" if besides else ""
            self.problems.warn(mark, f"no rule gives the label {name!r}{tail}{hint(name, known)}")

    # -- rules ---------------------------------------------------------------------------------------

    def _rule(self, rule: Written[Rule]) -> None:
        selector = rule.fields.values.get("sources")
        chosen = self.census.chosen(rule.spec.sources)
        if not self._selector(selector) and not chosen:
            node = selector or rule.fields
            self.problems.warn(node.mark, f"the rule {rule.spec.id!r} is about no source: nothing fits all of it")
        for place in _places(rule.fields.values.get("when")):
            self._place(place, chosen)

    def _place(self, fields: Fields, chosen: frozenset[str]) -> None:
        source, check, metric = (fields.values.get(key) for key in ("source", "check", "metric"))
        self._objective(fields)
        named = isinstance(source, Scalar) and source.text
        if isinstance(source, Scalar) and source.text:
            if not self.census.by["source"].get(source.text):
                known = self.census.by["source"]
                self.problems.add(source.mark, f"{quoted(source)} is not a source{hint(source.text, known)}")
                return
            chosen = frozenset({source.text})
        if isinstance(check, Scalar) and check.text:
            self._check(check, chosen, must=bool(named))
        if isinstance(metric, Scalar) and metric.text:
            self._metric(metric, chosen)

    def _objective(self, fields: Fields) -> None:
        kind, node, known = fields.values.get("kind"), fields.values.get("objective"), self.document.named["objectives"]
        if not isinstance(kind, Scalar) or kind.text != "burn" or not isinstance(node, Scalar):
            return
        if node.text not in known.values:
            hinted = hint(node.text, known.values)
            self.problems.warn(node.mark, f"there is no objective {quoted(node)}{hinted}")

    def _check(self, node: Scalar, chosen: frozenset[str], *, must: bool) -> None:
        if not chosen or any(name not in self.census.sources for name in chosen):
            return
        known = set().union(*(self.census.checks_of(name) for name in chosen))
        if node.text in known:
            return
        if must:
            message = f"{quoted(node)} is not a check of {next(iter(chosen))!r}{hint(node.text, known)}"
            self.problems.add(node.mark, message)
        else:
            self.problems.warn(node.mark, f"no source of the rule has a check {quoted(node)}{hint(node.text, known)}")

    def _metric(self, node: Scalar, chosen: frozenset[str]) -> None:
        known: set[str] = set()
        for name in chosen:
            metrics = self.census.metrics_of(name)
            if metrics is None or node.text in metrics:
                return
            known |= metrics
        if chosen:
            message = f"no check of the rule's sources measures {quoted(node)}{hint(node.text, known)}"
            self.problems.warn(node.mark, message)

    # -- routes and inhibitions ----------------------------------------------------------------------

    def _alerting(self, head: Node | None) -> None:
        if not isinstance(head, Fields):
            return
        everything: tuple[int, Fields] | None = None
        for number, route in enumerate(fields_in(head.values.get("routes")), 1):
            self._matcher(route.values.get("match"))
            self._grouped(route.values.get("group_by"), _GROUPED)
            if everything is not None:
                self.problems.warn(route.mark, f"nothing gets here: route {everything[0]} takes everything")
                break
            if _takes_everything(route):
                everything = number, route
        for inhibition in fields_in(head.values.get("inhibitions")):
            self._matcher(inhibition.values.get("by"))
            self._matcher(inhibition.values.get("mute"))
            self._grouped(inhibition.values.get("equal"), _EQUAL)
        self._reminders(head)
        self._owners(head)

    def _grouped(self, node: Node | None, names: tuple[str, ...]) -> None:
        for text in texts_in(node):
            if text.text not in names:
                self._label(text.text, text.mark, names)

    def _reminders(self, head: Fields) -> None:
        specs = self.parts.spec.spec.routes
        for route, spec in zip(fields_in(head.values.get("routes")), specs, strict=False):
            if spec.repeat_interval is not None and spec.repeat_interval < spec.group_interval:
                every, waits = map(format_duration, (spec.repeat_interval, spec.group_interval))
                node = route.values.get("repeat_interval") or route.values.get("group_interval") or route
                message = f"a reminder every {every} comes before what is new, which waits {waits} (group_interval)"
                self.problems.warn(node.mark, message)

    def _owners(self, head: Fields) -> None:
        """Teams that a route tells because they own a source should exist."""
        routes = fields_in(head.values.get("routes"))
        asking = next((node for route in routes if _is_true(node := route.values.get("notify_owner"))), None)
        teams = self.parts.known["teams"]
        if asking is None:
            return
        if not teams:
            self.problems.warn(asking.mark, "there are no `teams`, so no owner of a source can be told")
            return
        for owner, names in self.census.by["owner"].items():
            node = next((self.owners[name] for name in sorted(names) if name in self.owners), None)
            if owner and owner not in teams and node is not None:
                tail = hint(owner, teams)
                self.problems.warn(node.mark, f"the owner {quoted(node)} is no team, so nobody is told as owner{tail}")


def _is_true(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.value is True


def _takes_everything(route: Fields) -> bool:
    match = route.values.get("match")
    narrow = isinstance(match, Fields) and bool(match.values)
    return not narrow and "hours" not in route.values and not _is_true(route.values.get("continue"))


def _places(node: Node | None) -> Iterator[Fields]:
    """Every mapping of a condition that names a metric, a check, a source or an objective."""
    if isinstance(node, Fields):
        if not node.values.keys().isdisjoint(("metric", "check", "source", "objective")):
            yield node
        for key, value in node.values.items():
            if key != "tags":
                yield from _places(value)
    for item in node.items if isinstance(node, Items) else ():
        yield from _places(item)
