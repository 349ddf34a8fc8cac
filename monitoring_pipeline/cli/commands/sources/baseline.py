"""`busta sources baseline` and `relearn`: what is normal for a source, and what is not to be taken for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.acting import actor
from monitoring_pipeline.cli.moments import MOMENT
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import complete_ids, source_named

if TYPE_CHECKING:
    from rich.table import Table

    from monitoring_pipeline.reports.baselines import Baseline

__all__ = ["baseline", "relearn"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BARS = "▁▂▃▄▅▆▇█"


@click.command()
@click.argument("source_id", metavar="ID", shell_complete=complete_ids)
@click.argument("metric", required=False)
@click.option(
    "--plot", metavar="FILE", type=click.Path(path_type=Path),
    help="Draw the last days of the metric with its normal range as a PNG too.",
)  # fmt: skip
@json_option
def baseline(source_id: str, metric: str | None, plot: Path | None, *, as_json: bool) -> int:
    """Shows what is normal for a source: of each metric, or of one by weekday and hour.

    The hours are those of `analysis.timezone`. A series that is learning has not been seen for long enough; nothing is
    alarmed until then.
    """
    from datetime import timedelta

    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.baselines import baseline_document

    with opened() as monitoring:
        source_named(monitoring.config, source_id)
        found = monitoring.scoring.baselines(source_id, metric)
        if plot is not None:
            drawn = metric or (found[0].metric if found else "")
            picture = monitoring.scoring.picture(source_id, drawn, monitoring.clock() - timedelta(days=7))
            if picture is None:
                raise click.ClickException("there is nothing to draw")
            plot.write_bytes(picture)
    if as_json:
        output.emit_json({"source": source_id, "baselines": [baseline_document(each) for each in found]})
    elif not found:
        output.notes().print("Nothing of it was scored yet; `busta up` scores what it measures.")
    else:
        output.console().print(_overview(found) if metric is None else _hours(found))
    return exits.OK


def _overview(found: Sequence[Baseline]) -> Table:
    from monitoring_pipeline.cli import tables

    table = tables.plain_table("metric", "check", "normal", "on weekdays, by hour", "state")
    for each in found:
        table.add_row(_name(each), each.check, _range(each), _bars(each), _state(each))
    return table


def _hours(found: Sequence[Baseline]) -> Table:
    from monitoring_pipeline.cli import tables

    table = tables.plain_table("metric", "check", "hour", *_DAYS)
    for each in found:
        if each.learning:
            table.add_row(_name(each), each.check, _state(each), *[""] * 7)
        by_slot = {(slot.weekday, slot.hour): slot for slot in each.slots}
        for hour in range(24 if each.slots else 0):
            cells = [by_slot.get((weekday, hour)) for weekday in range(7)]
            shown = ["" if slot is None else f"{_short(slot.low)}-{_short(slot.high)}" for slot in cells]
            table.add_row(_name(each) if hour == 0 else "", each.check if hour == 0 else "", f"{hour:02d}", *shown)
    return table


def _name(each: Baseline) -> str:
    tags = " ".join(f"{name}={value}" for name, value in sorted(each.tags.items()))
    return f"{each.metric} {tags}".strip()


def _state(each: Baseline) -> str:
    return "learning" if each.learning else "known, not learnt from now" if each.paused else "known"


def _range(each: Baseline) -> str:
    if not each.slots:
        return ""
    low, high = min(slot.low for slot in each.slots), max(slot.high for slot in each.slots)
    return f"{_short(low)}-{_short(high)} {each.unit}".rstrip()


def _bars(each: Baseline) -> str:
    """What is expected in each hour of a Wednesday, as bars."""
    values = [slot.expected for slot in each.slots if slot.weekday == 2]
    if not values:
        return ""
    low, high = min(values), max(values)
    step = (high - low) / (len(_BARS) - 1) or 1.0
    return "".join(_BARS[round((value - low) / step)] for value in values)


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


@click.command()
@click.argument("source_id", metavar="ID", shell_complete=complete_ids)
@click.option("--from", "start", required=True, type=MOMENT, metavar="MOMENT", help="Since when it was not normal.")
@click.option("--to", "end", required=True, type=MOMENT, metavar="MOMENT", help="Until when.")
@click.option("--reason", required=True, help="Why; it is kept with your name.")
@json_option
def relearn(source_id: str, start: datetime, end: datetime, reason: str, *, as_json: bool) -> int:
    """Learns again what is normal, without a stretch of time that was not.

    For what was found out later: a load test, an incident that nobody noticed. All series are learnt anew from the
    last 28 days; scores that were told already stay.
    """
    from monitoring_pipeline.cli import output

    with opened() as monitoring:
        source_named(monitoring.config, source_id)
        try:
            facts = monitoring.scoring.exclude(source_id, start, end, author=actor(), reason=reason)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    if as_json:
        output.emit_json({"source": source_id, "from": start, "to": end, **facts})
    else:
        output.console().print(f"Learnt {facts['series']} series anew from {facts['samples']} samples.")
    return exits.OK
