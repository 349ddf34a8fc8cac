"""`busta sla correct` and `revoke`: what people know better than what was measured."""

from __future__ import annotations

from datetime import datetime

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.acting import acting
from monitoring_pipeline.cli.moments import MOMENT
from monitoring_pipeline.cli.selection import complete_ids

__all__ = ["correct", "revoke"]

_AS = ("maintenance", "monitor_offline", "upstream", "up", "down")
_AUTHOR = click.option("--author", metavar="NAME", help="Who says so. [default: you]")


@click.command()
@click.argument("source_id", metavar="SOURCE", shell_complete=complete_ids)
@click.option("--from", "start", required=True, type=MOMENT, metavar="MOMENT", help="When the period begins.")
@click.option("--to", "end", required=True, type=MOMENT, metavar="MOMENT", help="When it ends.")
@click.option("--as", "as_", required=True, type=click.Choice(_AS), help="What it is to count as.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stays in the ledger for good.")
@click.option("--objective", default="", metavar="NAME", help="Only for this objective.")
@_AUTHOR
def correct(
    source_id: str, start: datetime, end: datetime, as_: str, reason: str, objective: str, author: str | None
) -> int:  # fmt: skip
    """Says what a past period of a source is to count as. Nothing is overwritten: both figures are shown ever after.

    \b
    maintenance      it was away as agreed: excluded where the objective excludes maintenance
    monitor_offline  nobody could know: unknown
    upstream         others were the reason: excluded where the objective excludes that
    up, down         it was, whatever was measured

    Where corrections overlap, the one written last counts.

    \b
    Example:
      busta sla correct orders-db --from "2026-11-03 10:00" --to "2026-11-03 11:30" --as up \\
          --reason "the probe had an old password"
    """
    from monitoring_pipeline.records import Reclassified

    with acting() as here:
        entry = here.monitoring.sla.correct(
            here.connection, source_id, start, end, Reclassified(as_), author=author or here.by, reason=reason,
            objective=objective,
        )  # fmt: skip
    click.echo(f"entry {entry.number} of the ledger; `busta sla revoke {entry.number} --reason WHY` takes it back")
    return exits.OK


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stays in the ledger for good.")
@_AUTHOR
def revoke(number: int, reason: str, author: str | None) -> int:
    """Takes a correction back, by a further entry of the ledger."""
    from monitoring_pipeline.analysis.sla.correcting import revoke as take_back

    with acting() as here:
        entry = take_back(here.connection, number, author=author or here.by, reason=reason, now=here.now)
    click.echo(f"entry {entry.number} of the ledger revokes entry {number}")
    return exits.OK
