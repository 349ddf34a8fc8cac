"""What stages know besides the store: the plan, the sources and how they hang together, links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.selector import Matcher
from monitoring_pipeline.alerting.spec import Plan, Route
from monitoring_pipeline.records import Alert, Source

__all__ = ["Links", "World"]


class Links(Protocol):
    """Makes the URLs in messages."""

    def alert(self, alert_id: int) -> str:
        """The page of an alert."""

    def acknowledge(self, alert_id: int) -> str:
        """Where it can be acknowledged."""


@dataclass(frozen=True)
class World:
    """What stages know besides the store: the plan, the sources by id, links, what the installation is called."""

    plan: Plan = field(default_factory=Plan)
    sources: Mapping[str, Source] = field(default_factory=dict)
    links: Links | None = None
    installation: str = ""

    @cached_property
    def routes(self) -> dict[str, Route]:
        """The routes in order, by their names. Without any, every channel that sends is told everything."""
        named = {route.name or str(number): route for number, route in enumerate(self.plan.spec.routes, 1)}
        if named:
            return named
        everybody = tuple(f"channel:{name}" for name, channel in self.plan.channels.items() if channel.enabled)
        return {"default": Route(name="default", notify=everybody)}

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """The rules by id."""
        return {rule.id: rule for rule in self.plan.rules}

    def source_of(self, alert: Alert) -> Source:
        """The source an alert is about; what the alert remembers of it, if it is no longer configured."""
        return self.sources.get(alert.source) or Source(alert.source, component=alert.component)

    def matches(self, matcher: Matcher, alert: Alert) -> bool:
        """Whether a matcher means an alert."""
        return matcher.matches(
            self.source_of(alert), rule=alert.rule, check=alert.check, severity=alert.severity, labels=alert.labels
        )

    @cached_property
    def ancestors(self) -> dict[str, frozenset[str]]:
        """For each source, all that it depends on, however far away."""
        found: dict[str, frozenset[str]] = {}
        for source in self.sources:
            self._climb(source, found)
        return found

    def _climb(self, start: str, found: dict[str, frozenset[str]]) -> None:
        # Without recursion: a chain of a thousand sources is unusual, not wrong.
        stack = [start]
        while stack:
            source = self.sources.get(stack[-1])
            parents = source.depends_on if source else ()
            missing = [parent for parent in parents if parent not in found and parent not in stack]
            if missing:
                stack.append(missing[0])
                continue
            known = (found.get(parent, frozenset()) for parent in parents)
            found[stack.pop()] = frozenset(parents).union(*known)

    @cached_property
    def dependents(self) -> dict[str, tuple[str, ...]]:
        """For each source, all that depend on it, however far away, by id."""
        found: dict[str, list[str]] = {}
        for source, ancestors in sorted(self.ancestors.items()):
            for ancestor in ancestors:
                found.setdefault(ancestor, []).append(source)
        return {source: tuple(names) for source, names in found.items()}
