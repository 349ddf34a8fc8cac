"""`busta channels`: where people are told, whether that works, and a try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.root import Refused

if TYPE_CHECKING:
    from datetime import datetime

    from rich.text import Text

    from monitoring_pipeline.reports.channels import ChannelView

__all__ = ["channels"]

_NO_CHANNELS = "There are no channels; docs/configuration.md shows how to write some under `channels:`."


@click.group()
def channels() -> None:
    """Where people are told, and whether that works.

    \b
    busta channels test ops-mail --to ana@example.com
    """


@channels.command("list")
@json_option
def list_channels(*, as_json: bool) -> int:
    """Lists the configured channels."""
    from monitoring_pipeline.cli import output, tables

    with opened() as monitoring:
        configured = monitoring.config.alerting.channels
    if as_json:
        output.emit_json({"channels": [
            {
                "name": name, "kind": each.kind, "enabled": each.enabled,
                "minimum_severity": each.minimum_severity.value, "send_resolved": each.send_resolved,
                "fallback": each.fallback, "attempts": each.attempts,
                "self_test_s": None if each.self_test is None else each.self_test.total_seconds(),
            }
            for name, each in configured.items()
        ]})  # fmt: skip
        return exits.OK
    if not configured:
        output.notes().print(_NO_CHANNELS)
        return exits.OK
    table = tables.plain_table("channel", "kind", "sends", "from severity", "also resolved", "fallback")
    for name, each in configured.items():
        table.add_row(
            name, each.kind, "yes" if each.enabled else "no", each.minimum_severity.value,
            "yes" if each.send_resolved else "no", each.fallback or "",
        )  # fmt: skip
    output.console().print(table)
    return exits.OK


@channels.command("status")
@json_option
def status(*, as_json: bool) -> int:
    """Shows when each channel last proved to work, what failed, and what waits for it."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import channel_document

    with opened() as monitoring:
        now, views = monitoring.clock(), monitoring.channels()
    if as_json:
        output.emit_json({"at": now, "channels": [channel_document(view) for view in views]})
    elif views:
        _print(views, now)
    else:
        output.notes().print(_NO_CHANNELS)
    return exits.OK


def _print(views: Sequence[ChannelView], now: datetime) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("channel", "kind", "state", "last proven working", "waiting", "dead", "error")
    for view in views:
        proven = f"{output.since(view.last_ok, now)} ago" if view.last_ok else "never"
        table.add_row(
            view.name, view.kind or "-", _state(view), proven, str(view.waiting or ""), str(view.dead or ""),
            Text(view.error),
        )  # fmt: skip
    output.console().print(table)
    dead = sum(view.dead for view in views)
    if dead:
        output.notes().print("`busta notifications replay --dead` sends again what could not be sent.")


def _state(view: ChannelView) -> Text:
    from rich.text import Text

    from monitoring_pipeline.cli import output

    if not view.kind:
        return Text("not configured", style="yellow")
    if not view.enabled:
        return Text("off", style="dim")
    if view.failures:
        until = f", next try {output.local(view.blocked_until)}" if view.blocked_until else ""
        return Text(f"{view.failures} failures in a row{until}", style="bold red")
    return Text("works", style="green") if view.last_ok else Text("not proven")


@channels.command("test")
@click.argument("name")
@click.option("--to", "recipient", default="", metavar="ADDRESS", help="Another address than the channel's own.")
@json_option
def test(name: str, recipient: str, *, as_json: bool) -> int:
    """Sends a real test message through a channel now and says what became of it."""
    from monitoring_pipeline.alerting.delivery.channel import Undelivered
    from monitoring_pipeline.cli import output

    with opened() as monitoring:
        configured = monitoring.config.alerting.channels
        try:
            sent = monitoring.test_channel(name, recipient)
        except (Undelivered, OSError, TimeoutError) as error:
            code = getattr(error, "code", None)
            said = monitoring.config.redact(str(error)) or type(error).__name__
            answer = {"channel": name, "sent": False, "code": code, "detail": said}
        else:
            answer = {"channel": name, "sent": True, "code": sent.code, "detail": sent.detail}
    if as_json:
        output.emit_json(answer)
        return exits.OK if answer["sent"] else exits.UNAVAILABLE
    with_code = "" if answer["code"] is None else f", the provider answered {answer['code']}"
    if not answer["sent"]:
        raise Refused(f"channel {name} ({configured[name].kind}) failed{with_code}: {answer['detail']}",
                      exits.UNAVAILABLE)  # fmt: skip
    tail = f": {answer['detail']}" if answer["detail"] else ""
    click.echo(f"channel {name} ({configured[name].kind}) took the test message{with_code}{tail}")
    return exits.OK
