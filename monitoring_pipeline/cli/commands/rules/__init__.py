"""`busta rules`: which rules there are, tests of them, and what they would have done."""

from __future__ import annotations

import click

from monitoring_pipeline.cli.lazy import LazyGroup

__all__ = ["rules"]


@click.group(
    cls=LazyGroup,
    lazy={name: f"{__name__}.{module}:{function}" for name, module, function in (
        ("list", "listing", "list_rules"),
        ("test", "testing", "test"),
        ("backtest", "backtesting", "backtest_rule"),
    )},
)  # fmt: skip
def rules() -> None:
    """When to alert: the rules, their tests, and what they would have done."""
