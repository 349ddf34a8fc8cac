"""Pictures of trends and forecasts, as PNG: drawn by matplotlib without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from monitoring_pipeline.analysis.forecast import Forecast
from monitoring_pipeline.analysis.seasons import find_season
from monitoring_pipeline.analysis.series import Grid, SeriesKey
from monitoring_pipeline.analysis.trends import Direction, Trend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from monitoring_pipeline.analysis.decomposition import Decomposition
    from monitoring_pipeline.analysis.performance import Performance
    from monitoring_pipeline.analysis.prediction.risk import Risk

__all__ = ["decomposition_png", "forecasts_png", "performance_png", "risks_png", "trends_png"]

_WIDTH, _ROW, _DPI = 9.0, 2.1, 100
_MOST_ROWS, _BARS = 12, 20
_LINE, _TREND, _LIMIT, _INK = "#93b4f4", "#1d4ed8", "#b91c1c", "#374151"


def trends_png(grid: Grid, trends: Sequence[Trend]) -> bytes:
    """One row per series, at most a dozen, those that move first: its values without their season, and its line."""
    order = sorted(range(len(trends)), key=lambda row: -_moves(trends[row]))[:_MOST_ROWS]
    figure, axes = _figure(max(1, len(order)))
    plain = grid.values - find_season(grid).over(grid.places()) if len(grid.keys) else grid.values
    times = _dates(grid.times())
    for row, at in zip(order, axes, strict=False):
        trend = trends[row]
        at.plot(times, plain[row], color=_LINE, linewidth=0.8)
        if trend.direction is not Direction.LEARNING:
            days = (np.arange(grid.steps) - (grid.steps - 1) / 2) * (grid.step / timedelta(days=1))
            at.plot(times, trend.level + trend.slope_per_day * days, color=_TREND, linewidth=1.6)
        _dress(at, f"{_name(trend.key)}: {trend.direction}, strength {trend.strength:.2f}", trend.key.unit)
    return _png(figure)


def forecasts_png(grid: Grid, made: Sequence[Forecast], limits: Mapping[SeriesKey, float]) -> bytes:
    """One row per series, at most a dozen: the past, the forecast with its interval, and the limit.

    Of the past thrice what is forecast, at least a week. The forecasts are those of the grid's rows.
    """
    rows = [row for row, each in enumerate(made) if not each.learning][:_MOST_ROWS]
    figure, axes = _figure(max(1, len(rows)), 2.6)
    for row, at in zip(rows, axes, strict=False):
        each = made[row]
        shown = min(grid.steps, max(3 * each.point.size, 7 * grid.per_day))
        at.plot(_dates(grid.times())[-shown:], grid.values[row, -shown:], color=_TREND, linewidth=1)
        times = _dates(each.times())
        at.fill_between(times, each.low, each.high, color=_LINE, alpha=0.5, linewidth=0)
        at.plot(times, each.point, color=_TREND, linewidth=1.4, linestyle="--")
        if each.key in limits:
            at.axhline(limits[each.key], color=_LIMIT, linewidth=1, linestyle="--")
        _dress(at, f"{_name(each.key)}: forecast, {each.level:.0%} interval", each.key.unit)
    return _png(figure)


def risks_png(risks: Sequence[Risk]) -> bytes:
    """The twenty greatest risks as bars."""
    known = [(each.source, each.risk) for each in risks if each.risk is not None]
    return _bars("risk of failing within a day", sorted(known, key=lambda each: -each[1]))


def performance_png(performance: Sequence[Performance]) -> bytes:
    """The twenty lowest scores of components as bars."""
    known = [(each.component, each.score) for each in performance if each.score is not None]
    return _bars("performance against the own baseline", sorted(known, key=lambda each: each[1]))


def decomposition_png(parts: Decomposition) -> bytes:
    """Observed, trend, each season and the rest, beneath each other."""
    rows = {"observed": parts.observed, f"trend (strength {parts.trend_strength:.2f})": parts.trend}
    for name, season in parts.seasons.items():
        rows[f"{name} (strength {parts.season_strength[name]:.2f})"] = season
    rows["rest"] = parts.rest
    figure, axes = _figure(len(rows))
    for at, (name, values) in zip(axes, rows.items(), strict=True):
        at.plot(_dates(parts.times()), values, color=_TREND, linewidth=0.9)
        _dress(at, f"{_name(parts.key)}: {name}", parts.key.unit)
    return _png(figure)


def _bars(title: str, values: Sequence[tuple[str, float]]) -> bytes:
    shown = list(reversed(values[:_BARS]))
    figure, (axes,) = _figure(1, 0.8 + 0.22 * max(1, len(shown)))
    axes.barh(range(len(shown)), [value for _, value in shown], color=_LINE)
    axes.set_yticks(range(len(shown)), [name.replace("$", r"\$") for name, _ in shown], fontsize=8)
    axes.set_xlim(0, 100)
    axes.set_title(title, fontsize=9, color=_INK, loc="left")
    return _png(figure)


def _dates(times: Sequence[datetime]) -> Any:
    return np.array([at.astimezone(UTC).replace(tzinfo=None) for at in times], dtype="datetime64[us]")


def _moves(trend: Trend) -> float:
    return (trend.direction in (Direction.UPWARD, Direction.DOWNWARD)) + trend.strength


def _name(key: Any) -> str:
    tags = "" if key.tags in ("", "{}") else f" {key.tags}"
    return f"{key.source} {key.metric}{tags}"


def _figure(rows: int, height: float = _ROW) -> tuple[Any, Sequence[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height * rows), dpi=_DPI, layout="constrained", facecolor="white")
    return figure, [figure.add_subplot(rows, 1, row + 1) for row in range(rows)]


def _dress(axes: Axes, title: str, unit: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC, show_offset=False))  # type: ignore[no-untyped-call]
    # Names may hold what matplotlib takes for a formula.
    axes.set_title(title.replace("$", r"\$"), fontsize=9, color=_INK, loc="left")
    axes.set_ylabel(unit.replace("$", r"\$"), fontsize=8, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK)
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.margins(x=0.01)
    axes.ticklabel_format(axis="y", useOffset=False)


def _png(figure: Any) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
