"""`busta maintenance`: times in which sources may be away, announced by command or configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.acting import acting
from monitoring_pipeline.cli.commands.silences import print_silences
from monitoring_pipeline.cli.matchers import matched, matcher, source_options
from monitoring_pipeline.cli.moments import MOMENT, ending, until_options
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import complete_ids

__all__ = ["maintenance"]


@click.group()
def maintenance() -> None:
    """Times in which sources may be away: nobody is told, and the time does not count.

    \b
    busta maintenance start orders-db --for 1h --reason "upgrade"
    busta maintenance start --component data --from 22:00 --for 2h --reason "move"
    busta maintenance end 4
    """


@maintenance.command("start")
@click.argument("ids", nargs=-1, metavar="[SOURCE]...", shell_complete=complete_ids)
@source_options
@until_options
@click.option("--from", "starts", type=MOMENT, metavar="MOMENT", help="When it begins. [default: now]")
@click.option("--reason", required=True, metavar="TEXT", help="What is done.")
def start(
    ids: tuple[str, ...], lasting: timedelta | None, until: datetime | None, starts: datetime | None, reason: str,
    **fields: tuple[str, ...],
) -> int:  # fmt: skip
    """Announces maintenance of sources, by id or by filters. Without an end it lasts until `end`."""
    from monitoring_pipeline.alerting import actions
    from monitoring_pipeline.store.silences import SilenceKind

    fields["source"] = (*fields["source"], *ids)
    if not any(fields.values()):
        raise click.UsageError("which sources? name them, or use --component, --tag or --team")
    meant = matcher(fields)
    with acting() as here:
        actions.verify(meant, here.monitoring.config.sources, here.monitoring.config.alerting)
        ends = ending(lasting, until, starts or here.now)
        done = actions.mute(
            here.connection, meant, here.by, here.now, reason=reason, kind=SilenceKind.MAINTENANCE, starts=starts,
            ends=ends,
        )  # fmt: skip
    click.echo(f"{done.text}; `busta maintenance end {done.silence.id}` ends it")
    return exits.OK


@maintenance.command("end")
@click.argument("ids", nargs=-1, required=True, type=int, metavar="ID...")
def end(ids: tuple[int, ...]) -> int:
    """Ends maintenance that was announced by command. What still fires is told."""
    from monitoring_pipeline.alerting.actions import end_mute
    from monitoring_pipeline.store.silences import SilenceKind

    with acting() as here:
        told = [
            end_mute(here.connection, each, here.by, here.now, kind=SilenceKind.MAINTENANCE).text
            for each in dict.fromkeys(ids)
        ]
    click.echo("\n".join(told))
    return exits.OK


@maintenance.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was announced and is over.")
@json_option
def list_maintenance(*, everything: bool, as_json: bool) -> int:
    """Lists maintenance that was announced, and the next windows of the configuration."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import silence_document, window_document
    from monitoring_pipeline.reports.duty import duty
    from monitoring_pipeline.store import silences as stored

    with opened() as monitoring:
        now = monitoring.clock()
        with monitoring.store.read() as connection:
            over = None if everything else now
            found = stored.find(connection, kind=stored.SilenceKind.MAINTENANCE, over_since=over)
        here = duty(monitoring.store, monitoring.config.alerting, now)
        windows = [window_document(each, now) for each in here.coming()]
        for problem in here.problems():
            output.notes().print(problem, style="yellow")
    if as_json:
        announced = [silence_document(each, now) for each in found]
        output.emit_json({"at": now, "announced": announced, "windows": windows})
        return exits.OK
    if not (found or windows):
        output.notes().print(
            "No maintenance. `busta maintenance start SOURCE --for 1h --reason WHY` announces some; "
            "windows that come again are configured under `maintenance:`.",
        )
    if found:
        print_silences(found, now)
    if windows:
        _print_windows(windows)
    return exits.OK


def _print_windows(windows: Sequence[Mapping[str, Any]]) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("window", "state", "from", "until", "about")
    for each in windows:
        about = matched(each["sources"]) or "all sources"
        state = "open" if each["open"] else "to come"
        table.add_row(Text(each["name"]), state, output.local(each["start"]), output.local(each["end"]), Text(about))
    output.console().print(table)
