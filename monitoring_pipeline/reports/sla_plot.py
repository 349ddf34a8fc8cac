"""A picture of promises: what was left of each budget, day by day."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime

from monitoring_pipeline.analysis.sla.standing import Standing
from monitoring_pipeline.reports.sla import subject_name

__all__ = ["budget_line", "standings_png"]

_MOST = 8
_COLOURS = ("#2563eb", "#d97706", "#059669", "#b91c1c", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
_INK, _GONE = "#374151", "#b91c1c"


def budget_line(standing: Standing) -> list[tuple[datetime, float]]:
    """How many percent of the budget were left at the end of each part; 100 at the begin, below zero once overspent."""
    allowed, left = standing.budget.allowed, 100.0
    line = [(standing.period.start, left)]
    for part in standing.parts:
        spent = part.pair.corrected.spent(unknown_is_bad=standing.promise.spec.unknown_is_bad)
        left -= 100.0 * spent / allowed if allowed > 0 else 0.0
        line.append((part.end, left))
    return line


def standings_png(found: Sequence[Standing]) -> bytes:
    """A PNG some 900 pixels wide: the eight promises with the least budget left, each as a falling line."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    worst = sorted(found, key=lambda each: 1.0 if each.budget.left_share is None else each.budget.left_share)[:_MOST]
    for standing, colour in zip(worst, _COLOURS, strict=False):
        line = budget_line(standing)
        moments = [date2num(moment) for moment, _ in line]  # type: ignore[no-untyped-call]
        label = f"{standing.promise.objective}, {subject_name(standing.promise)}"
        axes.plot(moments, [left for _, left in line], color=colour, linewidth=1.5, label=label)
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.axhline(0, color=_GONE, linewidth=1, linestyle="--")
    axes.set_ylabel("error budget left, %", fontsize=8, color=_INK)
    axes.set_title(f"Error budgets ({len(found)} promises; UTC)", fontsize=9, color=_INK, loc="left")
    axes.tick_params(labelsize=8, colors=_INK)
    axes.grid(alpha=0.25, linewidth=0.5)
    if worst:
        axes.legend(fontsize=7, loc="lower left", frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
