"""What holds where nothing is configured: the built-in rules, and the sources that nobody configures."""

from __future__ import annotations

from functools import cache

from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.records import Source

__all__ = ["OWN_SOURCES", "default_rules"]

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
