"""`busta anomalies`: what was strange, and what would have been normal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.moments import DURATION
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import complete_ids, source_named

if TYPE_CHECKING:
    from rich.table import Table

    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.reports.anomalies import Strange

__all__ = ["anomalies"]

_NOTHING = (
    "Nothing was strange in the series that have learnt what is normal; `busta sources baseline SOURCE` tells which "
    "of its series still learn."
)
_STYLES = {"critical": "bold red", "warning": "yellow", "info": "dim"}


@click.command()
@click.argument("source_id", metavar="[SOURCE]", required=False, shell_complete=complete_ids)
@click.option(
    "--since", default="24h", show_default=True, metavar="DURATION", type=DURATION, help="How far back: 30m, 24h, 7d."
)
@click.option("--metric", metavar="METRIC", help="Only this metric.")
@click.option(
    "--plot", metavar="FILE", type=click.Path(path_type=Path),
    help="Draw a metric of a source with its normal range as a PNG too.",
)  # fmt: skip
@json_option
def anomalies(source_id: str | None, since: timedelta, metric: str | None, plot: Path | None, *, as_json: bool) -> int:
    """Shows what was strange, of one source or of all, the newest first.

    Each line says what was measured and what would have been normal at that time. A series that still learns what is
    normal causes none; `busta sources baseline` tells which do.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.anomalies import strange_document

    if plot is not None and source_id is None:
        raise click.UsageError("--plot draws one source: name it")
    with opened() as monitoring:
        if source_id is not None:
            source_named(monitoring.config, source_id)
        now = monitoring.clock()
        found = monitoring.scoring.strange(now - since, source=source_id, metric=metric)
        if plot is not None and source_id is not None:
            _draw(monitoring, found, source_id, metric, since, plot)
    if as_json:
        output.emit_json({"since": now - since, "at": now, "anomalies": [strange_document(each) for each in found]})
    elif found:
        output.console().print(_table(found))
    else:
        output.notes().print(_NOTHING)
    return exits.OK


def _table(found: Sequence[Strange]) -> Table:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("began", "lasted", "source", "kind", "score", "what")
    for each in found:
        lasted = "goes on" if each.is_open else "" if each.ended is None else output.since(each.began, each.ended)
        table.add_row(
            output.local(each.began), lasted, each.source, Text(each.kind, style=_STYLES.get(each.severity.value, "")),
            "" if each.score is None else f"{each.score:.1f}", Text(each.text),
        )  # fmt: skip
    return table


def _draw(
    monitoring: Monitoring, found: Sequence[Strange], source: str, metric: str | None, since: timedelta, path: Path
) -> None:
    wanted = metric or next((each.metric for each in found), None)
    picture = None if wanted is None else monitoring.scoring.picture(source, wanted, monitoring.clock() - since)
    if picture is None:
        raise click.ClickException("there is nothing to draw; --metric says of which metric")
    path.write_bytes(picture)
