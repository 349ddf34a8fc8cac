"""How things are printed: JSON documents, consoles, moments, statuses.

Data goes to stdout, progress and errors to stderr. rich is imported here, inside the functions that
need it, because `--help` does not.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from monitoring_pipeline.records import Status

__all__ = ["console", "emit_json", "local", "milliseconds", "notes", "since", "status_text"]

_PIPE_WIDTH = 200
_SYMBOLS = {"healthy": ("●", "+"), "unknown": ("?", "?"), "warning": ("▲", "!"), "critical": ("✖", "x")}
_COLOURS = {"healthy": "green", "unknown": "magenta", "warning": "yellow", "critical": "bold red"}


def emit_json(document: Any) -> None:
    """Prints one JSON document: moments in UTC as ISO 8601 with Z, durations in seconds."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr. In a pipe it is wide, so that nothing is cut off or wrapped."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    # Names of metrics come from columns of tables, and may be called "[/]".
    return Console(stderr=stderr, width=width, highlight=False, emoji=False, markup=False)


def notes() -> Console:
    """Where progress and remarks go, so that stdout holds nothing but data."""
    return console(stderr=True)


def status_text(status: Status) -> Text:
    """A status as colour, symbol and word: no one of them alone has to be seen."""
    from rich.text import Text

    fancy, plain = _SYMBOLS[status.value]
    # While a live display stands in for stdout it has no encoding of its own.
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
    return Text(f"{fancy if utf8 else plain} {status.value}", style=_COLOURS[status.value])


def local(moment: datetime | None) -> str:
    """A moment in this machine's time zone, with the zone's name."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def since(moment: datetime | None, now: datetime) -> str:
    """How long ago a moment was, in its two largest units: `3h12m`."""
    if moment is None:
        return ""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size}{unit}{rest}{name}" if rest else f"{seconds // size}{unit}"
    return f"{seconds}s"


def milliseconds(value: float | None) -> str:
    """A response time, readable."""
    if value is None:
        return ""
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
