"""`busta sources list`: what is configured."""

from __future__ import annotations

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import Selection, selection_options

__all__ = ["list_sources"]


@click.command("list")
@selection_options
@json_option
def list_sources(component: str | None, tag: str | None, *, critical: bool, as_json: bool) -> int:
    """Lists the sources with their status."""
    from monitoring_pipeline.cli import output, tables
    from monitoring_pipeline.cli.documents import source_document

    selection = Selection(component, tag, critical)
    with opened() as monitoring:
        selection.verify(monitoring.config)
        overview = monitoring.overview()
    views = [view for view in overview.sources if selection.admits(view.source)]
    if as_json:
        output.emit_json({"at": overview.at, "sources": [source_document(view) for view in views]})
        return exits.OK
    if not views:
        output.notes().print("No source matches." if selection else "There are no sources; `busta init` finds some.")
        return exits.OK
    table = tables.plain_table("source", "status", "component", "criticality", "checks", "tags", "owner", "description")
    for view in views:
        source = view.source
        table.add_row(
            source.id, output.status_text(view.status), source.component, source.criticality.value,
            str(len(view.checks)), " ".join(source.tags), source.owner, source.description,
        )  # fmt: skip
    output.console().print(table)
    return exits.OK
