"""The `desktop` channel: a notification on the screen of the machine that monitors."""

from __future__ import annotations

import asyncio
import contextlib
import html
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from typing import ClassVar, Literal

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent, Undelivered
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import Severity

__all__ = ["DesktopChannel"]

_TITLE, _BODY, _SHOWN = 120, 400, 200
_URGENCY = {Severity.INFO: "low", Severity.WARNING: "normal", Severity.ERROR: "normal", Severity.CRITICAL: "critical"}
_SCRIPT = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"


class DesktopChannel(Channel):
    """Shows a notification on the desktop, by notify-send (Linux) or osascript (macOS).

    It appears where the monitoring runs and somebody is logged in: for a laptop, not for a server.

    Templates: `title` and `body`.
    """

    template_names: ClassVar[tuple[str, ...]] = ("title", "body")
    examples: ClassVar[tuple[str, ...]] = (
        """\
screen:
  kind: desktop
  minimum_severity: error
""",
    )

    kind: Literal["desktop"] = "desktop"

    async def send(self, message: Message, context: SendContext) -> Sent:
        """Starts the program that shows it; see `Channel.send`."""
        title = self._own("title", message, _TITLE, wording.title)
        body = self._own("body", message, _BODY, _body)
        command = _command(title, body, message)
        code, said = await _run(command)
        if code != 0:
            raise Undelivered(f"{command[0]} failed with {code}: {said or 'it does not say why'}", code=code)
        return Sent(detail=f"shown by {command[0]}")

    def _own(self, name: str, message: Message, limit: int, default: Callable[[Message], str]) -> str:
        own = self.templates.get(name)
        text = default(message) if own is None else wording.render(own, message, name=name)
        return wording.one_line(text.encode(errors="replace").decode(), limit)


def _body(message: Message) -> str:
    facts = wording.rows(message.alerts[0], message)[:3] if message.alerts else []
    parts = [wording.lead(message).rstrip("."), wording.one_line(message.note), *map(": ".join, facts)]
    return ". ".join(part for part in parts if part)


def _command(title: str, body: str, message: Message) -> list[str]:
    """The program and its arguments; no shell reads them."""
    if shutil.which("notify-send"):
        urgency = "low" if message.kind in (Kind.RESOLVED, Kind.TEST) else _URGENCY[message.severity]
        options = ["--app-name=monitoring-pipeline", f"--urgency={urgency}"]
        return ["notify-send", *options, "--", title, html.escape(body, quote=False)]
    if shutil.which("osascript"):
        return ["osascript", "-e", _SCRIPT, "--", title, body]
    raise Undelivered(
        "neither notify-send nor osascript is here: install notify-send (package libnotify-bin or libnotify)",
        permanent=True,
    )


async def _run(command: list[str]) -> tuple[int, str]:
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    except OSError as error:
        raise Undelivered(f"{command[0]} cannot be started: {error.strerror}", permanent=True) from error
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        await _end(process)
        raise
    return process.returncode or 0, wording.one_line(said.decode(errors="replace"), _SHOWN)


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
