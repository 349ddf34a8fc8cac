"""A picture of a backtest: one line per source, its would-be alerts above what really happened."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC

from monitoring_pipeline.alerting.rules.backtest import Backtest
from monitoring_pipeline.records import Severity

__all__ = ["backtest_png"]

_MOST_ROWS = 20
_COLOURS = {
    Severity.INFO: "#2563eb", Severity.WARNING: "#d97706", Severity.ERROR: "#ea580c", Severity.CRITICAL: "#b91c1c",
}  # fmt: skip
_INCIDENT, _INK = "#9ca3af", "#374151"


def backtest_png(found: Backtest) -> bytes:
    """A PNG some 900 pixels wide: coloured bars for alerts by severity, grey ones for incidents; the twenty
    sources with the most alerts."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    counts = Counter(each.source for each in found.episodes)
    counts.update({each.source: 0 for each in found.incidents})
    names = [name for name, _ in counts.most_common(_MOST_ROWS)]
    figure = Figure(figsize=(9, 1.2 + 0.35 * max(1, len(names))), dpi=100, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    for row, name in enumerate(reversed(names)):
        really = [(e.start, e.end) for e in found.incidents if e.source == name]
        spans = [(date2num(begin), date2num(end) - date2num(begin)) for begin, end in really]  # type: ignore[no-untyped-call]
        axes.broken_barh(spans, (row - 0.4, 0.25), facecolors=_INCIDENT)
        for each in (each for each in found.episodes if each.source == name):
            begin, end = date2num(each.fired), date2num(each.resolved or found.until)  # type: ignore[no-untyped-call]
            axes.broken_barh([(begin, end - begin)], (row - 0.1, 0.5), facecolors=_COLOURS[each.severity], linewidth=0)
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.set_xlim(date2num(found.since), date2num(found.until))  # type: ignore[no-untyped-call]
    axes.set_yticks(range(len(names)), list(reversed(names)))
    pages = f"{found.pages} pages ({found.pages_per_week:.1f} a week)"
    axes.set_title(f"{found.rule}: {len(found.episodes)} alerts, {pages}; grey: what really happened (UTC)",
                   fontsize=9, color=_INK, loc="left")  # fmt: skip
    axes.tick_params(labelsize=8, colors=_INK)
    axes.grid(axis="x", alpha=0.25, linewidth=0.5)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
