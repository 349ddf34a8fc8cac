"""The live table of `alerts list --watch`, and the lines that replace it where no terminal is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from monitoring_pipeline.cli import output
from monitoring_pipeline.cli.alert_tables import alert_table, state_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from monitoring_pipeline.reports.alerts import AlertView

__all__ = ["follow"]

_REFRESH_S = 1.0
_FRAME_ROWS = 4
_NARROW = 110


def follow(
    read: Callable[[], Sequence[AlertView]], *, stop: threading.Event | None = None, console: Console | None = None
) -> None:
    """Shows what `read` answers, every second, until Ctrl-C or `stop`.

    Without a terminal it prints one line whenever an alert appears, changes or leaves the list.
    """
    stop, console = stop or threading.Event(), console or output.console()
    try:
        if console.is_terminal:
            _live(read, stop, console)
        else:
            _lines(read, stop, console)
    except KeyboardInterrupt:
        return


def _live(read: Callable[[], Sequence[AlertView]], stop: threading.Event, console: Console) -> None:
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(_picture(read(), console), refresh=True)
            if stop.wait(_REFRESH_S):
                return


def _picture(views: Sequence[AlertView], console: Console) -> RenderableType:
    if not views:
        return "Nothing fires."
    return alert_table(views, rows=max(3, console.height - _FRAME_ROWS), narrow=console.width < _NARROW)


def _lines(read: Callable[[], Sequence[AlertView]], stop: threading.Event, console: Console) -> None:
    known: dict[int, str] = {}
    while True:
        now = {view.alert.id: _line(view) for view in read()}
        for number, line in now.items():
            if known.get(number) != line:
                console.print(line, soft_wrap=True)
        for number in known.keys() - now.keys():
            console.print(f"{number}  no longer listed")
        known = now
        if stop.wait(_REFRESH_S):
            return


def _line(view: AlertView) -> str:
    alert = view.alert
    muted = f" (muted: {alert.suppressed_by})" if alert.suppressed_by else ""
    return f"{alert.id}  {alert.severity}  {alert.source}  {state_text(view)}  {alert.rule}: {alert.text}{muted}"
