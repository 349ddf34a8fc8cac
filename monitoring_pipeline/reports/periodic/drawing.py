"""The pictures of reports, by matplotlib, small enough for e-mail. Nothing here touches a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitoring_pipeline.alerting.delivery.plot import drawing, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Cell", "lines_png", "strips_png"]

_WIDTH, _DPI = 7.2, 110
_INK = "#374151"
_LINES = ("#2563eb", "#ea580c", "#16a34a", "#9333ea", "#64748b")
_GOOD, _FAIR, _POOR, _BAD, _UNKNOWN, _NOTHING = "#86c98f", "#f3d06b", "#ee9a4d", "#cf4a45", "#c4c8d0", "#ffffff"
# Shares of executions from which on a cell has the colour after it.
_STEPS = ((0.999, _GOOD), (0.99, _FAIR), (0.9, _POOR), (0.0, _BAD))


@dataclass(frozen=True, slots=True)
class Cell:
    """What is drawn of a bucket: the share of executions that was well (0-1), None when nothing is known."""

    start: datetime
    share: float | None


def strips_png(
    rows: Mapping[str, Sequence[Cell]], start: datetime, end: datetime, width: timedelta, zone: str
) -> bytes | None:
    """A strip per name, coloured by share; None when there is nothing to draw. Buckets are `width` long."""
    if not any(rows.values()):
        return None
    with drawing:
        figure, axes = _figure(0.75 + 0.22 * len(rows))
        for number, cells in enumerate(rows.values()):
            bars = [(cell.start, width) for cell in cells]
            colours = [_colour(cell.share) for cell in cells]
            axes.broken_barh(bars, (number - 0.42, 0.84), facecolors=colours, linewidth=0)  # type: ignore[arg-type]
        axes.set_yticks(range(len(rows)), [plain_text(name)[:40] for name in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(start, end)  # type: ignore[arg-type]
        _dress(axes, zone)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        _explain(figure)
        return _png(figure)


def lines_png(
    lines: Mapping[str, Sequence[tuple[datetime, float]]], title: str, start: datetime, end: datetime, zone: str
) -> bytes | None:
    """A line per name, at most five; None when there is nothing to draw."""
    if not any(lines.values()):
        return None
    with drawing:
        figure, axes = _figure(2.9)
        for colour, (name, points) in zip(_LINES, lines.items(), strict=False):
            label = plain_text(name)[:50]
            axes.plot(
                [at for at, _ in points], [value for _, value in points],  # type: ignore[arg-type]
                color=colour, linewidth=1.2, label=f" {label}", markersize=2, marker="o" if len(points) < 30 else "",
            )  # fmt: skip
        axes.set_xlim(start, end)  # type: ignore[arg-type]
        axes.set_ylim(bottom=0)
        axes.set_title(plain_text(title), fontsize=9, color=_INK, loc="left")
        axes.grid(alpha=0.25, linewidth=0.5)
        figure.legend(fontsize=7, frameon=False, loc="outside lower left", ncols=3)
        _dress(axes, zone)
        return _png(figure)


def _explain(figure: Figure) -> None:
    """Says below a picture what its colours mean."""
    from matplotlib.patches import Patch

    words = {_GOOD: "99.9 % or more", _FAIR: "99 %", _POOR: "90 %", _BAD: "less", _UNKNOWN: "unknown"}
    patches = [Patch(facecolor=colour, label=word) for colour, word in words.items()]
    figure.legend(handles=patches, fontsize=7, frameon=False, loc="outside lower left", ncols=len(patches))


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained", facecolor="white")
    return figure, figure.add_subplot()


def _colour(share: float | None) -> str:
    return _UNKNOWN if share is None else next(colour for least, colour in _STEPS if share >= least)


def _dress(axes: Axes, zone: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    where = ZoneInfo(zone)
    locator = AutoDateLocator(tz=where, minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=where, show_offset=False))  # type: ignore[no-untyped-call]
    axes.set_xlabel(zone, fontsize=7, color=_INK, loc="right")
    axes.tick_params(labelsize=7, colors=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
