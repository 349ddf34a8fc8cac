"""What holds where nothing is configured: the built-in rules, and the sources that nobody configures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.records import Source

__all__ = ["OWN_SOURCES", "burn_rules", "default_rules", "quality_rules"]

OWN_SOURCES = (
    Source("monitoring", component="monitoring", name="monitoring", description="This installation itself."),
    Source("dagster-events", component="dagster", name="Dagster", description="Runs and asset checks of Dagster."),
)
"""Sources that nobody configures: ourselves, and what happens in any of Dagster's code locations."""

_RULES = (
    {
        "id": "source-critical",
        "description": "A source is critical.",
        "when": {"kind": "status", "warning": None},
        "severity": "critical",
    },
    {
        "id": "source-warning",
        "description": "A source has been a warning for five minutes.",
        "when": {"kind": "status", "critical": None},
        "severity": "warning",
        "for": "5m",
    },
    {
        "id": "source-unknown",
        "description": "Nothing could be found out about a source for ten minutes.",
        "when": {"kind": "status", "critical": None, "warning": None, "unknown": "warning"},
        "severity": "warning",
        "for": "10m",
    },
    {
        "id": "monitoring-runs",
        "description": "Runs of the monitoring itself failed in the last ten minutes.",
        "sources": {"source": "monitoring"},
        "when": {"kind": "metric", "metric": "run_failures", "aggregation": "count", "window": "10m", "threshold": 0},
        "severity": "warning",
    },
    {
        "id": "monitoring-undelivered",
        "description": "Messages about alerts could not be delivered and were given up in the last hour.",
        "sources": {"source": "monitoring"},
        "when": {"kind": "metric", "metric": "dead_letters", "window": "10m", "threshold": 0},
        "severity": "error",
    },
    {
        "id": "dagster-runs",
        "description": "The last run of a job of any code location failed.",
        "sources": {"source": "dagster-events"},
        "per": "check",
        "when": {"kind": "metric", "metric": "run_failed", "window": "7d", "threshold": 0},
        "severity": "error",
    },
    {
        "id": "dagster-asset-checks",
        "description": "An asset check of any code location did not pass.",
        "sources": {"source": "dagster-events"},
        "per": "check",
        "when": {
            "kind": "metric",
            "metric": "asset_check_failed",
            "window": "7d",
            "operator": ">=",
            "threshold": {"warning": 1, "error": 2},
        },
    },
)


@cache
def default_rules() -> tuple[Rule, ...]:
    """The rules of an installation that has none of its own."""
    return tuple(Rule.model_validate(rule) for rule in _RULES)


# How fast, over which windows, how bad: 2 % of a month's budget in an hour, 5 % in six hours, 10 % in three days
# (The Site Reliability Workbook, chapter 5).
_BURNING = (
    ("burns-fast", 14.4, "1h", "5m", "critical"),
    ("burns", 6, "6h", "30m", "error"),
    ("burns-slowly", 1, "3d", "6h", "warning"),
)


def burn_rules(objectives: Mapping[str, Mapping[str, Any]]) -> Iterator[Rule]:
    """The rules about the error budget of each objective, by its name; the values are the fields of a selector."""
    for name, sources in objectives.items():
        for pace, rate, long, short, severity in _BURNING:
            yield Rule.model_validate({
                "id": f"{name}-{pace}",
                "description": f"The error budget of {name} burns {rate:g} times too fast.",
                "sources": sources,
                "when": {"kind": "burn", "objective": name, "long": long, "short": short, "threshold": rate},
                "severity": severity,
            })  # fmt: skip


def quality_rules(sources: Collection[str]) -> Iterator[Rule]:
    """The rule about the data of sources that have quality suites, these; it lasts from one run of them to the next."""
    if sources:
        yield Rule.model_validate({
            "id": "data-quality",
            "description": "Expectations about the data of a source are not met.",
            "summary": "the data of {{ name }} are not as expected: busta quality show {{ source }}",
            "sources": {"source": sorted(sources)},
            "when": {"kind": "metric", "metric": "quality_status", "window": "7d", "operator": ">=",
                     "threshold": {"warning": 2, "critical": 3}},
        })  # fmt: skip
