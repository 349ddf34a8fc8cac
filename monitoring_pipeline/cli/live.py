"""The live table of `sources health --watch` and `up`, and what replaces it where no terminal is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from monitoring_pipeline.cli import output, tables

if TYPE_CHECKING:
    from rich.console import Console

    from monitoring_pipeline.records import Status
    from monitoring_pipeline.reports import Overview, SourceView

__all__ = ["watch"]

_REFRESH_S = 1.0
_CHEAP_S = 0.1
_SHARE = 50  # where it costs more than that, reading the overview may cost us this fraction of the time
_FRAME_ROWS = 12  # lines of the screen that are not sources


def watch(
    read: Callable[[], Overview],
    chosen: Callable[[Overview], Sequence[SourceView]],
    *,
    stop: threading.Event | None = None,
    console: Console | None = None,
    since: datetime | None = None,
    unwatched: str = "",
) -> Overview:
    """Shows what `read` answers, every second, until Ctrl-C or `stop`; returns the last of it.

    Without a terminal it prints one line whenever the status of a source changes, beginning with all
    of them, or with those that were checked `since` a moment. `unwatched` is said while nobody serves.
    """
    stop = stop or threading.Event()
    console = console or output.console()
    if console.is_terminal:
        return _live(read, chosen, stop, console, unwatched)
    return _lines(read, chosen, stop, console, since)


def _live(
    read: Callable[[], Overview], chosen: Callable[[Overview], Sequence[SourceView]], stop: threading.Event,
    console: Console, unwatched: str,
) -> Overview:  # fmt: skip
    from rich.live import Live

    overview, cost = _timed(read)
    with Live(console=console, auto_refresh=False, transient=False) as live:
        try:
            while True:
                rows = max(3, console.height - _FRAME_ROWS - len(overview.components))
                views, width = chosen(overview), console.width
                shown = tables.health_view(overview, views, width=width, rows=rows, unwatched=unwatched)
                live.update(shown, refresh=True)
                if stop.wait(_pause(cost)):
                    return overview
                overview, cost = _timed(read)
        except KeyboardInterrupt:
            return overview


def _lines(
    read: Callable[[], Overview], chosen: Callable[[Overview], Sequence[SourceView]], stop: threading.Event,
    console: Console, since: datetime | None,
) -> Overview:  # fmt: skip
    known: dict[str, Status] = {}
    overview, cost = _timed(read)
    try:
        while True:
            for view in tables.worst_first(chosen(overview)):
                if since is not None and (view.last_checked is None or view.last_checked < since):
                    continue
                if known.get(view.source.id) is not view.status:
                    known[view.source.id] = view.status
                    console.print(_line(view, overview), soft_wrap=True)
            if stop.wait(_pause(cost)):
                return overview
            overview, cost = _timed(read)
    except KeyboardInterrupt:
        return overview


def _line(view: SourceView, overview: Overview) -> str:
    reason = "" if view.status == "healthy" else f": {view.reason or 'no check has run yet'}"
    return f"{output.local(overview.at)}  {view.source.id} is {view.status}{reason}".replace("[", r"\[")


def _pause(cost: float) -> float:
    return max(_REFRESH_S, cost * _SHARE) if cost > _CHEAP_S else _REFRESH_S


def _timed(read: Callable[[], Overview]) -> tuple[Overview, float]:
    began = time.perf_counter()
    overview = read()
    return overview, time.perf_counter() - began
