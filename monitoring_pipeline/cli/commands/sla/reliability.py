"""`busta sla reliability`: how often things fail, and how soon somebody notices and sets it right."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.moments import DURATION
from monitoring_pipeline.cli.opening import json_option, opened

if TYPE_CHECKING:
    from monitoring_pipeline.analysis.sla.reliability import Reliability

__all__ = ["reliability"]


@click.command()
@click.option("--since", default="30d", show_default=True, type=DURATION, metavar="DURATION", help="How far back.")
@json_option
def reliability(since: timedelta, *, as_json: bool) -> int:
    """Shows MTBF, MTTR, MTTD and MTTA of sources, components and the whole system.

    \b
    MTBF  good time per failure
    MTTR  bad time until it was good again
    MTTD  from the begin of a failure until an alert fired
    MTTA  from there until somebody acknowledged
    """
    from monitoring_pipeline.cli import output, tables
    from monitoring_pipeline.reports.sla import reliability_document

    with opened() as monitoring:
        now = monitoring.clock()
        view = monitoring.sla.reliability(now - since, now)
    if as_json:
        output.emit_json(reliability_document(view))
        return exits.OK
    table = tables.plain_table("what", "failures", "MTBF", "MTTR", "MTTD", "MTTA", "remarks")
    table.add_row("everything", *_cells(view.system))
    for component, found in view.components.items():
        table.add_row(f"component {component}", *_cells(found))
    for source, found in sorted(view.sources.items(), key=lambda each: -each[1].failures):
        if found.failures:
            table.add_row(source, *_cells(found))
    output.console().print(table)
    return exits.OK


def _cells(found: Reliability) -> list[str]:
    means = (found.mtbf_us, found.mttr_us, found.mttd_us, found.mtta_us)
    remarks = []
    if found.failures > found.ended:
        remarks.append(f"{found.failures - found.ended} still going on")
    if found.hazy:
        remarks.append(f"{found.hazy} ended while nobody looked, so MTTR may be longer")
    return [str(found.failures), *(_length(mean) for mean in means), "; ".join(remarks)]


def _length(mean: float | None) -> str:
    from monitoring_pipeline.clock import format_duration

    if mean is None:
        return "-"
    seconds = round(mean / 1_000_000)
    whole = seconds if seconds < 3600 else seconds // 60 * 60 if seconds < 86400 else seconds // 3600 * 3600
    return format_duration(timedelta(seconds=whole))
