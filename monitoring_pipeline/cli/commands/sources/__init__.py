"""`busta sources`: what is watched, how it is, how it was; one subcommand per file."""

from __future__ import annotations

import click

from monitoring_pipeline.cli.lazy import LazyGroup

__all__ = ["sources"]


@click.group(
    cls=LazyGroup,
    lazy={
        "alerts": "monitoring_pipeline.cli.commands.alerts.listing:source_alerts",
    } | {name: f"{__name__}.{module}:{function}" for name, module, function in (
        ("health", "health", "health"),
        ("list", "listing", "list_sources"),
        ("show", "show", "show"),
        ("check", "check", "check"),
        ("history", "history", "history"),
        ("baseline", "baseline", "baseline"),
        ("relearn", "baseline", "relearn"),
        ("explain", "explain", "explain"),
        ("trends", "trends", "trends"),
        ("forecast", "forecast", "forecast"),
    )},
)  # fmt: skip
def sources() -> None:
    """How the sources are, and were."""
