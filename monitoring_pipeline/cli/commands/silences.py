"""`busta silences`: what is not to be told for a while, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.acting import acting
from monitoring_pipeline.cli.matchers import alert_options, matched, matcher
from monitoring_pipeline.cli.moments import MOMENT, ending, until_options
from monitoring_pipeline.cli.opening import json_option, opened

if TYPE_CHECKING:
    from monitoring_pipeline.store.silences import Silence

__all__ = ["print_silences", "silences"]


@click.group()
def silences() -> None:
    """What is not told for a while, and why.

    \b
    busta silences add --source orders-api --for 2h --reason "new disk"
    busta silences add --tag batch --severity warning --until 06:00 --reason "nightly load"
    busta silences add --from-alert 12 --for 1d --reason "known, ticket 4711"
    busta silences end 3
    """


@silences.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@json_option
def list_silences(*, everything: bool, as_json: bool) -> int:
    """Lists the silences that mute or will mute, newest first."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import silence_document
    from monitoring_pipeline.store import silences as stored

    with opened() as monitoring:
        now = monitoring.clock()
        with monitoring.store.read() as connection:
            over = None if everything else now
            found = stored.find(connection, kind=stored.SilenceKind.SILENCE, over_since=over)
    if as_json:
        output.emit_json({"at": now, "silences": [silence_document(each, now) for each in found]})
    elif found:
        print_silences(found, now)
    else:
        output.notes().print(
            "Nothing is silenced. `busta silences add --source ID --for 2h --reason WHY` silences something.",
        )
    return exits.OK


def print_silences(found: Sequence[Silence], now: datetime) -> None:
    """A table of silences or maintenances."""
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("id", "state", "about", "from", "until", "by", "reason")
    for each in found:
        state = "active" if each.is_active(now) else "to come" if each.starts > now else "over"
        ended = f" (ended by {each.ended_by})" if each.ended_by else ""
        table.add_row(
            str(each.id), state, Text(matched(each.matchers)), output.local(each.starts),
            (output.local(each.ends) or "it is ended") + ended, Text(each.author), Text(each.reason),
        )  # fmt: skip
    output.console().print(table)


@silences.command("add")
@alert_options
@click.option("--from-alert", "alert", type=int, metavar="ID", help="What is like this alert: its rule and source.")
@until_options
@click.option("--from", "starts", type=MOMENT, metavar="MOMENT", help="When it begins. [default: now]")
@click.option("--reason", required=True, metavar="TEXT", help="Why; whoever finds it muted reads this.")
def add(
    alert: int | None, lasting: timedelta | None, until: datetime | None, starts: datetime | None, reason: str,
    **fields: Sequence[str],
) -> int:  # fmt: skip
    """Silences alerts: they go on, and nobody is told. All that is given must match.

    It needs an end: --for or --until. What still fires then is told.
    """
    from monitoring_pipeline.alerting import actions

    if lasting is None and until is None:
        raise click.UsageError("how long? give --for or --until")
    meant = matcher(fields)
    if alert is not None and meant.model_fields_set:
        raise click.UsageError("--from-alert says what is meant; leave the other filters out")
    with acting() as here:
        if alert is not None:
            meant = actions.matcher_of(here.connection, alert)
        actions.verify(meant, here.monitoring.config.sources, here.monitoring.config.alerting)
        ends = ending(lasting, until, starts or here.now)
        done = actions.mute(here.connection, meant, here.by, here.now, reason=reason, starts=starts, ends=ends)
    click.echo(f"{done.text}; `busta silences end {done.silence.id}` ends it")
    return exits.OK


@silences.command("end")
@click.argument("ids", nargs=-1, required=True, type=int, metavar="ID...")
def end(ids: tuple[int, ...]) -> int:
    """Ends silences now. What still fires is told."""
    from monitoring_pipeline.alerting.actions import end_mute
    from monitoring_pipeline.store.silences import SilenceKind

    with acting() as here:
        told = [
            end_mute(here.connection, each, here.by, here.now, kind=SilenceKind.SILENCE).text
            for each in dict.fromkeys(ids)
        ]
    click.echo("\n".join(told))
    return exits.OK
