"""`busta oncall`: who is on call now and in the next weeks, and who stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.acting import acting
from monitoring_pipeline.cli.moments import DURATION, MOMENT, ending, until_options
from monitoring_pipeline.cli.opening import json_option, opened

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.people.oncall import Shift
    from monitoring_pipeline.alerting.spec import Plan
    from monitoring_pipeline.store.overrides import Override

__all__ = ["oncall"]

_NO_ROTAS = "There are no rotas; docs/configuration.md shows how to write some under `rotas:`."


@click.group()
def oncall() -> None:
    """Who is on call now and next, and who stands in.

    \b
    busta oncall who
    busta oncall show primary --ahead 4w
    busta oncall override primary ana --from 18:00 --for 12h --reason "swap with ben"
    """


@oncall.command("who")
@click.argument("rota", required=False)
@click.option("--at", "moment", type=MOMENT, metavar="MOMENT", help="At this moment. [default: now]")
@json_option
def who(rota: str | None, moment: datetime | None, *, as_json: bool) -> int:
    """Says who is on call now, per rota, and how to reach them."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import on_call_document
    from monitoring_pipeline.reports.duty import duty

    with opened() as monitoring:
        plan, at = monitoring.config.alerting, moment or monitoring.clock()
        shifts = duty(monitoring.store, plan, at).on_call(rota)
    if as_json:
        output.emit_json({"at": at, "rotas": [on_call_document(name, each, plan) for name, each in shifts.items()]})
    elif shifts:
        _print_who(shifts, plan)
    else:
        output.notes().print(_NO_ROTAS)
    return exits.OK


def _print_who(shifts: Mapping[str, Shift | None], plan: Plan) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("rota", "on call", "until", "why", "reached by")
    for name, shift in shifts.items():
        if shift is None:
            table.add_row(name, Text("nobody", style="bold red"), "", "", "")
            continue
        person = plan.people.get(shift.person)
        full = f" ({person.name})" if person and person.name else ""
        reached = [person.email, person.phone, person.slack] if person else ["nobody of this name is configured"]
        table.add_row(
            name, Text(shift.person + full), output.local(shift.end), shift.why.value,
            Text(", ".join(filter(None, reached))),
        )  # fmt: skip
    output.console().print(table)


@oncall.command("show")
@click.argument("rota", required=False)
@click.option("--ahead", type=DURATION, default="2w", show_default=True, metavar="DURATION", help="How far ahead.")
@json_option
def show(rota: str | None, ahead: timedelta, *, as_json: bool) -> int:
    """Shows the schedule of the next weeks, times in which nobody is on call included."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import shift_document
    from monitoring_pipeline.reports.duty import duty

    with opened() as monitoring:
        now = monitoring.clock()
        here = duty(monitoring.store, monitoring.config.alerting, now)
        found = here.shifts(ahead, rota)
    if as_json:
        rotas = [{"rota": name, "shifts": [shift_document(each) for each in own]} for name, own in found.items()]
        output.emit_json({"since": now, "until": now + ahead, "rotas": rotas})
    elif found:
        _print_schedule(found, here.overrides)
    else:
        output.notes().print(_NO_ROTAS)
    return exits.OK


def _print_schedule(found: Mapping[str, list[Shift]], overrides: Sequence[Override]) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    console = output.console()
    table = tables.plain_table("rota", "from", "until", "on call", "why")
    for name, own in found.items():
        for each in own:
            person = Text(each.person) if each.person else Text("nobody", style="bold red")
            table.add_row(name, output.local(each.start), output.local(each.end), person, each.why.value)
    console.print(table)
    for override in overrides:
        why = f" ({override.reason})" if override.reason else ""
        console.print(
            f"override {override.id}: {override.person} for {override.rota}, by {override.author}{why}; "
            f"`busta oncall end {override.id}` ends it",
        )


@oncall.command("override")
@click.argument("rota")
@click.argument("person")
@click.option("--from", "starts", type=MOMENT, metavar="MOMENT", help="When it begins. [default: now]")
@until_options
@click.option("--reason", default="", metavar="TEXT", help="Why.")
def override(
    rota: str, person: str, starts: datetime | None, lasting: timedelta | None, until: datetime | None, reason: str
) -> int:
    """Lets PERSON stand in for whoever's turn it is in ROTA."""
    from monitoring_pipeline.alerting import actions
    from monitoring_pipeline.store.overrides import Override

    if lasting is None and until is None:
        raise click.UsageError("how long? give --for or --until")
    with acting() as here:
        begin = starts or here.now
        end = ending(lasting, until, begin)
        assert end is not None  # noqa: S101 - one of them was given
        wanted = Override(rota, person, begin, end, here.by, reason)
        done = actions.override(here.connection, wanted, here.monitoring.config.alerting, here.by, here.now)
    click.echo(f"{done.text}; `busta oncall end {done.override.id}` ends it")
    return exits.OK


@oncall.command("end")
@click.argument("override_id", type=int, metavar="ID")
def end(override_id: int) -> int:
    """Ends an override: whoever's turn it is, is on call again."""
    from monitoring_pipeline.alerting.actions import end_override

    with acting() as here:
        ended = end_override(here.connection, override_id, here.by, here.now)
    click.echo(f"override {override_id} {'has ended' if ended else 'was over already'}")
    return exits.OK
