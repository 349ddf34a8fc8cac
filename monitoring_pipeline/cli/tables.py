"""Tables of the terminal: sources worst first, components, checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.cli.output import local, milliseconds, since, status_text
from monitoring_pipeline.records import Status

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from monitoring_pipeline.reports import ComponentView, Overview, SourceView

__all__ = [
    "NARROW",
    "component_table",
    "facts",
    "headline",
    "health_view",
    "plain_table",
    "result_table",
    "score",
    "source_table",
    "worst_first",
]

NARROW = 110
"""Terminals of fewer columns than this have no room for everything."""
# What these hold is short: to wrap it would cost more room than it gains.
_SHORT = (
    "checks", "counts", "criticality", "direction", "dimension", "error", "for", "kind", "last", "no", "p95", "period",
    "response", "rows", "score", "severity", "state", "status", "strength", "success", "target", "took", "usual",
    "went",
)  # fmt: skip
_WIDE_ONLY = ("component", "score", "response")


def plain_table(*columns: str, one_line: bool = False, **options: Any) -> Table:
    """An open table. Where there is too little room columns of words wrap, so that none is lost; with `one_line`
    only the last one does, and others are cut off."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", **options)
    for number, name in enumerate(columns):
        last = number == len(columns) - 1
        fixed = not last and (one_line or name in _SHORT)
        table.add_column(name, no_wrap=fixed, overflow="ellipsis" if fixed and not number else "fold")
    return table


def worst_first(views: Sequence[SourceView]) -> list[SourceView]:
    """Critical before warning before unknown before healthy; what matters more first."""
    return sorted(views, key=lambda v: (-v.status.rank, -v.source.criticality.weight, v.source.id))


def score(value: float | None) -> str:
    """A health score, 0-100."""
    return "-" if value is None else f"{value:.0f}"


def source_table(views: Sequence[SourceView], now: datetime, *, rows: int | None = None, narrow: bool = False) -> Table:
    """One line per source. With `rows` at most so many, each on one line; `narrow` leaves columns out."""
    columns = ("source", "component", "status", "score", "response", "for", "reason")
    kept = [number for number, name in enumerate(columns) if not (narrow and name in _WIDE_ONLY)]
    table = plain_table(*(columns[number] for number in kept), one_line=rows is not None)
    for view in views[:rows]:
        cells = (
            view.source.id, view.source.component, status_text(view.status), score(view.score),
            milliseconds(view.response_time_ms), since(view.since, now), _reason(view, one_line=rows is not None),
        )  # fmt: skip
        table.add_row(*(cells[number] for number in kept))
    if rows is not None and len(views) > rows:
        table.caption = f"and {len(views) - rows} more"
    return table


def _reason(view: SourceView, *, one_line: bool) -> Text:
    from rich.text import Text

    text = "" if view.status == "healthy" else view.reason or "no check has run yet"
    return Text(text, no_wrap=one_line, overflow="ellipsis" if one_line else "fold")


def component_table(views: Sequence[ComponentView]) -> Table:
    """One line per component."""
    table = plain_table("component", "status", "score", "sources", "reason")
    for view in views:
        counted = [f"{count} {name}" for name, count in view.counts.items() if count]
        reason = "" if view.status == "healthy" else view.reason
        table.add_row(view.component.id, status_text(view.status), score(view.score), ", ".join(counted), reason)
    return table


def headline(overview: Overview) -> Text:
    """The whole system in one line."""
    from rich.text import Text

    counted = ", ".join(f"{count} {name}" for name, count in overview.counts.items() if count) or "no sources"
    line = Text.assemble(status_text(overview.status), f"  score {score(overview.score)}  {counted}")
    line.append(f"  at {local(overview.at)}", style="dim")
    return line


def _unwatched(overview: Overview) -> str:
    beat = overview.watch.heartbeat
    seen = f"since {local(beat)} " if beat else ""
    return f"Nobody is watching {seen}— `busta up` starts it, `busta sources check --all` looks once."


def health_view(
    overview: Overview, views: Sequence[SourceView], *, width: int, rows: int | None = None, unwatched: str = ""
) -> Group:
    """The headline, the components, the sources worst first, for a terminal of `width` columns.

    `unwatched` is what to say while nobody serves the checks.
    """
    from rich.console import Group
    from rich.text import Text

    shown = {view.source.component for view in views}
    components = [view for view in overview.components if view.component.id in shown]
    parts: list[Any] = [headline(overview)]
    if not overview.watch.alive:
        parts.append(Text(unwatched or _unwatched(overview), style="yellow"))
    sources = source_table(worst_first(views), overview.at, rows=rows, narrow=width < NARROW)
    return Group(*parts, component_table(components), sources)


def facts(values: Mapping[str, Any]) -> Table:
    """Names and values in two columns; empty values are left out."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        if value:
            table.add_row(name, Text(value) if isinstance(value, str) else value)
    return table


def result_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Results and gaps, one per line; `rows` as of `store.queries.source_history`."""
    from rich.text import Text

    table = plain_table("time", "check", "status", "response", "message")
    for row in rows:
        message = row["message"] + (f" (skipped: {row['skipped']})" if row["skipped"] else "")
        table.add_row(
            local(row["started"]), row["check"], status_text(Status(row["status"])),
            milliseconds(row["response_time_ms"]), Text(message),
        )  # fmt: skip
    return table
