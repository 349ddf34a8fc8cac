"""`busta quality`: whether the data are good; one subcommand per file."""

from __future__ import annotations

import click

from monitoring_pipeline.cli.lazy import LazyGroup

__all__ = ["quality"]


@click.group(
    cls=LazyGroup,
    lazy={name: f"{__name__}.{module}:{function}" for name, module, function in (
        ("run", "running", "run"),
        ("show", "showing", "show"),
    )},
)  # fmt: skip
def quality() -> None:
    """Whether what sources hold is good."""
