"""`busta sources trends`: where the metrics of a source are heading."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.moments import DURATION
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import complete_ids, source_named

if TYPE_CHECKING:
    from monitoring_pipeline.analysis.series import Grid
    from monitoring_pipeline.analysis.trends import Trend
    from monitoring_pipeline.app import Monitoring

__all__ = ["trends"]

_NONE = (
    "No trends are kept yet: Dagster computes them once a day (`busta up`), of series with some days of history; "
    "name a source to look at it now."
)


@click.command()
@click.argument("source_id", metavar="[ID]", required=False, shell_complete=complete_ids)
@click.option("--metric", "metrics", multiple=True, metavar="METRIC", help="Only this metric; may be repeated.")
@click.option(
    "--over", default="28d", show_default=True, metavar="DURATION", type=DURATION, help="How far to look back."
)
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw values and lines as a PNG too.")
@click.option(
    "--parts", metavar="FILE", type=click.Path(path_type=Path), help="Draw trend, seasons and rest of one metric."
)
@json_option
def trends(
    source_id: str | None,
    metrics: tuple[str, ...],
    over: timedelta,
    plot: Path | None,
    parts: Path | None,
    *,
    as_json: bool,
) -> int:
    """Tells where metrics are heading: upward, downward, stable or volatile.

    Of one source from its newest values; of all sources as of the last daily run, what moves most first.

    \b
    busta sources trends files                     everything it measures
    busta sources trends files --over 7d --plot trends.png
    busta sources trends api --metric response_time_ms --parts parts.png
    busta sources trends                           all sources
    """
    if source_id is None:
        if plot is not None or parts is not None:
            raise click.UsageError("a picture needs a source")
        return _everything(as_json=as_json)
    from monitoring_pipeline.analysis.outlook_rows import trend_row
    from monitoring_pipeline.analysis.sentences import trend_in_words
    from monitoring_pipeline.cli import output

    with opened() as monitoring:
        source_named(monitoring.config, source_id)
        grid, found = _look(monitoring, source_id, metrics, over)
    if plot is not None:
        _draw(grid, found, plot)
    if parts is not None:
        _draw_parts(grid, parts)
    if as_json:
        document = [{**trend_row(each), "text": trend_in_words(each)} for each in found]
        output.emit_json({"source": source_id, "since": grid.start, "until": grid.end, "trends": document})
    else:
        _print(source_id, found, over)
    return exits.OK


def _look(monitoring: Monitoring, source: str, metrics: tuple[str, ...], over: timedelta) -> tuple[Grid, list[Trend]]:
    from monitoring_pipeline.analysis.trends import find_trends

    grid = monitoring.outlook.grid(source, over, metrics or None)
    return grid, find_trends(grid)


def _draw(grid: Grid, found: list[Trend], path: Path) -> None:
    from monitoring_pipeline.analysis.pictures import trends_png

    if not found:
        raise click.ClickException("there is nothing to draw")
    path.write_bytes(trends_png(grid, found))


def _draw_parts(grid: Grid, path: Path) -> None:
    from monitoring_pipeline.analysis.decomposition import decompose
    from monitoring_pipeline.analysis.pictures import decomposition_png

    if len(grid.keys) != 1:
        raise click.UsageError(f"--parts draws one series, these are {len(grid.keys)}: choose with --metric")
    parts = decompose(grid)
    if parts is None:
        raise click.ClickException("there is too little history to take it apart")
    path.write_bytes(decomposition_png(parts))


def _print(source: str, found: list[Trend], over: timedelta) -> None:
    from rich.text import Text

    from monitoring_pipeline.analysis.sentences import trend_in_words
    from monitoring_pipeline.cli import output, tables
    from monitoring_pipeline.clock import format_duration

    if not found:
        output.console().print(f"Nothing was measured of {source} in the last {format_duration(over)}.")
        return
    table = tables.plain_table("metric", "check", "direction", "strength", "season", "trend")
    for each in sorted(found, key=lambda trend: -trend.strength):
        table.add_row(
            _name(each.key.metric, each.key.tags), each.key.check, each.direction.value, f"{each.strength:.2f}",
            f"{each.season:.2f}", Text(trend_in_words(each)),
        )  # fmt: skip
    output.console().print(table)


def _everything(*, as_json: bool) -> int:
    from monitoring_pipeline.cli import output, tables

    with opened() as monitoring:
        period, rows = monitoring.outlook.read("trends")
    rows.sort(key=lambda row: (-(row["direction"] in ("upward", "downward")), -row["strength"]))
    if as_json:
        output.emit_json({"at": period, "trends": rows})
        return exits.OK
    if period is None:
        output.notes().print(_NONE)
        return exits.OK
    table = tables.plain_table("source", "metric", "direction", "strength", "a day", "in all")
    for row in rows:
        table.add_row(
            row["source"], _name(row["metric"], row["tags"]), row["direction"], f"{row['strength']:.2f}",
            f"{row['slope_per_day']:+.3g} {row['unit']}", _percent(row["change_percent"]),
        )  # fmt: skip
    output.console().print(table)
    return exits.OK


def _name(metric: str, tags: str) -> str:
    return metric if tags in ("", "{}") else f"{metric} {tags}"


def _percent(value: Any) -> str:
    return "" if value is None else f"{value:+.1f} %"
