"""A picture of promises: what was left of each budget, day by day."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from typing import Any

from monitoring_pipeline.analysis.sla.standing import Standing
from monitoring_pipeline.reports.sla import subject_name

__all__ = ["Step", "budget_line", "standings_png"]

_MOST = 8
_COLOURS = ("#2563eb", "#d97706", "#059669", "#b91c1c", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
_INK, _GONE = "#374151", "#b91c1c"
_BLIND = {"color": "#9ca3af", "linestyle": ":"}


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of a budget: percent left before and after; below zero once overspent. `known`: anything is."""

    start: datetime
    end: datetime
    before: float
    after: float
    known: bool


def budget_line(standing: Standing) -> list[Step]:
    """What was left of a budget, part by part; 100 % at the begin."""
    allowed, left = standing.budget.allowed, 100.0
    line = []
    for part in standing.parts:
        account = part.pair.corrected
        spent = account.spent(unknown_is_bad=standing.promise.spec.unknown_is_bad)
        after = left - (100.0 * spent / allowed if allowed > 0 else 0.0)
        line.append(Step(part.start, part.end, left, after, account.known > 0))
        left = after
    return line


def standings_png(found: Sequence[Standing]) -> bytes:
    """A PNG some 900 pixels wide: the eight promises with the least budget left, each as a falling line.

    Where nothing is known the line is dotted and grey: unknown time spends nothing, and is no good time either.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    worst = sorted(found, key=lambda each: 1.0 if each.budget.left_share is None else each.budget.left_share)[:_MOST]
    for standing, colour in zip(worst, _COLOURS, strict=False):
        label = f"{standing.promise.objective}, {subject_name(standing.promise)}"
        styles: dict[bool, dict[str, Any]] = {True: {"color": colour, "label": label}, False: _BLIND}
        for known, style in styles.items():
            moments, left = [], []
            for step in budget_line(standing):
                moments += [date2num(step.start), date2num(step.end)]  # type: ignore[no-untyped-call]
                left += [step.before, step.after] if step.known is known else [nan, nan]
            axes.plot(moments, left, linewidth=1.5, **style)
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.axhline(0, color=_GONE, linewidth=1, linestyle="--")
    axes.set_ylabel("error budget left, %", fontsize=8, color=_INK)
    axes.set_title(
        f"Error budgets ({len(found)} promise{'' if len(found) == 1 else 's'}; UTC)", fontsize=9, color=_INK, loc="left"
    )
    axes.tick_params(labelsize=8, colors=_INK)
    axes.grid(alpha=0.25, linewidth=0.5)
    if worst:
        axes.legend(fontsize=7, loc="lower left", frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
