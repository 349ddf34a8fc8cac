"""The `console` channel: a line on standard error, or at the end of a file."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.alerting.delivery import wording
from monitoring_pipeline.alerting.delivery.channel import Channel, SendContext, Sent, Undelivered
from monitoring_pipeline.alerting.message import Message

__all__ = ["ConsoleChannel"]

_LINE = 1000
_HOPELESS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS})


class ConsoleChannel(Channel):
    """Writes a line to standard error, or appends it to a file.

    For terminals, containers whose output is collected, and first steps. Lines of several processes do not
    mix. `format: json` writes the whole message, one JSON object on a line.

    Templates: `line`.
    """

    template_names: ClassVar[tuple[str, ...]] = ("line",)
    examples: ClassVar[tuple[str, ...]] = (
        """\
terminal:
  kind: console
""",
        """\
alert-log:
  kind: console
  path: /var/log/monitoring/alerts.jsonl
  format: json
""",
    )

    kind: Literal["console"] = "console"
    path: Path | None = Field(None, description="File to append to; standard error by default.")
    format: Literal["line", "json"] = Field("line", description="A line for people, or the message as JSON.")

    async def send(self, message: Message, context: SendContext) -> Sent:
        """Writes one line; see `Channel.send`."""
        line = self._line(message)
        try:
            await asyncio.to_thread(_append, self.path, line) if self.path else await asyncio.to_thread(_print, line)
        except OSError as error:
            told = f"{self.path or 'standard error'} cannot be written: {error.strerror or error}"
            raise Undelivered(told, permanent=error.errno in _HOPELESS) from error
        except ValueError as error:  # standard error is closed
            raise Undelivered(f"standard error cannot be written: {error}", permanent=True) from error
        return Sent(detail=f"written to {self.path or 'standard error'}")

    def _line(self, message: Message) -> str:
        if self.format == "json":
            return message.model_dump_json()
        if "line" in self.templates:
            return wording.one_line(wording.render(self.templates["line"], message, name="line"), _LINE)
        return f"{message.at:%Y-%m-%d %H:%M:%S} UTC {wording.short(message, _LINE)}"


def _print(line: str) -> None:
    sys.stderr.write(line.encode(errors="replace").decode() + "\n")
    sys.stderr.flush()


def _append(path: Path, line: str) -> None:
    """One write, so that lines of several processes do not mix. A pipe that nobody reads is an error, no wait."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags, 0o640)
    try:
        left = memoryview(line.encode(errors="replace") + b"\n")
        while left:
            left = left[os.write(file, left) :]
    finally:
        os.close(file)
