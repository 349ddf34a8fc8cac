"""`busta sources explain`: why a source did, or did not, alert at a moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.moments import MOMENT
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import complete_ids, source_named

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from monitoring_pipeline.reports.hindsight import SourceThen

__all__ = ["explain"]


@click.command()
@click.argument("source_id", metavar="ID", shell_complete=complete_ids)
@click.option("--at", "moment", type=MOMENT, metavar="MOMENT", help="14:30, '2026-03-01 14:30'. [default: now]")
@json_option
def explain(source_id: str, moment: datetime | None, *, as_json: bool) -> int:
    """Says how a source stood at a moment, what every rule saw, what was muted, decided and told, and why.

    It answers "why did nothing fire?" as well: the rules are asked again, of the history up to that moment.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import hindsight_document

    with opened() as monitoring:
        source, now = source_named(monitoring.config, source_id), monitoring.clock()
        if moment is not None and moment > now:
            raise click.BadParameter("it lies in the future", param_hint="--at")
        then = monitoring.explain_source(source, moment or now)
    if as_json:
        output.emit_json(hindsight_document(then))
    else:
        _print(output.console(), then)
    return exits.OK


def _print(console: Console, then: SourceThen) -> None:
    from monitoring_pipeline.cli import alert_tables, output

    console.print(f"{then.source} at {output.local(then.at)}", style="bold")
    for sentence in then.answer:
        console.print(f"  {sentence}")
    for title, rows, table in (
        ("what the rules saw", then.rules, _rules(then)),
        ("decided around then", then.decisions, _decisions(then)),
        ("told around then", then.notifications, alert_tables.notification_table(then.notifications)),
    ):
        if rows:
            console.print(f"\n{title}", style="bold")
            console.print(table)
    if then.others:
        console.print(f"\nrules that mean other sources: {', '.join(then.others)}")


def _rules(then: SourceThen) -> Table:
    return _table(
        ("rule", "check", "verdict", "what it saw"),
        ((each.rule, each.check, each.verdict.value.replace("_", " "), each.text) for each in then.rules),
    )


def _decisions(then: SourceThen) -> Table:
    from monitoring_pipeline.cli.output import local

    return _table(
        ("time", "alert", "stage", "verdict", "why"),
        (
            (local(each.at), str(each.alert or ""), each.stage, each.verdict.replace("_", " "), each.detail)
            for each in then.decisions
        ),
    )


def _table(columns: tuple[str, ...], rows: Any) -> Table:
    from rich.text import Text

    from monitoring_pipeline.cli.tables import plain_table

    table = plain_table(*columns)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
