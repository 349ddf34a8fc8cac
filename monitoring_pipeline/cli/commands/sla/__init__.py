"""`busta sla`: which promises are kept, what is left of their budgets, and what people corrected."""

from __future__ import annotations

import click

from monitoring_pipeline.cli.lazy import LazyGroup

__all__ = ["sla"]


@click.group(
    cls=LazyGroup,
    lazy={name: f"{__name__}.{module}:{function}" for name, module, function in (
        ("show", "show", "show"),
        ("reliability", "reliability", "reliability"),
        ("correct", "correcting", "correct"),
        ("revoke", "correcting", "revoke"),
        ("ledger", "ledger", "show_ledger"),
        ("verify", "ledger", "verify"),
        ("export", "export", "export"),
    )},
)  # fmt: skip
def sla() -> None:
    """Which promises are kept, what is left of their error budgets, and what was corrected.

    \b
    busta sla show                                     budgets of this period, the worst first
    busta sla show shop-uptime --at 2026-10-15         the period that held that day, with its days
    busta sla correct orders-db --from "2026-11-03 10:00" --to "2026-11-03 11:30" \\
        --as monitor_offline --reason "the probe's network was down"
    busta sla verify                                   has anybody touched the ledger?
    """
