"""`busta alerts list` and `busta sources alerts`: what fires now, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.alert_filters import filter_options, wanted
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import complete_ids

if TYPE_CHECKING:
    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.reports.alerts import AlertFilter, AlertView

__all__ = ["list_alerts", "source_alerts"]

_limit = click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 10_000), help="Rows to show.")
_watch = click.option("--watch", is_flag=True, help="Refresh every second until Ctrl-C.")


@click.command("list")
@filter_options()
@_limit
@_watch
@json_option
def list_alerts(limit: int, *, watch: bool, as_json: bool, **filters: Any) -> int:
    """Lists alerts, the worst first: those that fire, or those in the states asked for.

    \b
    busta alerts list --team shop --severity critical
    busta alerts list --state all --since 7d
    """
    return _listed(filters, limit, watch=watch, as_json=as_json)


@click.command("alerts")
@click.argument("source", metavar="[ID]", required=False, shell_complete=complete_ids)
@filter_options(source=False)
@_limit
@_watch
@json_option
def source_alerts(limit: int, *, watch: bool, as_json: bool, **filters: Any) -> int:
    """Lists the alerts of all sources, or of one: those that fire, or those in the states asked for."""
    return _listed(filters, limit, watch=watch, as_json=as_json)


def _listed(filters: dict[str, Any], limit: int, *, watch: bool, as_json: bool) -> int:
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import alert_document

    if watch and as_json:
        raise click.UsageError("--watch and --json exclude each other: --json prints one document")
    with opened() as monitoring:
        chosen = wanted(monitoring.config, **filters)

        def read() -> list[AlertView]:
            return monitoring.alerts(chosen, limit)

        if watch:
            _follow(read)
            return exits.OK
        views = read()
        if as_json:
            output.emit_json({"at": monitoring.clock(), "alerts": [alert_document(view) for view in views]})
        else:
            _print(monitoring, views, chosen)
    return exits.OK


def _print(monitoring: Monitoring, views: Sequence[AlertView], chosen: AlertFilter) -> None:
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.cli.alert_tables import alert_table

    if views:
        console = output.console()
        console.print(alert_table(views, narrow=console.width < 110))
    else:
        output.notes().print(_nothing(monitoring, chosen))


def _nothing(monitoring: Monitoring, chosen: AlertFilter) -> str:
    """What an empty list means, and what to do if something was expected."""
    from monitoring_pipeline.reports.alerts import AlertFilter

    if not monitoring.config.alerting.rules:
        return "There are no rules, so nothing can alert; docs/configuration.md shows how to write some under `rules:`."
    if chosen != AlertFilter():
        return "No alert matches."
    return "Nothing fires. `busta alerts history` shows what did; `busta sources explain ID` says why nothing does."


def _follow(read: Callable[[], list[AlertView]]) -> None:
    from monitoring_pipeline.cli.alert_watch import follow

    follow(read)
