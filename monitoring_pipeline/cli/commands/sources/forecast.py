"""`busta sources forecast`: what a metric will be, and when it reaches its limit."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.moments import DURATION
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import complete_ids, source_named
from monitoring_pipeline.errors import NotFound

if TYPE_CHECKING:
    from monitoring_pipeline.analysis.capacity import Limit, Reach
    from monitoring_pipeline.analysis.forecast import Forecast
    from monitoring_pipeline.analysis.series import Grid
    from monitoring_pipeline.app import Monitoring

__all__ = ["forecast"]

_SHOWN = 12


@click.command()
@click.argument("source_id", metavar="ID", shell_complete=complete_ids)
@click.argument("metric", metavar="[METRIC]", required=False)
@click.option("--ahead", default="24h", show_default=True, metavar="DURATION", type=DURATION, help="How far to look.")
@click.option("--over", default="28d", show_default=True, metavar="DURATION", type=DURATION, help="Learn from so much.")
@click.option("--below", type=float, metavar="LIMIT", help="When does it reach this limit from below?")
@click.option("--above", type=float, metavar="LIMIT", help="When does it fall to this limit?")
@click.option("--ets", is_flag=True, help="Let exponential smoothing (statsmodels) forecast too: takes seconds.")
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw past and forecast as a PNG too.")
@json_option
def forecast(
    source_id: str, metric: str | None, ahead: timedelta, over: timedelta, below: float | None, above: float | None,
    ets: bool, plot: Path | None, *, as_json: bool,
) -> int:  # fmt: skip
    """Forecasts a metric with a 90 % interval, and when it reaches its limit.

    The limit is that of the check's critical condition or of `analysis.limits`, or the one given.

    \b
    busta sources forecast files                           all its metrics, a day ahead
    busta sources forecast files disk_percent --ahead 7d --plot disk.png
    busta sources forecast files disk_percent --below 80   when will it be 80?
    """
    from monitoring_pipeline.cli import output

    if below is not None and above is not None:
        raise click.UsageError("give either --below or --above")
    if not math.isfinite(below or above or 0):
        raise click.UsageError("a limit is a finite number")
    if (below is not None or above is not None) and metric is None:
        raise click.UsageError("a limit needs a METRIC")
    with opened() as monitoring:
        source_named(monitoring.config, source_id)
        grid = _grid(monitoring, source_id, metric, over)
        steps = max(1, round(ahead / grid.step))
        made, reaches = _made(grid, steps, ets=ets), _reaches(monitoring, grid, _limit(below, above))
    if plot is not None:
        _draw(grid, made, reaches, plot)
    if as_json:
        from monitoring_pipeline.analysis.outlook_rows import forecasts_document

        output.emit_json({"source": source_id, **forecasts_document(grid, made, reaches)})
    else:
        _print(source_id, made, reaches)
    return exits.OK


def _grid(monitoring: Monitoring, source: str, metric: str | None, over: timedelta) -> Grid:
    grid = monitoring.outlook.grid(source, over)
    if metric is None:
        return grid
    rows = [row for row, key in enumerate(grid.keys) if key.metric == metric]
    if not rows and grid.keys:
        raise NotFound("metric", metric, {key.metric for key in grid.keys})
    return grid.pick(rows)


def _made(grid: Grid, steps: int, *, ets: bool) -> list[Forecast]:
    from monitoring_pipeline.analysis import forecast as forecasting

    if not ets:
        return forecasting.forecast(grid, steps)
    from monitoring_pipeline.analysis.decomposition import ets_forecaster

    extra = {"exponential smoothing": ets_forecaster}
    return [forecasting.forecast(grid.pick([row]), steps, extra=extra)[0] for row in range(len(grid.keys))]


def _limit(below: float | None, above: float | None) -> Limit | None:
    from monitoring_pipeline.analysis.capacity import Limit

    if below is not None:
        return Limit(below, why="--below")
    return None if above is None else Limit(above, above=True, why="--above")


def _reaches(monitoring: Monitoring, grid: Grid, only: Limit | None) -> list[Reach]:
    from monitoring_pipeline.analysis.outlook import reaches_of

    return reaches_of(grid, monitoring.outlook.limits, only)


def _draw(grid: Grid, made: list[Forecast], reaches: list[Reach], path: Path) -> None:
    from monitoring_pipeline.analysis.pictures import forecasts_png

    if all(each.learning for each in made):
        raise click.ClickException("there is nothing to draw: too little history")
    path.write_bytes(forecasts_png(grid, made, {reach.key: reach.limit.value for reach in reaches}))


def _print(source: str, made: list[Forecast], reaches: list[Reach]) -> None:
    from rich.text import Text

    from monitoring_pipeline.analysis.sentences import reach_in_words
    from monitoring_pipeline.cli import output, tables
    from monitoring_pipeline.clock import format_duration

    console = output.console()
    if not made:
        console.print(f"Nothing was measured of {source}.")
        return
    for each in made if len(made) == 1 else ():
        _print_one(each)
    if len(made) > 1:
        ahead = [format_duration((place + 1) * made[0].step) for place in _places(made[0])]
        table = tables.plain_table("metric", *(f"in {each}" for each in ahead), "error")
        for each in made:
            table.add_row(_name(each), *_cells(each))
        console.print(table)
    for reach in reaches:
        console.print(Text(f"{reach.key.metric} {_tags(reach.key.tags)}{reach_in_words(reach)}"))


def _print_one(made: Forecast) -> None:
    from monitoring_pipeline.cli import output, tables

    console = output.console()
    if made.learning:
        console.print(f"{_name(made)}: too little history to forecast yet")
        return
    table = tables.plain_table("from", "forecast", f"{made.level:.0%} interval")
    every = max(1, made.point.size // _SHOWN)
    for place in range(0, made.point.size, every):
        at = made.start + place * made.step
        table.add_row(output.local(at), f"{made.point[place]:.4g} {made.key.unit}", _interval(made, place))
    console.print(table)
    error = "" if made.mase is None else f", errors in the past {made.mase:.2f} of those of repeating yesterday"
    console.print(f"{_name(made)}: made of {', '.join(made.weights)}{error}", style="dim")


def _cells(made: Forecast) -> list[str]:
    if made.learning:
        return ["learning", *([""] * len(_places(made)))]
    cells = [f"{made.point[place]:.4g} ({_interval(made, place)})" for place in _places(made)]
    return [*cells, "" if made.mase is None else f"{made.mase:.2f}"]


def _places(made: Forecast) -> list[int]:
    """The first step, the one in the middle and the last."""
    return sorted({0, (made.point.size - 1) // 2, made.point.size - 1})


def _interval(made: Forecast, place: int) -> str:
    return f"{made.low[place]:.4g} to {made.high[place]:.4g}"


def _name(made: Forecast) -> str:
    return f"{made.key.metric} {_tags(made.key.tags)}".strip()


def _tags(tags: str) -> str:
    return "" if tags in ("", "{}") else f"{tags} "
