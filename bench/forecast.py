"""How good trends, forecasts and capacity are: on made-up series whose truth is known, or on real ones.

Made-up series: noise of several autocorrelations, seasons, drifts, skew; four weeks are learnt from and the three
days after are held out. `--series FILE` (Parquet or CSV with series_id, timestamp, value) does the same with the
hours of real series. MASE is the mean absolute error relative to repeating yesterday within the learnt part; the
same is given for two naive forecasts. Nothing is tuned to these series at run time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from bench.figures import Row
from bench.synthetic import HOUR, daily, hourly, hours, noise
from bench.table import arguments, show
from monitoring_pipeline.analysis.capacity import Limit, ReachState, time_to
from monitoring_pipeline.analysis.forecast import Forecast, forecast
from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey
from monitoring_pipeline.analysis.trends import Direction, find_trends
from monitoring_pipeline.clock import EPOCH

__all__ = ["main"]

_DAYS, _AHEAD, _FUTURE = 28, 72, 90
_MOVING = (Direction.UPWARD, Direction.DOWNWARD)


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=400, metavar="N", help="series of each kind")
    parser.add_argument("--series", type=Path, metavar="FILE", help="real series instead")
    options = parser.parse_args()
    count = 40 if options.quick else options.rows
    if options.series is not None:
        rows, method = list(_real(options)), f"hours of {options.series.name}, the last three days of each held out"
    else:
        rows = [*_trends(count), *_forecasts(count), *_ets(min(count, 10)), *_capacity(count)]
        method = f"{count} made-up series of each kind, {_DAYS} days by the hour, {_AHEAD} hours held out"
    show("Trends, forecasts and capacity", method, rows, options.json)


# -- trends ------------------------------------------------------------------------------------------


def _trends(count: int) -> Iterator[Row]:
    for rho in (0.0, 0.5, 0.8, 0.9, 0.97, 0.99):
        found = find_trends(hourly(1000 + 10 * noise(count, _DAYS, rho)))
        yield f"false directions in noise, autocorrelation {rho:g}", _share(found), "%"
    yield "false directions in random walks", _share(find_trends(hourly(1000 + noise(count, _DAYS, 1.0)))), "%"
    for per_day in (0.25, 0.5, 1.0):
        values = 100 + 20 * daily(_DAYS) + per_day * hours(_DAYS) / 24 + 5 * noise(count, _DAYS, 0.5)
        yield f"found: {per_day:g} a day under season 20 and noise 5", _share(find_trends(hourly(values))), "%"
    began = time.perf_counter()
    find_trends(hourly(noise(1000, _DAYS, 0.5)))
    yield "1,000 series", time.perf_counter() - began, "s"


def _share(found: Sequence[object]) -> float:
    return 100 * float(np.mean([getattr(trend, "direction", None) in _MOVING for trend in found]))


# -- forecasts ---------------------------------------------------------------------------------------


def _kinds(count: int) -> dict[str, Floats]:
    days = _DAYS + _AHEAD // 24
    weekend = hours(days) // 24 % 7 >= 5
    poisson = np.random.default_rng(0).poisson(3 + 2 * daily(days), (count, days * 24)).astype(np.float64)
    return {
        "noise": 100 + 10 * noise(count, days),
        "slow noise": 100 + 10 * noise(count, days, 0.95),
        "random walk": 1000 + noise(count, days, 1.0),
        "drift": 1000 + noise(count, days, 1.0) + hours(days) / 2,
        "day": 100 + 30 * daily(days) + 5 * noise(count, days, 0.5),
        "day and week": 100 + 30 * daily(days) + 20 * weekend + 5 * noise(count, days, 0.5),
        "day and trend": 100 + 30 * daily(days) + hours(days) / 10 + 5 * noise(count, days, 0.5),
        "skewed": np.exp(3 + 0.5 * daily(days) + 0.4 * noise(count, days, 0.6)),
        "counts": poisson,
    }


def _forecasts(count: int) -> Iterator[Row]:
    for name, values in _kinds(count).items():
        past, future = values[:, :-_AHEAD], values[:, -_AHEAD:]
        yield from _judge(name, past, future, forecast(hourly(past), _AHEAD))
    began = time.perf_counter()
    forecast(hourly(_kinds(1000)["day"][:, :-_AHEAD]), _AHEAD)
    yield "1,000 series", time.perf_counter() - began, "s"


def _judge(name: str, past: Floats, future: Floats, made: Sequence[Forecast]) -> Iterator[Row]:
    point, low, high = (np.stack([getattr(each, part) for each in made]) for part in ("point", "low", "high"))
    error = np.abs(point - future)
    yesterday = np.abs(past[:, -24:][:, np.arange(_AHEAD) % 24] - future)
    scale = np.nanmean(np.abs(past[:, 24:] - past[:, :-24]), axis=1, keepdims=True)
    known = ~np.isnan(error + yesterday) & (scale > 0)
    yield f"{name}: MASE", _mean(error / scale, known), ""
    yield f"{name}: MASE of repeating yesterday", _mean(yesterday / scale, known), ""
    yield f"{name}: MASE of the last value", _mean(np.abs(_last(past)[:, None] - future) / scale, known), ""
    yield f"{name}: within the 90 % interval", 100 * _mean((future >= low) & (future <= high), known), "%"


def _mean(values: Floats | np.ndarray, known: np.ndarray) -> float:
    return float(np.asarray(values)[known].mean()) if known.any() else float("nan")


def _last(past: Floats) -> Floats:
    place = past.shape[1] - 1 - np.argmax(~np.isnan(past[:, ::-1]), axis=1)
    return np.asarray(past[np.arange(len(past)), place])


def _ets(count: int) -> Iterator[Row]:
    """What exponential smoothing adds, on a few series."""
    from monitoring_pipeline.analysis.decomposition import ets_forecaster

    values = _kinds(count)["day and week"]
    past, future = values[:, :-_AHEAD], values[:, -_AHEAD:]
    grid, began = hourly(past), time.perf_counter()
    made = [forecast(grid.pick([row]), _AHEAD, extra={"ets": ets_forecaster})[0] for row in range(count)]
    taken = (time.perf_counter() - began) / count
    yield from _judge("day and week, with ETS", past, future, made)
    yield "one series with ETS", taken, "s"


# -- capacity ----------------------------------------------------------------------------------------


def _capacity(count: int) -> Iterator[Row]:
    days = _DAYS + _FUTURE
    at, small = hours(days), noise(count, days) / 5
    shift = 168 * np.arange(count)[:, None] / count
    reaching = {
        "line": 50 + at / 24 + small,
        "line and day": 50 + at / 24 + 3 * daily(days) + small,
        "drifting walk": 50 + np.cumsum(0.04 + noise(count, days, 0.0, 1) / 20, axis=1),
        "rising saw": 30 + 0.8 * at / 24 + 20 * ((at + shift) % 168) / 168 + small,
        "faster and faster": 20 + 40 * (at / 672) ** 2 + small,
    }
    never = {
        "noise": 60 + 5 * noise(count, days, 0.5),
        "day": 60 + 10 * daily(days) + noise(count, days, 0.9),
        "saw": 40 + 40 * ((at + shift) % 168) / 168 + small,
        "saturating": 80 - 60 * np.exp(-at / 200) + small,
        "wandering": 50 + 0.3 * noise(count, days, 1.0),
    }
    for name, values in reaching.items():
        yield f"{name}: the range of 80 % held the moment", _held(values), "%"
    for name, values in never.items():
        past = hourly(values[:, : _DAYS * 24], "%")
        said = [each.state is ReachState.REACHES for each in time_to(past, [Limit(95)] * count)]
        yield f"{name}: falsely said to reach the limit", 100 * float(np.mean(said)), "%"
    began = time.perf_counter()
    time_to(hourly(reaching["drifting walk"][:, : _DAYS * 24]), [Limit(95)] * count)
    yield "1,000 limits", (time.perf_counter() - began) * 1000 / count, "s"


def _held(values: Floats) -> float:
    past, future = values[:, : _DAYS * 24], values[:, _DAYS * 24 :]
    really = np.where((future >= 95).any(axis=1), np.argmax(future >= 95, axis=1) + 1.0, np.inf)
    found = time_to(hourly(past, "%"), [Limit(95)] * len(values))
    held = [(each.earliest or 0.0) <= at <= (each.latest or np.inf) for each, at in zip(found, really, strict=True)]
    return 100 * float(np.mean(held))


# -- real series -------------------------------------------------------------------------------------


def _real(options: argparse.Namespace) -> Iterator[Row]:
    series = _read(options.series)
    errors: dict[str, list[float]] = {}
    for grid in series[:10] if options.quick else series:
        past = Grid(grid.keys, grid.start, grid.step, grid.values[:, :-_AHEAD])
        for name, value, unit in _judge("all", past.values, grid.values[:, -_AHEAD:], forecast(past, _AHEAD)):
            if np.isfinite(value):
                errors.setdefault(f"{name.removeprefix('all: ')}|{unit}", []).append(float(value))
    yield "series", len(series), ""
    for name, values in errors.items():
        what, _, unit = name.partition("|")
        yield f"{what}: mean of the series", float(np.mean(values)), unit
        yield f"{what}: median of the series", float(np.median(values)), unit


def _read(path: Path) -> list[Grid]:
    """The last five weeks of each series by the hour, those that are long enough."""
    import duckdb

    rows = duckdb.execute(
        f"SELECT series_id, epoch(timestamp)::BIGINT // 3600 AS hour, avg(value) FROM '{path}' "
        "WHERE isfinite(value) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    by_name: dict[str, dict[int, float]] = {}
    for name, hour, value in rows:
        by_name.setdefault(name, {})[hour] = value
    found = []
    for name, values in by_name.items():
        last = max(values)
        first = max(min(values), last - (_DAYS * 24 + _AHEAD) + 1)
        if last - first + 1 >= 10 * 24:
            row = np.array([[values.get(hour, np.nan) for hour in range(first, last + 1)]])
            found.append(Grid((SeriesKey(name, "value"),), EPOCH + timedelta(hours=first), HOUR, row))
    return found


if __name__ == "__main__":
    main()
