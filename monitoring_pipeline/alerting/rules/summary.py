"""An alert in a few words: the rule's own `summary` (Jinja2), or its subject and the condition with its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitoring_pipeline.alerting.rules.condition import Subject
from monitoring_pipeline.records import Severity

__all__ = ["check_summary", "summary_of"]

_KNOWN = (
    "check", "component", "labels", "name", "owner", "rule", "severity", "source", "tags", "text", "unit", "value",
)  # fmt: skip
_LONGEST = 300


def check_summary(template: str) -> None:
    """Raises ValueError, which names the line, for a summary that could never be rendered."""
    if "{" in template:
        from monitoring_pipeline.alerting.delivery import sandbox

        sandbox.check(template, _KNOWN)


def summary_of(
    template: str, subject: Subject, *, rule: str, severity: Severity, text: str, value: float | None, unit: str,
    labels: Mapping[str, str],
) -> str:  # fmt: skip
    """One line of at most 300 characters. A template that cannot be rendered is as good as none."""
    source = subject.source
    name = source.name or source.id
    about = f"{name}/{subject.check}" if subject.check else name
    plain = f"{about}: {text}"
    if "{" not in template:
        return template or plain
    values: dict[str, Any] = {
        "check": subject.check, "component": source.component, "labels": labels, "name": name,
        "owner": source.owner, "rule": rule, "severity": severity.value, "source": source.id, "tags": source.tags,
        "text": text, "unit": unit, "value": value,
    }  # fmt: skip
    return _rendered(template, values) or plain


def _rendered(template: str, values: Mapping[str, Any]) -> str:
    from monitoring_pipeline.alerting.delivery import sandbox

    try:
        line = " ".join(sandbox.render(template, values, name="summary", limit=10 * _LONGEST).split())
    except sandbox.TemplateFailed:
        return ""
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
