"""A small picture of a series for messages: its values, the limit, and since when the alert holds."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["drawing", "plain_text", "series_png"]

log = structlog.get_logger(__name__)
_WIDTH, _HEIGHT, _DPI = 6.4, 2.2, 100
_POINTS = 2_000
_TITLE = 80
_LARGEST = 1e300
_LINE, _LIMIT, _FIRING, _NORMAL, _INK = "#2563eb", "#b91c1c", "#fecaca", "#d1fae5", "#374151"
_AROUND = timedelta(minutes=5)
drawing = threading.Lock()
"""Held while something is drawn: fonts are shared, and not made for several threads."""


def series_png(
    title: str,
    values: Sequence[tuple[datetime, float]],
    *,
    unit: str = "",
    threshold: float | None = None,
    since: datetime | None = None,
    band: Sequence[tuple[datetime, float, float]] = (),
    most: float | None = None,
) -> bytes | None:
    """A PNG of 640 x 220 pixels, under 40 KB; None when there is nothing to draw or it cannot be drawn.

    `values` are aware times, oldest first, and numbers; what is not finite is left out. `since` is where the
    shading of the firing time begins; `band` is what was normal: from when on, the lowest and the highest. Of numbers
    that go from 0 to `most`, all of that is shown. It blocks for some 100 ms, the first time for a second: call it in
    a thread. It raises nothing: a message is worth more than its picture.
    """
    shown = _thinned([(at.astimezone(UTC), float(value)) for at, value in values if _is_drawable(value)])
    if not shown:
        return None
    try:
        with drawing:
            return _drawn(title, shown, unit, threshold, since, band, most)
    except Exception as error:
        log.warning("a picture of a series cannot be drawn", error=f"{type(error).__name__}: {error}")
        return None


def _is_drawable(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and abs(value) < _LARGEST


def _thinned(values: list[tuple[datetime, float]]) -> list[tuple[datetime, float]]:
    """At most some 2000 values: of each stretch the least and the greatest, so that no spike is lost."""
    size = math.ceil(2 * len(values) / _POINTS)
    if size <= 2:
        return values
    kept: list[tuple[datetime, float]] = []
    for start in range(0, len(values), size):
        stretch = values[start : start + size]
        low, high = min(stretch, key=lambda each: each[1]), max(stretch, key=lambda each: each[1])
        kept += sorted({low, high})
    return kept


def plain_text(text: str) -> str:
    """A text in which matplotlib finds no formula, and no character that its font lacks."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    line = " ".join(text.split())[:_TITLE]
    return "".join(each if font.get_char_index(ord(each)) else "?" for each in line).replace("$", r"\$")


def _drawn(
    title: str, values: list[tuple[datetime, float]], unit: str, threshold: float | None, since: datetime | None,
    band: Sequence[tuple[datetime, float, float]], most: float | None,
) -> bytes:  # fmt: skip
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    if band:
        moments, low, high = zip(*band, strict=True)
        axes.fill_between(moments, low, high, step="post", color=_NORMAL, linewidth=0)
    axes.plot(
        [at for at, _ in values], [value for _, value in values],  # type: ignore[arg-type]
        color=_LINE, linewidth=1.5, marker="o" if len(values) < 30 else None, markersize=3,
    )  # fmt: skip
    if threshold is not None and _is_drawable(threshold):
        axes.axhline(threshold, color=_LIMIT, linewidth=1, linestyle="--")
    if since is not None and since < values[-1][0]:
        begin = max(since, values[0][0])
        axes.axvspan(begin, values[-1][0], color=_FIRING, alpha=0.5, linewidth=0)  # type: ignore[arg-type]
    if values[-1][0] - values[0][0] < _AROUND:
        axes.set_xlim(values[0][0] - _AROUND, values[-1][0] + _AROUND)  # type: ignore[arg-type]
    if most is not None:
        axes.set_ylim(-0.04 * most, 1.04 * most)
    _dress(axes, plain_text(title), plain_text(unit))
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _dress(axes: Axes, title: str, unit: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=UTC, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.set_title(title, fontsize=9, color=_INK, loc="left")
    axes.set_ylabel(unit, fontsize=8, color=_INK)
    axes.set_xlabel("UTC", fontsize=8, color=_INK, loc="right")
    axes.tick_params(labelsize=8, colors=_INK)
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.margins(x=0.01)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
