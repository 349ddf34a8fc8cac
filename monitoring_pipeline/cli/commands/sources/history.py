"""`busta sources history`: what was found, how often it was well, and how fast it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.moments import DURATION
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import checks_named, complete_ids, source_named

if TYPE_CHECKING:
    from monitoring_pipeline.app import Monitoring

__all__ = ["history", "sparkline"]

_BARS = "▁▂▃▄▅▆▇█"
_BUCKETS = 60
_LONG = timedelta(days=2)


@click.command()
@click.argument("source_id", metavar="ID", shell_complete=complete_ids)
@click.option(
    "--since", default="24h", show_default=True, metavar="DURATION", type=DURATION, help="How far back: 30m, 24h, 7d."
)
@click.option("--check", "check_id", metavar="CHECK", help="Only this check.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="Rows to show.")
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw the response times as a PNG too.")
@json_option
def history(
    source_id: str, since: timedelta, check_id: str | None, limit: int, plot: Path | None, *, as_json: bool
) -> int:
    """Shows the results of one source, newest first. Time without results counts as unknown.

    What goes back more than two days is counted from rollups: `--since 90d` takes no longer than a day.
    """
    from monitoring_pipeline.cli import output

    with opened() as monitoring:
        source_named(monitoring.config, source_id)
        if check_id is not None:
            checks_named(monitoring.config, [f"{source_id}/{check_id}"])
        until = monitoring.clock()
        found = _read(monitoring, source_id, until - since, until, limit, check_id)
    document = {"source": source_id, "check": check_id, "since": until - since, "until": until, **found}
    if plot is not None:
        _draw(document, plot)
    if as_json:
        output.emit_json(document)
    else:
        _print(document)
    return exits.OK


def _read(
    monitoring: Monitoring, source: str, since: datetime, until: datetime, limit: int, check: str | None
) -> dict[str, Any]:
    from monitoring_pipeline.store import queries, rollups

    # A little beyond the end: what finished this very moment belongs to it.
    until += timedelta(microseconds=1)
    counted = rollups if until - since > _LONG else queries
    tables = ("results", "gaps", "samples") if counted is rollups else ("results", "gaps")
    # An hour more: buckets begin before the span does.
    begin, reads = since - timedelta(hours=1), rollups.READS
    with monitoring.history(since=begin, source=source, tables=tables, columns=reads) as connection:
        return {
            "summary": next(iter(counted.uptime(connection, source, since, until, check=check)), None),
            "results": queries.source_history(connection, source, since, until, limit=limit, check=check),
            "gaps": queries.source_gaps(connection, source, since, until, check=check),
            "response_series": counted.response_series(connection, source, since, until, _BUCKETS, check),
        }


def _draw(document: Mapping[str, Any], path: Path) -> None:
    from monitoring_pipeline.alerting.delivery.plot import series_png

    times = [(each["start"], each["avg_ms"]) for each in document["response_series"] if each["avg_ms"] is not None]
    picture = series_png(f"{document['source']}: response time", times, unit="ms")
    if picture is None:
        raise click.ClickException("there are no response times to draw")
    path.write_bytes(picture)


def _print(document: Mapping[str, Any]) -> None:
    from monitoring_pipeline.cli import output, tables

    console = output.console()
    rows = sorted(
        [*document["results"], *map(_gap_row, document["gaps"])], key=lambda row: row["started"], reverse=True
    )
    span = f"{output.local(document['since'])} to {output.local(document['until'])}"
    if not rows:
        console.print(f"No results of {document['source']} from {span}.")
        console.print(f"`busta up` starts watching; `busta sources check {document['source']}` looks once.")
        return
    console.print(tables.facts(_summary(document) | {"span": span}))
    console.print(tables.result_table(rows))


def _summary(document: Mapping[str, Any]) -> dict[str, str]:
    counts = document["summary"]
    if counts is None:
        return {}
    percent = "unknown" if counts["availability"] is None else f"{counts['availability']:.3f} % of what is known"
    listed = ", ".join(f"{counts[name]} {name}" for name in ("healthy", "warning", "critical", "unknown"))
    missed = f", {counts['gap_slots']} slots that nobody executed" if counts["gap_slots"] else ""
    times = [bucket["avg_ms"] for bucket in document["response_series"]]
    return {"available": percent, "results": listed + missed, "response": sparkline(times)}


def _gap_row(gap: Mapping[str, Any]) -> dict[str, Any]:
    from monitoring_pipeline.cli.output import local

    message = f"{gap['slots']} slots without a result until {local(gap['end'])} ({gap['reason'].replace('_', ' ')})"
    return {
        "started": gap["start"], "check": gap["check"], "status": "unknown", "response_time_ms": None,
        "message": message, "skipped": None,
    }  # fmt: skip


def sparkline(values: Sequence[float | None]) -> str:
    """One bar per value between the least and the greatest, with both; a blank where there is none."""
    from monitoring_pipeline.cli.output import milliseconds

    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    step = (high - low) / (len(_BARS) - 1) or 1.0
    bars = "".join(" " if value is None else _BARS[round((value - low) / step)] for value in values)
    return f"{bars}  {milliseconds(low)} to {milliseconds(high)}"
