"""How each component performs now, against its own normal: response time, throughput, errors, resources.

Now is the last day, the baseline the weeks before at the same times of the week, each series compared with
itself; a component's ratio is the middle of its series' ratios. Scores are 0-100: 100 is as good as the
baseline or better, half as fast is 50. What is within the baseline's own scatter costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from monitoring_pipeline.analysis.metric_types import MetricType, metric_type
from monitoring_pipeline.analysis.seasons import find_season
from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey, middle, spread
from monitoring_pipeline.collection.tails import beta_binomial_tail

__all__ = ["Aspect", "Counted", "Performance", "aspect_of", "benchmark"]

_BASELINE_DAYS = 3
_LEAST_NOW = 0.25
_WEIGHTS = {"response_time": 0.35, "errors": 0.35, "throughput": 0.15, "resources": 0.15}
_EASY, _FULL = 70.0, 100.0
_TOLERATED, _ERROR_SCALE, _BY_CHANCE = 0.005, 0.10, 0.01
_WORSE = 90.0


class Aspect(StrEnum):
    """What performance is measured by."""

    RESPONSE_TIME = "response_time"
    THROUGHPUT = "throughput"
    ERRORS = "errors"
    RESOURCES = "resources"


@dataclass(frozen=True, slots=True)
class Counted:
    """Per source the share of failed among known results: in the baseline and now, with how many there were."""

    baseline_failed: float
    baseline_known: float
    now_failed: float
    now_known: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One aspect of a component: `baseline` and `now` in `unit` (errors and resources in percent), their
    `ratio`, its score, over how many series, and which of them is the worst."""

    aspect: Aspect
    baseline: float
    now: float
    ratio: float
    score: float
    unit: str
    series: int
    worst: str = ""


@dataclass(frozen=True, slots=True)
class Performance:
    """One component: its `score` (0-100, None while it learns), the aspects that are known, recommendations."""

    component: str
    score: float | None
    measured: tuple[Measured, ...]
    recommendations: tuple[str, ...] = ()


def aspect_of(key: SeriesKey) -> Aspect | None:
    """What a series says about performance, told from name and unit; None for most of them."""
    kind = metric_type(key.metric, key.unit)
    if key.metric in ("response_time_ms", "collection.duration_ms"):
        return Aspect.RESPONSE_TIME
    if key.unit.endswith("/s") or key.metric in ("rows", "throughput", "collection.rows"):
        return Aspect.THROUGHPUT
    if kind is MetricType.RATIO and key.metric.endswith("_percent") and key.unit == "%":
        return Aspect.RESOURCES
    return None


def benchmark(
    grid: Grid, component_of: Mapping[str, str], counted: Mapping[str, Counted], now_hours: float = 24.0
) -> list[Performance]:
    """Every component with something to compare, by its name. The grid ends now."""
    rows = [row for row, key in enumerate(grid.keys) if aspect_of(key) is not None and key.source in component_of]
    compared = _compare(grid.pick(rows), now_hours) if rows else {}
    names = sorted(set(component_of.values()))
    found = []
    for name in names:
        own = [(key, value) for key, value in compared.items() if component_of[key.source] == name]
        measured = [each for aspect in Aspect if (each := _aspect(aspect, own)) is not None]
        errors = _errors({s: each for s, each in counted.items() if component_of.get(s) == name})
        measured += [errors] if errors is not None else []
        found.append(Performance(name, _score(measured), tuple(measured), tuple(_recommend(measured))))
    return found


_Pair = tuple[float, float, float]
"""Baseline, now (as it would be at the baseline's mix of hours), and how far their ratio scatters."""


def _compare(grid: Grid, now_hours: float) -> dict[SeriesKey, _Pair]:
    steps = max(1, round(now_hours / grid.step_hours))
    past = grid.until(-steps)
    if past.steps < _BASELINE_DAYS * grid.per_day:
        return {}
    season = find_season(past)
    plain = past.values - season.over(past.places())
    ahead = season.over(grid.places(past.steps, steps))
    recent = grid.values[:, -steps:] - ahead
    level, now = middle(plain), middle(recent)
    scatter = _scatter(plain, steps)
    enough = (np.sum(~np.isnan(recent), axis=1) >= _LEAST_NOW * steps) & (
        np.sum(~np.isnan(plain), axis=1) >= _BASELINE_DAYS * grid.per_day / 2
    )
    return {
        key: (float(level[row]), float(now[row]), float(scatter[row]))
        for row, key in enumerate(grid.keys)
        if enough[row] and np.isfinite(level[row]) and np.isfinite(now[row])
    }


def _scatter(plain: Floats, steps: int) -> Floats:
    """How much stretches as long as now differ from each other, in the series' unit."""
    cut = plain[:, plain.shape[1] % steps :]
    days = middle(cut.reshape(cut.shape[0], -1, steps))
    return np.nan_to_num(spread(days)) if days.shape[1] >= _BASELINE_DAYS else np.zeros(len(plain))


def _aspect(aspect: Aspect, own: Sequence[tuple[SeriesKey, _Pair]]) -> Measured | None:
    chosen = [(key, pair) for key, pair in own if aspect_of(key) is aspect]
    if aspect is Aspect.THROUGHPUT:
        chosen = [(key, pair) for key, pair in chosen if pair[0] > 0]
    if not chosen or aspect is Aspect.ERRORS:
        return None
    scores = [_score_of(aspect, *pair) for _, pair in chosen]
    base = float(np.median([pair[0] for _, pair in chosen]))
    now = float(np.median([pair[1] for _, pair in chosen]))
    ratio = float(np.median([pair[1] / pair[0] if pair[0] else 1.0 for _, pair in chosen]))
    worst = int(np.argmin(scores))
    # The middle hides one bad series among many good ones: the worst has its part in it.
    score = 0.7 * float(np.median(scores)) + 0.3 * scores[worst]
    key = chosen[worst][0]
    unit = chosen[0][0].unit if len({each.unit for each, _ in chosen}) == 1 else ""
    return Measured(aspect, base, now, ratio, score, unit, len(chosen), f"{key.source}/{key.metric}")


def _score_of(aspect: Aspect, base: float, now: float, scatter: float) -> float:
    if aspect is Aspect.RESOURCES:
        easy = max(_EASY, min(base + 2 * scatter, _FULL - 1))
        return 100.0 if now <= easy else max(0.0, 100 * (_FULL - now) / (_FULL - easy))
    if aspect is Aspect.RESPONSE_TIME:
        calm = max(now - 2 * scatter, min(now, base))
        return 100.0 if base <= 0 else min(100.0, 100 * base / max(calm, 1e-9))
    best = min(now + 2 * scatter, max(now, base))
    return min(100.0, max(0.0, 100 * best / base))


def _errors(counted: Mapping[str, Counted]) -> Measured | None:
    known = {source: each for source, each in counted.items() if each.baseline_known and each.now_known}
    if not known:
        return None
    failed_before = sum(each.baseline_failed for each in known.values())
    before = sum(each.baseline_known for each in known.values())
    failed, total = sum(each.now_failed for each in known.values()), sum(each.now_known for each in known.values())
    base, now = failed_before / before, failed / total
    # What so few results, or so few before them, may show by chance does not count.
    likely = beta_binomial_tail(round(failed), round(total), 1 + before - failed_before, 1 + failed_before)
    excess = max(0.0, now - base - _TOLERATED) if likely < _BY_CHANCE else 0.0
    score = max(0.0, 100 * (1 - excess / _ERROR_SCALE))
    worst = max(known, key=lambda source: known[source].now_failed / known[source].now_known)
    return Measured(
        Aspect.ERRORS, 100 * base, 100 * now, now / base if base else 1.0 + now * total, score, "%", len(known), worst
    )


def _score(measured: Sequence[Measured]) -> float | None:
    if not measured:
        return None
    weights = [_WEIGHTS[each.aspect.value] for each in measured]
    return float(np.average([each.score for each in measured], weights=weights))


def _recommend(measured: Sequence[Measured]) -> list[str]:
    return [_RECOMMENDED[each.aspect].format(each=each, times=f"{each.ratio:.1f}") for each in measured
            if each.score < _WORSE]  # fmt: skip


_RECOMMENDED = {
    Aspect.RESPONSE_TIME: (
        "it answers in {each.now:.3g} {each.unit} instead of {each.baseline:.3g}: begin with {each.worst}"
    ),
    Aspect.THROUGHPUT: (
        "throughput is {times} times its normal ({each.now:.3g} instead of {each.baseline:.3g} {each.unit}): look at "
        "what feeds {each.worst}"
    ),
    Aspect.ERRORS: "{each.now:.2g} % of results fail instead of {each.baseline:.2g} %: begin with {each.worst}",
    Aspect.RESOURCES: "{each.worst} is the tightest resource: give it room, or take load off it",
}
