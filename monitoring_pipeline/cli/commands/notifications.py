"""`busta notifications`: what was told to whom, every try, and what could not be delivered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.acting import acting
from monitoring_pipeline.cli.moments import DURATION
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.store.deliveries import Notified

__all__ = ["notifications"]

_STATES = ("waiting", "collecting", "sending", "sent", "dead", "dropped")
_MOST = 10_000


@click.group()
def notifications() -> None:
    """What was told to whom, every try, and what could not be delivered.

    \b
    busta notifications log --channel ops-mail --since 1d
    busta notifications log --dead
    busta notifications replay 17 18
    """


@notifications.command("log")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only in this state.")
@click.option("--dead", is_flag=True, help="Only what was given up: the dead letters.")
@click.option("--channel", metavar="NAME", help="Only through this channel.")
@click.option("--kind", metavar="KIND", help="Only firing, resolved, acknowledged, reminder, escalation, digest, test.")
@click.option("--alert", type=int, metavar="ID", help="Only what tells of this alert.")
@click.option("--since", type=DURATION, metavar="DURATION", help="Only what was written since then: 1h, 7d.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, _MOST), help="Rows to show.")
@json_option
def log(
    states: tuple[str, ...], channel: str | None, kind: str | None, alert: int | None, since: timedelta | None,
    limit: int, *, dead: bool, as_json: bool,
) -> int:  # fmt: skip
    """Lists notifications, the newest first."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import notification_document
    from monitoring_pipeline.store.deliveries import find_notifications

    with opened() as monitoring:
        now = monitoring.clock()
        _verify(monitoring, channel)
        with monitoring.store.read() as connection:
            found = find_notifications(
                connection, states=(*states, "dead") if dead else states, channel=channel, kind=kind, alert=alert,
                since=None if since is None else now - since, limit=limit,
            )  # fmt: skip
        any_channel = bool(monitoring.config.alerting.channels)
    if as_json:
        output.emit_json({"at": now, "notifications": [notification_document(each) for each in found]})
    elif found:
        from monitoring_pipeline.cli.alert_tables import notification_table

        output.console().print(notification_table(found))
    else:
        hint = "" if any_channel else " There are no channels: nobody can be told."
        output.notes().print(f"No notification matches.{hint}")
    return exits.OK


def _verify(monitoring: Monitoring, channel: str | None) -> None:
    """Raises NotFound for a channel that is neither configured nor was ever used."""
    from monitoring_pipeline.store.deliveries import channel_names

    if channel is None or channel in monitoring.config.alerting.channels:
        return
    with monitoring.store.read() as connection:
        used = channel_names(connection)
    if channel not in used:
        raise NotFound("channel", channel, [*monitoring.config.alerting.channels, *used])


@notifications.command("show")
@click.argument("notification_id", type=int, metavar="ID")
@json_option
def show(notification_id: int, *, as_json: bool) -> int:
    """Shows one notification with every try to send it."""
    from monitoring_pipeline.cli import alert_tables, output, tables
    from monitoring_pipeline.reports.documents import attempt_document, notification_document
    from monitoring_pipeline.store.deliveries import attempts_of, get_notification

    with opened() as monitoring, monitoring.store.read() as connection:
        found, tries = get_notification(connection, notification_id), attempts_of(connection, [notification_id])
    if as_json:
        output.emit_json(notification_document(found) | {"tries": [attempt_document(each) for each in tries]})
        return exits.OK
    console = output.console()
    console.print(tables.facts(_facts(found)))
    if tries:
        console.print("\ntries", style="bold")
        console.print(alert_tables.attempt_table(tries))
    if found.state == "dead":
        console.print(f"\n`busta notifications replay {found.id}` sends it again.")
    return exits.OK


def _facts(found: Notified) -> dict[str, str]:
    from monitoring_pipeline.cli import output

    return {
        "notification": str(found.id),
        "title": found.title,
        "state": found.state,
        "error": found.error,
        "kind": f"{found.kind}, because: {found.reason.replace('_', ' ')}",
        "severity": found.severity,
        "channel": found.channel,
        "to": found.recipient,
        "alerts": " ".join(map(str, found.alerts)),
        "created": output.local(found.created),
        "sent": output.local(found.sent),
        "due": output.local(found.due) if found.state in ("waiting", "collecting") else "",
        "instead of": "" if found.fallback_for is None else f"notification {found.fallback_for}",
        "key": found.key,
    }


@notifications.command("replay")
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.option("--dead", is_flag=True, help="All dead letters, or those that the filters leave.")
@click.option("--channel", metavar="NAME", help="Only through this channel.")
@click.option("--since", type=DURATION, metavar="DURATION", help="Only what was written since then: 1h, 7d.")
def replay(ids: tuple[int, ...], channel: str | None, since: timedelta | None, *, dead: bool) -> int:
    """Has dead letters sent again, under the same key: a provider that had them does not show them twice."""
    from monitoring_pipeline.store import outbox
    from monitoring_pipeline.store.alerts import note_audit

    if bool(ids) == dead:
        raise click.UsageError("name notifications, or use --dead for all of them")
    with acting() as here:
        _verify(here.monitoring, channel)
        after = None if since is None else here.now - since
        chosen = ids or _dead(here.connection, channel, after)
        _exist(here.connection, ids)
        sent = outbox.replay(here.connection, chosen, here.now)
        for each in sent:
            note_audit(here.connection, here.now, here.by, "replay", f"notification:{each}")
    left = [str(each) for each in ids if each not in sent]
    click.echo(f"{len(sent)} to be sent again{'' if sent else '; `busta notifications log --dead` shows dead letters'}")
    if left:
        click.echo(f"not dead, so left alone: {', '.join(left)}", err=True)
    return exits.OK


def _dead(connection: Connection, channel: str | None, since: datetime | None) -> list[int]:
    from monitoring_pipeline.store.deliveries import find_notifications

    found = find_notifications(connection, states=("dead",), channel=channel, since=since, limit=_MOST)
    return [each.id for each in found]


def _exist(connection: Connection, ids: tuple[int, ...]) -> None:
    from monitoring_pipeline.store.deliveries import get_notification

    for each in ids:
        get_notification(connection, each)
