"""`busta quality show`: how good the data were at the last look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened

if TYPE_CHECKING:
    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.reports.quality import SourceQuality, SuiteView

__all__ = ["show"]

_NONE = "No suite is configured and nobody reported quality; docs/quality.md shows how to write a suite."
_NONE_OF = "{} has no suite, and nobody reported its quality; docs/quality.md shows how to write one."


@click.command()
@click.argument("name", required=False, metavar="[SOURCE | SUITE]")
@json_option
def show(name: str | None, *, as_json: bool) -> int:
    """Shows the quality of all sources, or of one with its findings and rows that fail.

    Exits with 0, 1 or 2 by the worst of what is shown.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.quality import quality_document

    with opened() as monitoring:
        now = monitoring.clock()
        found = _found(monitoring, name)
        shown = [view for each in found for view in each.suites] if name is not None else []
        trends = [monitoring.quality.scores(view.source, view.suite) for view in shown]
    if as_json:
        output.emit_json({"at": now, "sources": [quality_document(each) for each in found]})
    elif not any(each.suites for each in found):
        output.notes().print(_NONE if name is None else _NONE_OF.format(name))
    elif name is None:
        from monitoring_pipeline.cli.quality_tables import overview_table
        from monitoring_pipeline.cli.tables import NARROW

        console = output.console()
        console.print(overview_table(found, now, narrow=console.width < NARROW))
    else:
        _print_each(shown, trends)
    return exits.of_statuses(view.status for each in found for view in each.suites)


def _found(monitoring: Monitoring, name: str | None) -> Sequence[SourceQuality]:
    """All sources with suites; one; or those with a suite of this name, reduced to it. Raises NotFound."""
    from dataclasses import replace

    from monitoring_pipeline.errors import NotFound

    if name is None:
        return monitoring.quality.of_sources()
    sources = [source.id for source in monitoring.config.sources]
    if name in sources:
        return [monitoring.quality.of_source(name)]
    views = [view for view in monitoring.quality.views() if view.suite == name]
    if not views:
        raise NotFound("source or suite", name, [*sources, *(view.suite for view in monitoring.quality.views())])
    return [replace(monitoring.quality.of_source(view.source), suites=(view,)) for view in views]


def _print_each(views: Sequence[SuiteView], trends: Sequence[Sequence[tuple[datetime, str, float | None]]]) -> None:
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.cli.quality_tables import suite_parts

    console = output.console()
    for number, (view, trend) in enumerate(zip(views, trends, strict=True)):
        if number:
            console.print()
        for part in suite_parts(view, [score for _, _, score in trend]):
            console.print(part)
