"""Values as people read them, the same in HTML and Markdown."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from monitoring_pipeline.reports.periodic.document import Fact, Report, Unit

__all__ = ["change", "intro", "shown"]

_NOTHING = "-"


def shown(value: Any, unit: Unit, zone: str) -> str:
    """A value with its unit; a dash where nothing is known."""
    if value is None or value == "":
        return _NOTHING
    if isinstance(value, datetime):
        return f"{value.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}"
    if unit == "percent":
        return _percent(float(value))
    if unit == "ms":
        return f"{value / 1000:,.1f} s" if value >= 1000 else f"{value:.3g} ms" if value < 100 else f"{value:.0f} ms"
    if unit == "seconds":
        return _lasting(float(value))
    if unit == "signed":
        return f"{value:+.2f}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else " ".join(str(value).split())


def change(fact: Fact, zone: str) -> str:
    """What a figure was before, when that is known and another one."""
    if fact.before is None or fact.before == fact.value:
        return ""
    return f"before: {shown(fact.before, fact.unit, zone)}"


def intro(report: Report) -> str:
    """One line under the title: where, when it was made, and that it goes on."""
    made = f"{report.made.astimezone(ZoneInfo(report.period.zone)):%Y-%m-%d %H:%M} {report.period.zone}"
    running = "" if report.is_complete else " The period is not over: these are the figures so far."
    what = {
        "system": "All sources",
        "component": f"Component of {report.installation}",
        "source": f"Source of {report.installation}",
    }
    return f"{what[report.scope]}. Made {made}.{running}"


def _percent(value: float) -> str:
    # Never rounded up to all or down to nothing: 99.9996 is not 100.
    for digits in (2, 3, 4, 6):
        text = f"{value:.{digits}f}"
        if value in (0, 100) or float(text) not in (0, 100):
            return f"{text.rstrip('0').rstrip('.') if value in (0, 100) else text} %"
    return f"{value} %"


def _lasting(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else "< 1 s"
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            whole, rest = int(seconds // size), int(seconds % size // smaller)
            return f"{whole} {unit} {rest} {name}" if rest else f"{whole} {unit}"
    return f"{seconds:.0f} s"
