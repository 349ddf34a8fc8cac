"""`busta sources health`: how everything is, the bad first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import Selection, selection_options

if TYPE_CHECKING:
    from monitoring_pipeline.reports import Overview, SourceView

__all__ = ["health"]


@click.command()
@selection_options
@click.option(
    "--status", type=click.Choice(["healthy", "unknown", "warning", "critical"]), help="Only sources of this status."
)
@click.option("--watch", is_flag=True, help="Refresh every second until Ctrl-C.")
@json_option
def health(
    component: str | None, tag: str | None, status: str | None, *, critical: bool, watch: bool, as_json: bool
) -> int:
    """Shows the status per component and per source, and exits with 0, 1 or 2 by the worst of them."""
    if watch and as_json:
        raise click.UsageError("--watch and --json exclude each other: --json prints one document")
    from monitoring_pipeline.cli import output, tables
    from monitoring_pipeline.cli.documents import overview_document

    selection = Selection(component, tag, critical)

    def chosen(overview: Overview) -> list[SourceView]:
        return [v for v in overview.sources if selection.admits(v.source) and status in (None, v.status.value)]

    with opened() as monitoring:
        selection.verify(monitoring.config)
        if watch:
            from monitoring_pipeline.cli.live import watch as follow

            return exits.of_statuses(view.status for view in chosen(follow(monitoring.overview, chosen)))
        overview = monitoring.overview()
    views = chosen(overview)
    if as_json:
        output.emit_json(overview_document(overview, tables.worst_first(views)))
    else:
        console = output.console()
        console.print(tables.health_view(overview, views, width=console.width))
    return exits.of_statuses(view.status for view in views)
