"""Selectors: which sources, and which alerts, something is about."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from monitoring_pipeline.records import Severity, Source

__all__ = ["Matcher", "Patterns", "Selector"]


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[
    tuple[str, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""One text or a list of texts, each with `*` and `?` as in file names; one of them must fit."""


class Selector(BaseModel):
    """Sources by id, component, tag and owner. What is not given lets everything through."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Patterns = Field((), description="Ids of sources; `*` and `?` stand for anything.")
    component: Patterns = Field((), description="Components.")
    tag: Patterns = Field((), description="Tags; one of them is enough.")
    owner: Patterns = Field((), description="Teams that look after it.")

    def admits(self, source: Source) -> bool:
        """Whether a source is meant."""
        return (
            _fits(self.source, source.id)
            and _fits(self.component, source.component)
            and _fits(self.owner, source.owner)
            and (not self.tag or any(_fits(self.tag, tag) for tag in source.tags))
        )


class Matcher(Selector):
    """Alerts by their source, rule, severity and labels."""

    check: Patterns = Field((), description="Ids of checks.")
    rule: Patterns = Field((), description="Ids of rules.")
    severity: tuple[Severity, ...] = Field((), description="Severities; one of them must be the alert's.")
    labels: Mapping[str, Patterns] = Field(default_factory=dict, description="Labels that a rule gives its alerts.")

    def matches(self, source: Source, *, rule: str, check: str, severity: Severity, labels: Mapping[str, str]) -> bool:
        """Whether an alert of this rule about this source is meant."""
        return (
            self.admits(source)
            and _fits(self.rule, rule)
            and _fits(self.check, check)
            and (not self.severity or severity in self.severity)
            and all(name in labels and _fits(wanted, labels[name]) for name, wanted in self.labels.items())
        )


def _fits(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(pattern == text or fnmatchcase(text, pattern) for pattern in patterns)
