"""`busta alerts`: what fires, why, and what people do about it; one subcommand per file."""

from __future__ import annotations

import click

from monitoring_pipeline.cli.lazy import LazyGroup

__all__ = ["alerts"]


@click.group(
    cls=LazyGroup,
    lazy={name: f"{__name__}.{module}:{function}" for name, module, function in (
        ("list", "listing", "list_alerts"),
        ("show", "show", "show"),
        ("ack", "act", "ack"),
        ("unack", "act", "unack"),
        ("resolve", "act", "resolve"),
        ("note", "act", "note"),
        ("explain", "explain", "explain"),
        ("history", "history", "history"),
    )},
)  # fmt: skip
def alerts() -> None:
    """What fires, why, and what is done about it.

    \b
    busta alerts list --watch             what fires now
    busta alerts ack 12 --for 2h          you work on it: nobody else is called
    busta alerts explain 12               everything that happened to it, and why
    """
