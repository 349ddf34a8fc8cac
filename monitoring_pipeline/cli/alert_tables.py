"""Alerts in the terminal: lists, one alert with all that belongs to it, notifications, the steps of a trace."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.cli.output import local
from monitoring_pipeline.cli.tables import plain_table

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from monitoring_pipeline.records import Severity
    from monitoring_pipeline.reports.alerts import AlertView, Related
    from monitoring_pipeline.reports.explain import Step
    from monitoring_pipeline.store.deliveries import Attempted, Notified

__all__ = [
    "alert_table",
    "attempt_table",
    "length",
    "notification_table",
    "related_table",
    "severity_text",
    "state_text",
    "step_table",
    "told",
]

_SYMBOLS = {"info": ("●", "i"), "warning": ("▲", "!"), "error": ("✖", "x"), "critical": ("✖", "X")}
_COLOURS = {"info": "blue", "warning": "yellow", "error": "red", "critical": "bold red"}
_NARROW_LEAVES = ("component", "told")


def severity_text(severity: Severity) -> Text:
    """A severity as colour, symbol and word."""
    from rich.text import Text

    fancy, plain = _SYMBOLS[severity.value]
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
    return Text(f"{fancy if utf8 else plain} {severity.value}", style=_COLOURS[severity.value])


def state_text(view: AlertView) -> str:
    """The state with what is behind it: who acknowledged, that it flaps."""
    alert = view.alert
    words = alert.state.value
    if alert.state == "acknowledged":
        words += f" by {alert.acknowledged_by}"
    return words + (" (flapping)" if alert.flapping else "")


def length(duration: timedelta) -> str:
    """How long something lasts, in its two largest units."""
    from monitoring_pipeline.cli.output import since
    from monitoring_pipeline.clock import EPOCH

    return since(EPOCH, EPOCH + duration)


def told(view: AlertView) -> str:
    """What became of an alert's notifications, in few words."""
    parts = [f"{count} {state}" for state, count in sorted(view.told.items(), key=lambda item: -item[1])]
    escalation = view.escalation
    if escalation is not None and escalation.state != "resolved":
        parts.append(f"level {escalation.level}/{escalation.levels}")
    return ", ".join(parts)


def alert_table(views: Sequence[AlertView], *, rows: int | None = None, narrow: bool = False) -> Table:
    """One line per alert; with `rows` at most so many, each on one line."""
    columns = ("id", "severity", "source", "component", "state", "for", "told", "what")
    kept = [number for number, name in enumerate(columns) if not (narrow and name in _NARROW_LEAVES)]
    table = plain_table(*(columns[number] for number in kept))
    for view in views[:rows]:
        alert = view.alert
        about = f"{alert.source}/{alert.check}" if alert.check else alert.source
        cells = (
            str(alert.id), severity_text(alert.severity), _text(about), _text(alert.component),
            _text(state_text(view)), length(view.age), told(view), _what(view, one_line=rows is not None),
        )  # fmt: skip
        table.add_row(*(cells[number] for number in kept))
    if rows is not None and len(views) > rows:
        table.caption = f"and {len(views) - rows} more"
    return table


def _what(view: AlertView, *, one_line: bool) -> Text:
    alert = view.alert
    muted = f" (muted: {alert.suppressed_by})" if alert.suppressed_by else ""
    found = _text(f"{alert.rule}: {alert.text}{muted}")
    found.no_wrap, found.overflow = one_line, "ellipsis" if one_line else "fold"
    return found


def related_table(related: Sequence[Related], now: datetime) -> Table:
    """Other alerts, each with what it has to do with this one."""
    table = plain_table("id", "severity", "source", "state", "began", "why")
    for each in related:
        alert = each.alert
        table.add_row(
            str(alert.id), severity_text(alert.severity), _text(alert.source), alert.state.value,
            local(alert.started), _text(each.why),
        )  # fmt: skip
    return table


def notification_table(found: Sequence[Notified]) -> Table:
    """One line per notification."""
    table = plain_table("id", "created", "state", "kind", "channel", "to", "tries", "title")
    for each in found:
        error = f" ({each.error})" if each.error else ""
        table.add_row(
            str(each.id), local(each.created), _state(each.state), _text(f"{each.kind}, {_words(each.reason)}"),
            _text(each.channel), _text(each.recipient), str(each.attempts), _text(each.title + error),
        )  # fmt: skip
    return table


def attempt_table(found: Sequence[Attempted]) -> Table:
    """One line per try to send something."""
    table = plain_table("time", "outcome", "code", "took", "detail")
    for each in found:
        code = "" if each.code is None else str(each.code)
        table.add_row(local(each.at), _state(each.outcome), code, f"{each.duration_ms:.0f} ms", _text(each.detail))
    return table


def step_table(steps: Sequence[Step]) -> Table:
    """The way of an alert, one step per line."""
    table = plain_table("time", "kind", "what", "by", "why")
    for step in steps:
        table.add_row(_exactly(step.at), step.kind, _text(step.what), _text(step.by), _text(step.text))
    return table


def _exactly(moment: datetime) -> str:
    """To the millisecond: what belongs to one evaluation happens within a second."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def _state(word: str) -> Text:
    styles = {"sent": "green", "dead": "bold red", "waiting": "yellow", "sending": "yellow", "dropped": "dim"}
    return _text(word, style=styles.get(word, ""))


def _words(text: str) -> str:
    return text.replace("_", " ")


def _text(text: str, **options: Any) -> Text:
    """Text as it is: what others wrote is no markup."""
    from rich.text import Text

    return Text(text, **options)
