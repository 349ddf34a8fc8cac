"""`busta alerts ack`, `unack`, `resolve` and `note`: what people do about alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.acting import Acting, acting
from monitoring_pipeline.cli.moments import ending, until_options

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.actions import Done

__all__ = ["ack", "note", "resolve", "unack"]

_ids = click.argument("ids", nargs=-1, required=True, type=int, metavar="ID...")
_note = click.option("--note", "text", default="", metavar="TEXT", help="What to keep with it.")


@click.command()
@_ids
@until_options
@_note
def ack(ids: tuple[int, ...], lasting: timedelta | None, until: datetime | None, text: str) -> int:
    """Acknowledges alerts: you work on them, so no reminder and no escalation goes out.

    Without --for or --until it lasts as long as `alerting.acknowledge_timeout` says, else until the alert ends.

    \b
    busta alerts ack 12 13 --for 2h --note "new disk ordered"
    """
    from monitoring_pipeline.alerting.actions import acknowledge

    def act(here: Acting, alert: int) -> Done:
        default = here.monitoring.config.alerting.spec.acknowledge_timeout
        end = ending(lasting, until, here.now) or (None if default is None else here.now + default)
        return acknowledge(here.connection, alert, here.by, here.now, until=end, text=text)

    return _each(ids, act)


@click.command()
@_ids
@_note
def unack(ids: tuple[int, ...], text: str) -> int:
    """Takes acknowledgements back: the alerts fire again."""
    from monitoring_pipeline.alerting.actions import unacknowledge

    return _each(ids, lambda here, alert: unacknowledge(here.connection, alert, here.by, here.now, text=text))


@click.command()
@_ids
@_note
def resolve(ids: tuple[int, ...], text: str) -> int:
    """Ends alerts by hand. While its rule still holds, an alert comes back as a new one."""
    from monitoring_pipeline.alerting.actions import resolve as end

    return _each(ids, lambda here, alert: end(here.connection, alert, here.by, here.now, text=text))


@click.command()
@click.argument("alert_id", type=int, metavar="ID")
@click.argument("text", nargs=-1, required=True, metavar="TEXT...")
def note(alert_id: int, text: tuple[str, ...]) -> int:
    """Keeps a note with an alert, also after its end.

    \b
    busta alerts note 12 the disk was full, see the runbook
    """
    from monitoring_pipeline.alerting.actions import note as write

    return _each([alert_id], lambda here, alert: write(here.connection, alert, here.by, here.now, " ".join(text)))


def _each(ids: Sequence[int], act: Callable[[Acting, int], Done]) -> int:
    """Does it to all of them or, when one of them cannot be, to none; says what came of each."""
    with acting() as here:
        told = [act(here, each).text for each in dict.fromkeys(ids)]
    for line in told:
        click.echo(line)
    return exits.OK
