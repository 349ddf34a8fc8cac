"""`busta alerts history`: what fired, how long it lasted, how soon somebody was on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.alert_filters import filter_options, wanted
from monitoring_pipeline.cli.moments import DURATION
from monitoring_pipeline.cli.opening import json_option, opened

if TYPE_CHECKING:
    from monitoring_pipeline.reports.alerts import AlertView

__all__ = ["history"]


@click.command()
@filter_options(states=False)
@click.option("--since", type=DURATION, default="7d", show_default=True, metavar="DURATION", help="How far back.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="Rows to show.")
@json_option
def history(since: timedelta, limit: int, *, as_json: bool, **filters: Any) -> int:
    """Shows alerts that fired, also those that are over, newest first, with a summary."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import alert_document

    with opened() as monitoring:
        until = monitoring.clock()
        chosen = wanted(monitoring.config, since=until - since, fired_only=True, **filters)
        views = monitoring.alerts(chosen, limit)
    summary = _summary(views)
    if as_json:
        document = {"since": until - since, "until": until, "summary": summary}
        output.emit_json(document | {"alerts": [alert_document(view) for view in views]})
    elif views:
        from monitoring_pipeline.cli.alert_tables import alert_table

        console = output.console()
        console.print(_sentence(summary))
        console.print(alert_table(views, narrow=console.width < 110))
    else:
        span = f"{output.local(until - since)} to {output.local(until)}"
        output.notes().print(f"Nothing fired from {span}; --since looks further back.")
    return exits.OK


def _summary(views: Sequence[AlertView]) -> dict[str, Any]:
    over = [view for view in views if view.alert.resolved is not None]
    return {
        "alerts": len(views),
        "open": len(views) - len(over),
        "median_s": median(view.age.total_seconds() for view in over) if over else None,
        "told": sum(bool(view.told) for view in views),
    }


def _sentence(summary: dict[str, Any]) -> str:
    from monitoring_pipeline.cli.alert_tables import length

    lasted = summary["median_s"]
    half = "" if lasted is None else f"; those that are over lasted {length(timedelta(seconds=lasted))} at the median"
    return f"{summary['alerts']} alerts, {summary['open']} of them open, {summary['told']} told to somebody{half}"
